// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("The store commits in groups, keeps others out and refuses what it cannot read")
struct StoreTests {
    @Test("A member that throws is rolled back alone")
    func isolation() async throws {
        let stage = try await Stage()
        let store = stage.store
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<200 {
                group.addTask {
                    do {
                        try await store.write { transaction in
                            _ = try transaction.emit([NewEvent(name: "n", eventID: "\(index)")])
                            if index % 3 == 0 { throw PerchError(.invalid, "no") }
                        }
                        #expect(index % 3 != 0)
                    } catch {
                        #expect(index % 3 == 0)
                    }
                }
            }
        }
        let events = try await store.read { try $0.events(after: 0, limit: 1_000) }
        #expect(Set(events.map(\.eventID)) == Set((0..<200).filter { $0 % 3 != 0 }.map(String.init)))
        #expect(events.map(\.seq) == Array(1...Int64(events.count)))
        #expect(try await stage.faults() == [])
    }

    @Test("An event of a name and id is taken once, and the second sender is told the first one's number")
    func deduplication() async throws {
        let stage = try await Stage()
        let answers = try await stage.store.write {
            try $0.emit([
                NewEvent(name: "n", eventID: "1"), NewEvent(name: "n", eventID: "1"), NewEvent(name: "m", eventID: "1"),
            ])
        }
        #expect(answers.map(\.isDuplicate) == [false, true, false])
        #expect(answers.map(\.seq) == [1, 1, 2])
    }

    @Test("A second engine on a home is refused with the first one's process id")
    func lock() async throws {
        let stage = try await Stage()
        let error = #expect(throws: PerchError.self) {
            try Metastore.open(home: stage.home.path, access: .engine, clock: stage.clock)
        }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("\(getpid())") == true)
        try stage.close()
        try Metastore.open(home: stage.home.path, access: .engine, clock: stage.clock).close()
    }

    @Test("A command finds no metastore where there is none, and makes none")
    func missing() throws {
        let home = try TemporaryHome()
        let error = #expect(throws: PerchError.self) {
            try Metastore.open(home: home.path, access: .command, clock: ManualClock())
        }
        #expect(error?.code == .notFound)
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.path).isEmpty)
    }

    @Test("A file that is no database is refused and left as it is")
    func garbage() throws {
        let home = try TemporaryHome()
        let path = home.path + "/perch.db"
        let garbage = Data((0..<5_000).map { UInt8(truncatingIfNeeded: $0 &* 37) })
        try garbage.write(to: URL(fileURLWithPath: path))
        for access in [Metastore.Access.engine, .command] {
            let error = #expect(throws: PerchError.self) {
                try Metastore.open(home: home.path, access: access, clock: ManualClock())
            }
            #expect(error?.code == .metastore)
            #expect(error?.message.contains(path) == true)
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == garbage)
    }

    @Test("A newer schema is refused by its number")
    func newerSchema() async throws {
        let stage = try await Stage()
        try await stage.store.write {
            _ = try $0.run("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
        }
        try stage.close()
        for access in [Metastore.Access.engine, .command] {
            let error = #expect(throws: PerchError.self) {
                try Metastore.open(home: stage.home.path, access: access, clock: stage.clock)
            }
            #expect(error?.message.contains("99") == true)
        }
    }

    @Test("A command writes beside the engine, and the engine hears it")
    func command() async throws {
        let stage = try await Stage()
        let heard = AsyncStream<DoorbellSet>.makeStream()
        stage.store.doorbells.subscribe(.events) { heard.continuation.yield($0) }
        let command = try Metastore.open(home: stage.home.path, access: .command, clock: stage.clock)
        _ = try await command.write { try $0.emit([NewEvent(name: "n")]) }
        var iterator = heard.stream.makeAsyncIterator()
        #expect(await iterator.next() == .events)
        #expect(try await stage.store.read { try $0.lastEventSeq() } == 1)
        try command.close()
    }

    @Test("A backup is whole, opens, and never overwrites")
    func backup() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let other = try TemporaryHome()
        try await stage.store.backup(to: other.path + "/perch.db")
        await #expect(throws: PerchError.self) { try await stage.store.backup(to: other.path + "/perch.db") }
        let copy = try Metastore.open(home: other.path, access: .command, clock: stage.clock)
        #expect(try await copy.read { try $0.dags() }.map(\.dagID) == ["d"])
        try copy.close()
    }

    @Test("Commits are synchronous in full")
    func synchronous() async throws {
        let stage = try await Stage()
        let level = try await stage.store.write { try $0.first("PRAGMA synchronous") { $0.int64(0) } }
        #expect(level == 3)
    }

    @Test("Ids that were handed out in a rolled-back block are not given to two rows")
    func idsAfterRollback() async throws {
        let stage = try await Stage()
        let ids = await withTaskGroup(of: Int64?.self, returning: [Int64].self) { group in
            for index in 0..<300 {
                group.addTask {
                    try? await stage.store.write { transaction in  // because members that throw are meant to
                        let id = try transaction.nextID()
                        if index % 2 == 0 { throw PerchError(.invalid, "no") }
                        return id
                    }
                }
            }
            return await group.reduce(into: []) { if let id = $1 { $0.append(id) } }
        }
        #expect(ids.count == 150)
        #expect(Set(ids).count == 150)
    }

    @Test("A run that is being cleaned away is gone at once, before all of it is")
    func cleaningInParts() async throws {
        let stage = try await Stage()
        let tasks = (0..<5).map { TaskDefinition.sensor("s\($0)", .file("/\($0)")) }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let old = try await stage.trigger("d", runID: "old")
        for wait in try await stage.waits() { _ = try await stage.fire(wait.waitID) }
        #expect(try await stage.state(old) == .success)
        stage.clock.advance(.seconds(1_000))
        let before = stage.clock.now
        func clean() async throws -> Bool {
            try await stage.store.write { try $0.clean(runsBefore: before, eventsBefore: nil, limit: 3) }
        }
        #expect(try await clean())
        await #expect(throws: PerchError.self) {
            _ = try await stage.store.write {
                try $0.clear(
                    dagID: "d", runID: "old", taskID: nil, mapIndex: nil, downstream: false, onlyFailed: false,
                    by: "anna")
            }
        }
        // The name is free, and what is left of the old run is no part of the new one.
        let new = try await stage.trigger("d", runID: "old")
        for _ in 0..<20 where try await clean() {}
        #expect(try await stage.store.read { try $0.taskInstances(runKey: old.runKey) }.isEmpty)
        #expect(try await stage.store.read { try $0.taskInstances(runKey: new.runKey) }.count == 5)
        #expect(try await stage.faults() == [])
    }

    @Test("Cleaning removes old finished runs and events, and nothing that waits")
    func cleaning() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"))]))
        let old = try await stage.trigger("d", runID: "old")
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        _ = try await stage.store.write { try $0.emit([NewEvent(name: "n")]) }
        _ = try await stage.trigger("d", runID: "waiting")
        stage.clock.advance(.seconds(1_000))
        let before = stage.clock.now
        for _ in 0..<20
        where try await stage.store.write({ try $0.clean(runsBefore: before, eventsBefore: before, limit: 2) }) {}
        #expect(try await stage.state(old) == nil)
        #expect(
            try await stage.store.read { try $0.runs(dagID: nil, state: nil, limit: 9) }.map(\.runID) == ["waiting"])
        #expect(try await stage.waits().count == 1)
        #expect(try await stage.store.read { try $0.events(after: 0, limit: 9) }.isEmpty)
        #expect(try await stage.faults() == [])
    }
}
