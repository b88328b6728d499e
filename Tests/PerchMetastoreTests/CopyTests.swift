// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

@Suite("A metastore that goes from its file to a server", .enabled(if: PostgresCluster.programs != nil))
struct CopyTests {
    /// A home with waits, journals, mapped instances, retries and awkward texts.
    private func stage() async throws -> (Stage, RunRow) {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .sensor("landed", .file("/in/ü'\"\\ \u{1F426}")), .code("list"),
                    .code("each", after: [1]) { $0.mappedOver = 1 }, .code("waits"), .code("open"),
                    .code("fails") { $0.retries = 3 },
                ]))
        let run = try await stage.trigger("d", params: .object(["text": .string("a\nb\u{0}".filter { $0 != "\u{0}" })]))
        for task in try await stage.claim() {
            switch task.key.taskID {
            case "list":
                let items = (0..<100).map { "\($0)" }
                try await stage.succeed(task, output: "[\(items.joined(separator: ","))]", items: items)
            case "waits": try await stage.deferTask(task, trigger: .file("/other"), timeout: .seconds(50))
            case "fails": try await stage.finish(task, .failure(message: "no", retryable: true))
            default: break
            }
        }
        try await stage.advance()
        _ = try await stage.store.write { try $0.emit([NewEvent(name: "e", key: "k", payload: .object([:]))]) }
        return (stage, run)
    }

    private func open(_ database: TestDatabase, _ stage: Stage) throws -> Metastore {
        try Metastore.open(
            postgres: database.settings, home: stage.home.path, access: .engine, isAlone: true, clock: stage.clock)
    }

    @Test("runs, waits and journals are there, and go on") func everything() async throws {
        let (stage, run) = try await stage()
        let before = try await stage.store.read {
            (try $0.taskInstances(runKey: run.runKey), try $0.waits(WaitFilter()))
        }
        let ids = try await stage.store.write { try [$0.nextID(), $0.nextID()] }
        try stage.close()
        let database = try TestDatabase(isReused: false)
        let store = try open(database, stage)
        var told: [CopiedTable] = []
        let tables = try store.takeOverFile { told.append($0) }
        #expect(tables == told && tables.first { $0.name == "task_instance" }?.rows == 105, "\(tables)")
        let after = try await store.read { (try $0.taskInstances(runKey: run.runKey), try $0.waits(WaitFilter())) }
        #expect(after.0 == before.0 && after.1.map(\.waitID) == before.1.map(\.waitID))
        #expect(after.1.map(\.target) == before.1.map(\.target))
        #expect(try await store.check() == [])
        // What goes on: ids are not given twice, a wait fires, its task comes back with its journal, the open one ends.
        let next = try await store.write { try $0.nextID() }
        #expect(next > ids.max() ?? .max)
        let lease = stage.lease
        let waits = after.1.map(\.waitID)
        let fired = try await store.write { transaction in
            try transaction.fire(
                waits.map { Firing(waitID: $0, outcome: .event(.string("here")), by: "t") }, lease: lease)
        }
        #expect(fired == [true, true])
        let worker = stage.worker
        let claimed = try await store.write { try $0.claim(limit: 5_000, worker: worker) }
        #expect(claimed.count == 101)
        #expect(claimed.first { $0.key.taskID == "waits" }?.journal.count == 1)
        #expect(claimed.first { $0.key.mapIndex == 99 }?.mapElement == "99")
        #expect(try await store.read { try $0.lastEventSeq() } == 1)

        #expect { try store.takeOverFile() } throws: { "\($0)".contains("the other metastore is in use") }
        #expect(try await store.check() == [])
        try store.close()
        // The file is as it was.
        let file = try Metastore.open(home: stage.home.path, access: .engine, clock: stage.clock)
        #expect(try await file.read { try $0.waits(WaitFilter()).count } == 2)
        #expect { try file.takeOverFile() } throws: { "\($0)".contains("cannot be copied to itself") }
        try file.close()
    }

    @Test("a command that would write meanwhile is refused, and not told that what it did is stored") func command()
        async throws
    {
        let (stage, _) = try await stage()
        try stage.close()
        let store = try open(try TestDatabase(isReused: false), stage)
        var refusals: [String] = []
        _ = try store.takeOverFile { _ in
            guard refusals.isEmpty else { return }
            do {
                let command = try Metastore.openDriver(HomePaths(stage.home.path), access: .command)
                defer { #expect(throws: Never.self) { try command.close() } }
                try command.write { try $0.perform(.begin) }
                refusals.append("it wrote")
            } catch {
                refusals.append("\(error)")
            }
        }
        #expect(refusals.count == 1 && refusals.first != "it wrote", "\(refusals)")
        try store.close()
    }

    @Test("nobody may be at work on the file, and what contradicts itself is not copied") func refusals() async throws {
        let (stage, _) = try await stage()
        let database = try TestDatabase(isReused: false)
        #expect { try open(database, stage) } throws: { "\($0)".contains("is in use by process") }
        try stage.close()
        let member = try Metastore.open(home: stage.home.path, access: .member, clock: stage.clock)
        let store = try open(database, stage)
        #expect { try store.takeOverFile() } throws: {
            "\($0)".contains("has to be copied, and a triggerer or a worker")
        }
        _ = try await member.write { try $0.run("UPDATE pool SET used = used + 1 WHERE name = 'default_pool'") }
        try member.close()
        #expect { try store.takeOverFile() } throws: { "\($0)".contains("contradicts itself") }
        #expect(try await store.read { try $0.dags().isEmpty })
        try store.close()

        let empty = try TemporaryHome()
        let other = try Metastore.open(
            postgres: database.settings, home: empty.path, access: .engine, clock: stage.clock)
        #expect { try other.takeOverFile() } throws: { ($0 as? PerchError)?.code == .notFound }
        try other.close()
    }
}
