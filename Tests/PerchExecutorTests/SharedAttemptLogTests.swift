// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("Logs of workers with homes of their own", .timeLimit(.minutes(1)))
struct SharedAttemptLogTests {
    @Test("what a try says on two machines is one log in the metastore, and stands in each one's file as before")
    func twoMachines() async throws {
        let homes = try await SharedHomes()
        let (first, second) = (homes.logs(of: "a"), homes.logs(of: "b"))
        first.append([.said("one")], to: homes.logged, by: 1, worth: .always(past: [.said("past")]))
        first.ended(homes.logged, by: 1, isOver: false)
        await first.flush()
        second.append([.said("two")], to: homes.logged, by: 2, worth: .always(past: [.said("past")]))
        second.append([.said("three")], to: homes.logged, by: 2, worth: .ifThere)
        second.ended(homes.logged, by: 2, isOver: true)
        await second.flush()
        #expect(SharedHomes.messages(try await homes.text()) == ["past", "one", "two", "three"])
        #expect(try await homes.parts().map(\.origin).sorted() == ["a", "a", "b"])
        for (machine, messages) in [("a", ["past", "one"]), ("b", ["past", "two", "three"])] {
            let file = try AttemptLogStore(directory: "\(homes.folder)/\(machine)/logs")
                .text(of: homes.task.key, tryNumber: 1)
            #expect(SharedHomes.messages(file ?? "") == messages)
        }
        try homes.close()
    }

    @Test("the last lines of an attempt are there when its end is") func end() async throws {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a")
        logs.append([.said("first")], to: homes.logged, by: 1, worth: .always(past: []))
        await logs.flush()
        logs.append([.said("last")], to: homes.logged, by: 1, worth: .always(past: []))
        logs.ended(homes.logged, by: 1, isOver: true)
        await logs.flush()
        #expect(SharedHomes.messages(try await homes.text()) == ["first", "last"])
        try homes.close()
    }

    @Test("a log of many rows becomes one of few when its attempt ends") func tidied() async throws {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a")
        for number in 0..<20 {
            logs.append([.said("\(number)")], to: homes.logged, by: 1, worth: .always(past: []))
            await logs.flush()
        }
        #expect(try await homes.parts().count == 20)
        logs.ended(homes.logged, by: 1, isOver: true)
        await logs.flush()
        #expect(try await homes.parts().count == 1)
        #expect(SharedHomes.messages(try await homes.text()) == (0..<20).map { "\($0)" })
        try homes.close()
    }

    @Test("with an archive a log is a file there when its try has ended, also where a dispatch comes after that")
    func archived() async throws {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a", isArchived: true)
        let path = homes.archive.path(of: homes.task.key, tryNumber: 1)
        logs.append([.said("one")], to: homes.logged, by: 1, worth: .always(past: []))
        logs.ended(homes.logged, by: 1, isOver: false)
        await logs.flush()
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(try await homes.parts().count == 1)
        // Its waits had it come back elsewhere, where it says nothing.
        let other = homes.logs(of: "b", isArchived: true)
        var resumed = homes.logged
        resumed.hasPast = true
        other.ended(resumed, by: 2, isOver: true)
        await other.flush()
        #expect(SharedHomes.messages(try String(contentsOfFile: path, encoding: .utf8)) == ["one"])
        #expect(try await homes.text() == "-")
        // A crash between the last line and the report: the try goes on.
        logs.append([.said("two")], to: homes.logged, by: 1, worth: .ifThere)
        logs.ended(homes.logged, by: 1, isOver: true)
        await logs.flush()
        #expect(SharedHomes.messages(try String(contentsOfFile: path, encoding: .utf8)) == ["one", "two"])
        let parts = try await homes.parts()
        #expect(parts.count == 1 && parts[0].text == nil)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: (path as NSString).deletingLastPathComponent)
                == ["attempt=1.log"])
        let whole = try LogArchive.read(path, from: 0, count: 1 << 20)
        #expect(whole.count == Int(parts[0].size))
        #expect(try LogArchive.read(path, from: Int64(whole.count) - 4, count: 99) == Array("two\n".utf8))
        try homes.close()
    }

    @Test("an archive that died between the file and the rows is moved once more, and says nothing twice")
    func archivedTwice() async throws {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a")
        logs.append([.said("one"), .said("two")], to: homes.logged, by: 1, worth: .always(past: []))
        await logs.flush()
        let path = homes.archive.path(of: homes.task.key, tryNumber: 1)
        let text = try await homes.text()
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        for _ in 1...2 { try await homes.archive.take(homes.logged, from: homes.store, as: 1) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == text)
        #expect(try await homes.text() == "-")
        // What was moved is gone from the directory: nothing is written in its place.
        logs.append([.said("three")], to: homes.logged, by: 1, worth: .ifThere)
        await logs.flush()
        try FileManager.default.removeItem(atPath: path)
        await #expect(throws: PerchError.self) {
            try await homes.archive.take(homes.logged, from: homes.store, as: 1)
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        #expect(SharedHomes.messages(try await homes.text()) == ["three"])
        try homes.close()
    }

    @Test("an archive that does not answer holds up neither the executor's thread nor its end") func hung() async throws
    {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a", isArchived: true, patience: TimeSpan(microseconds: 500_000))
        let path = homes.archive.path(of: homes.task.key, tryNumber: 1)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        // Whoever opens a pipe for writing waits for somebody who reads.
        #expect(mkfifo(path + ".part-1", 0o600) == 0)
        logs.append([.said("one")], to: homes.logged, by: 1, worth: .always(past: []))
        logs.ended(homes.logged, by: 1, isOver: true)
        await logs.flush()
        #expect(SharedHomes.messages(try await homes.text()) == ["one"])
        #expect(!FileManager.default.fileExists(atPath: path))
        let reader = open(path + ".part-1", O_RDONLY | O_NONBLOCK)
        #expect(reader >= 0)
        // Of a pipe nothing can be brought to the disk: the log stays, and what was begun goes.
        await logs.flush()
        close(reader)
        #expect(SharedHomes.messages(try await homes.text()) == ["one"])
        try homes.close()
    }

    @Test("a log whose worker died before it was moved is moved by another one") func left() async throws {
        let homes = try await SharedHomes()
        let dead = homes.logs(of: "a")
        dead.append([.said("one")], to: homes.logged, by: 1, worth: .always(past: []))
        await dead.flush()
        let logs = homes.logs(of: "b", isArchived: true)
        logs.began(by: 2)
        let path = homes.archive.path(of: homes.task.key, tryNumber: 1)
        // Its task runs.
        #expect(try await logs.takeLeft(for: .seconds(-60), by: 2).isEmpty)
        try await homes.succeed()
        // It may be that its worker is just about it.
        #expect(try await logs.takeLeft(by: 2).isEmpty)
        await homes.pass(.seconds(400))
        for _ in 0..<100_000 {
            if try await homes.text() == "-" { break }
        }
        #expect(SharedHomes.messages(try String(contentsOfFile: path, encoding: .utf8)) == ["one"])
        await logs.flush()
        #expect(try await logs.takeLeft(for: .seconds(-60), by: 2).isEmpty)
        try homes.close()
    }

    @Test("a metastore that cannot be reached holds nobody up, and the file of the home has every line")
    func unreachable() async throws {
        let homes = try await SharedHomes()
        let logs = homes.logs(of: "a", most: 1_000)
        try homes.store.close()
        for number in 0..<100 {
            logs.append([.said("\(number)")], to: homes.logged, by: 1, worth: .always(past: []))
        }
        logs.ended(homes.logged, by: 1, isOver: true)
        await logs.flush()
        let file = try AttemptLogStore(directory: "\(homes.folder)/a/logs").text(of: homes.task.key, tryNumber: 1)
        #expect(SharedHomes.messages(file ?? "").count == 100)
        try homes.close(isStoreClosed: true)
    }
}
