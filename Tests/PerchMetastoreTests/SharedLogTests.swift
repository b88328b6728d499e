// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Logs that workers send to the metastore", .onEveryGround)
struct SharedLogTests {
    private let stage: Stage
    private let log: LogID

    init() async throws {
        stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        _ = try await stage.trigger("d")
        let task = try #require(try await stage.claim().first)
        log = LogID(taskInstanceID: task.taskInstanceID, tryNumber: 1)
        try await stage.succeed(task)
    }

    private func piece(_ position: Int64, _ text: String, _ place: LogPiece.Place = .always, by writer: Int64 = 7)
        -> LogPiece
    {
        LogPiece(log: log, writer: writer, position: position, place: place, text: text)
    }

    private func append(_ pieces: LogPiece...) async throws {
        try await stage.store.write { try $0.appendLogs(pieces, origin: "h:/home") }
    }

    private func parts(from offset: Int64 = 0) async throws -> [LogPart] {
        let log = log
        return try await stage.store.read { try $0.logParts(log, from: offset, limit: 10_000) }
    }

    private func text() async throws -> String { try await parts().map { $0.text ?? "-" }.joined() }

    @Test(
        "a piece that is sent twice is stored once, and pieces of several workers stand in the order of their commits")
    func twice() async throws {
        try await append(piece(1, "one\n"), piece(2, "zwölf\n"))
        try await append(piece(1, "one\n"), piece(2, "zwölf\n"), piece(3, "three\n"))
        try await append(piece(1, "four\n", by: 8))
        let found = try await parts()
        #expect(found.map(\.text) == ["one\n", "zwölf\n", "three\n", "four\n"])
        #expect(found.map(\.start) == [0, 4, 11, 17] && found.map(\.end) == [4, 11, 17, 22])
        let log = log
        #expect(try await stage.store.read { try $0.logOrigins(log) } == ["h:/home"])
        // From a byte within a piece on, and from the end.
        #expect(try await parts(from: 5).map(\.start) == [4, 11, 17])
        #expect(try await parts(from: 22).isEmpty)
        #expect(try await stage.store.read { try $0.logEnd(log) } == 22)
        let none = LogID(taskInstanceID: log.taskInstanceID, tryNumber: 9)
        #expect(try await stage.store.read { try $0.logEnd(none) } == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("what is worth no log of its own begins none, and the past begins one that has not begun")
    func worth() async throws {
        try await append(piece(1, "quiet\n", .later))
        #expect(try await text() == "")
        try await append(piece(2, "past\n", .first), piece(3, "more of it\n", .afterLast), piece(4, "now\n"))
        try await append(
            piece(5, "past\n", .first), piece(6, "more of it\n", .afterLast), piece(7, "then\n", .later))
        #expect(try await text() == "past\nmore of it\nnow\nthen\n")
    }

    @Test("what is said of a task instance that is gone is not kept") func gone() async throws {
        let lost = LogPiece(
            log: LogID(taskInstanceID: 99_999_999, tryNumber: 1), writer: 7, position: 1, place: .always, text: "x\n")
        try await append(lost, piece(2, "here\n"))
        #expect(try await text() == "here\n")
        #expect(try await stage.faults() == [])
    }

    @Test("many rows become few, and say the same to who is in the middle of them") func tidy() async throws {
        let lines = (1...700).map { "line \($0) \(String(repeating: "x", count: 2_000))\n" }
        for start in stride(from: 0, to: 700, by: 100) {
            let some = (start..<start + 100).map { piece(Int64($0 + 1), lines[$0]) }
            try await stage.store.write { try $0.appendLogs(some, origin: "h:/home") }
        }
        let before = try await text()
        let middle = try await parts()[399].end + 10
        let log = log
        var steps = 1
        while try await stage.store.write({ try $0.tidyLog(log) }) { steps += 1 }
        #expect(steps == 2)
        let after = try await parts()
        #expect(after.count == 6 && after.allSatisfy { $0.size <= 256 << 10 })
        #expect(try await text() == before && before.utf8.count == Int(after.last?.end ?? 0))
        let rest = try await parts(from: middle)
        let first = try #require(rest.first)
        #expect(first.start <= middle && first.end > middle)
        #expect(try await stage.store.write { try $0.tidyLog(log) } == false)
        try await append(piece(701, "last\n"))
        #expect(try await text() == before + "last\n")
    }

    @Test("of a log that several homes have spoken in, none takes all for its own, tidied or archived")
    func origins() async throws {
        for (worker, home) in [(Int64(7), "h:/a"), (8, "h:/b"), (7, "h:/a")] {
            let start = try await parts().count
            let pieces = (1...5).map { piece(Int64(start + $0), "\(home) \($0)\n", by: worker) }
            try await stage.store.write { try $0.appendLogs(pieces, origin: home) }
        }
        let (log, before) = (log, try await text())
        #expect(try await stage.store.write { try $0.tidyLog(log) } == false)
        #expect(try await parts().map(\.origin) == ["h:/a", "h:/b", "h:/a"])
        #expect(try await text() == before)
        let ownEnd = Int64(before.utf8.count / 3)
        #expect(try await stage.store.read { try $0.firstByte(of: log, notFrom: "h:/a") } == ownEnd)
        #expect(try await stage.store.read { try $0.firstByte(of: log, notFrom: "h:/b") } == 0)
        // What was sent once is known after the rows were joined.
        let again = (1...5).map { piece(Int64($0), "h:/a \($0)\n") }
        try await stage.store.write { try $0.appendLogs(again, origin: "h:/a") }
        #expect(try await text() == before)
        let end = Int64(before.utf8.count)
        for _ in 1...2 {
            #expect(try await stage.store.write { try $0.archiveLog(log, through: end) })
            let found = try await stage.store.read { try $0.logOrigins(log) }
            #expect(found == ["h:/a, h:/b"])
        }
    }

    @Test("what stands in the archive leaves the metastore, once or twice, and what comes later goes on behind it")
    func archive() async throws {
        try await append(piece(1, "one\n"), piece(2, "two\n"))
        let log = log
        // In the middle of a piece nothing is taken.
        #expect(try await stage.store.write { try $0.archiveLog(log, through: 6) } == false)
        #expect(try await text() == "one\ntwo\n")
        for _ in 1...2 {
            #expect(try await stage.store.write { try $0.archiveLog(log, through: 8) })
            #expect(
                try await parts() == [LogPart(start: 0, size: 8, origin: "h:/home", text: nil)])
        }
        try await append(piece(2, "two\n"), piece(3, "three\n", .later))
        #expect(try await parts().map(\.start) == [0, 8])
        #expect(try await text() == "-three\n")
        #expect(try await stage.store.write { try $0.archiveLog(log, through: 14) })
        #expect(try await parts().map(\.end) == [14])
        let nothing = LogID(taskInstanceID: log.taskInstanceID, tryNumber: 9)
        #expect(try await stage.store.write { try $0.archiveLog(nothing, through: 5) } == false)
    }

    @Test("logs of tries that are over are found until they are in the archive; those of tries that go on are not")
    func left() async throws {
        try await append(piece(1, "one\n"), piece(2, "two\n"))
        _ = try await stage.trigger("d", runID: "r2")
        let running = try #require(try await stage.claim().first)
        let other = LogID(taskInstanceID: running.taskInstanceID, tryNumber: 1)
        let more = [
            LogPiece(log: other, writer: 7, position: 3, place: .always, text: "three\n"),
            LogPiece(
                log: LogID(taskInstanceID: running.taskInstanceID, tryNumber: 0), writer: 7, position: 4,
                place: .always, text: "an earlier try\n"),
        ]
        try await stage.store.write { try $0.appendLogs(more, origin: "h:/home") }
        let end = stage.clock.now
        func left(_ before: Timestamp, after last: LogID? = nil, limit: Int = 9) async throws -> [LeftLog] {
            try await stage.store.read { try $0.leftLogs(endedBefore: before, after: last, limit: limit) }
        }
        let earlier = LogID(taskInstanceID: running.taskInstanceID, tryNumber: 0)
        #expect(try await left(end).map(\.log) == [earlier])
        let found = try await left(end + .seconds(1))
        #expect(found.map(\.log) == [log, earlier])
        #expect(found.last?.key == running.key)
        #expect(try await left(end + .seconds(1), limit: 1).map(\.log) == [log])
        #expect(try await left(end + .seconds(1), after: log).map(\.log) == [earlier])
        let moved = log
        #expect(try await stage.store.write { try $0.archiveLog(moved, through: 8) })
        #expect(try await left(end + .seconds(1)).map(\.log) == [earlier])
        try await stage.succeed(running)
        #expect(try await left(end + .seconds(1)).map(\.log) == [earlier, other])
    }

    @Test("a log goes with its run, whether that is cleaned away or its DAG is deleted", arguments: [true, false])
    func goes(isCleaned: Bool) async throws {
        try await append(piece(1, "one\n"), piece(2, "two\n"))
        if isCleaned {
            stage.clock.advance(.seconds(10))
            let now = stage.clock.now
            for _ in 0..<20 {
                let request = CleaningRequest(runsBefore: now)
                guard try await stage.store.write({ try $0.clean(request, limit: 2) }).isMore else { break }
            }
        } else {
            try await stage.store.write { try $0.beginRemoval(ofDAG: "d") }
            for _ in 0..<20 {
                if try await stage.store.write({ try $0.removeDAG("d", by: "t", limit: 8) }) == .done { break }
            }
        }
        #expect(try await stage.store.read { try $0.runs(dagID: nil, state: nil, limit: 9) }.isEmpty)
        #expect(try await text() == "")
        #expect(try await stage.faults() == [])
    }
}
