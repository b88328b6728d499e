// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A home with one run of sensors, each for the event `go` with a key of its own.
private struct SharedHome {
    let folder: Folder
    let program: Program
    let sensors: Int
    let metastore: Metastore

    /// - Parameter queues: In turn, the queues of the sensors.
    init(sensors: Int, queues: [String] = [TaskDefinition.defaultQueue]) async throws {
        folder = try Folder()
        self.sensors = sensors
        program = Program("perch", environment: ["PERCH_HOME": folder.path, "PERCH__TRIGGERER__LEASE": "1s"])
        _ = try Metastore.migrate(home: folder.path, clock: SystemClock())
        metastore = try Metastore.open(home: folder.path, access: .command, clock: SystemClock())
        var definition = DAGDefinition(dagID: "shared")
        definition.tasks = (0..<sensors).map { number in
            let trigger = TriggerSpec(
                kind: "event", target: "go(k\(number))",
                definition: .object(["name": "go", "key": .string("k\(number)")]))
            var task = TaskDefinition(taskID: "s\(number)", kind: .sensor(SensorDefinition(trigger: trigger)))
            task.queue = queues[number % queues.count]
            return task
        }
        let dag = definition
        try await metastore.write { transaction in
            try transaction.storeDAGs([dag], bundle: "other", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: "shared", runID: "r"))
            while try transaction.advanceRuns(budget: 5_000) {}
        }
    }

    /// With a lease of an hour, so that nothing happens because one has ended.
    func startForLong(_ role: String) throws -> RunningEngine {
        try start(role, "--set", "triggerer.lease=1h")
    }

    func start(_ role: String, _ arguments: String...) throws -> RunningEngine {
        try RunningEngine(
            program, role: role, home: folder.path, log: folder.path + "/\(UUID().uuidString).log",
            arguments: arguments)
    }

    func emit(_ numbers: Range<Int>) async throws {
        _ = try await metastore.write { try $0.emit(numbers.map { NewEvent(name: "go", key: "k\($0)") }) }
    }

    /// The triggerers as `triggerer list` shows them, by process id.
    func triggerers() throws -> [Int32: JSONValue] {
        let outcome = try program("triggerer", "list", "-o", "json")
        #expect(outcome.code == 0, "\(outcome)")
        guard case .array(let rows) = try JSONValue(parsing: outcome.output) else { return [:] }
        var found: [Int32: JSONValue] = [:]
        for row in rows {
            guard case .string(let name)? = row["triggerer"], let pid = Int32(name.split(separator: ":").last ?? "")
            else { continue }
            found[pid] = row
        }
        return found
    }

    /// Looks again and again, for ten seconds at most, until something holds.
    func until(_ what: String, _ holds: () async throws -> Bool) async throws {
        for _ in 0..<1_000 {
            if try await holds() { return }
            usleep(10_000)  // because another process changes it, of which nobody tells this one
        }
        Issue.record("not within ten seconds: \(what)")
    }

    /// Waits until so many sensors have succeeded.
    func untilSucceeded(_ count: Int) async throws {
        try await until("\(count) sensors have succeeded") { try await succeeded() == count }
    }

    func succeeded() async throws -> Int {
        try await metastore.read { snapshot in
            guard let run = try snapshot.run(dagID: "shared", runID: "r") else { return 0 }
            return try snapshot.taskInstances(runKey: run.runKey).count { $0.state == .success }
        }
    }

    /// Waits until the triggerers hold so many shards, the engine's first.
    func untilShared(_ shards: [(process: RunningEngine, shards: Int64)]) async throws {
        try await until("the shards are shared") {
            let found = try triggerers()
            return found.count == shards.count
                && shards.allSatisfy { found[$0.process.pid]?["shards"] == .integer($0.shards) }
        }
    }

    func finish() throws {
        try metastore.close()
        folder.remove()
    }
}

extension JSONValue {
    fileprivate var number: Int64 { if case .integer(let number) = self { number } else { 0 } }
}

@Suite("Triggerers that share a home", .timeLimit(.minutes(2)))
struct TriggererTests {
    @Test("two share the waits, and each wait fires once, though one is frozen past its lease, goes on, and is killed")
    func frozenAndKilled() async throws {
        let home = try await SharedHome(sensors: 300)
        let engine = try home.start("standalone")
        let other = try home.start("triggerer")
        try await home.untilShared([(engine, 512), (other, 512)])
        let shares = try home.triggerers()
        let waits = shares.values.map { $0["waits"]?.number ?? 0 }
        #expect(waits.reduce(0, +) == 300 && waits.allSatisfy { $0 > 50 }, "\(shares)")

        try await home.emit(0..<100)
        try await home.untilSucceeded(100)

        other.freeze()
        // Whoever asks is not held up by one that says nothing.
        #expect(try home.program("triggerer", "list").code == 0)
        let silent = try home.program("metrics", "--process", String(other.pid))
        #expect(silent.code == 1 && silent.errors.contains("does not answer"), "\(silent)")
        try await home.emit(100..<200)
        try await home.untilSucceeded(200)
        other.thaw()
        try await home.untilShared([(engine, 512), (other, 512)])
        #expect(other.text.contains("lease"), "\(other.text)")

        try await home.emit(200..<250)
        try await home.untilSucceeded(250)
        other.kill()
        try await home.emit(250..<300)
        try await home.untilSucceeded(300)
        try await home.untilShared([(engine, 1_024)])

        // Each was fired by a triggerer, with its own event.
        let instances = try await home.metastore.read { snapshot in
            try snapshot.run(dagID: "shared", runID: "r").map { try snapshot.taskInstances(runKey: $0.runKey) } ?? []
        }
        #expect(instances.count { $0.tryNumber == 1 } == 300)
        #expect(engine.stop() == 0)
        try home.finish()
    }

    @Test("one that is stopped or drained hands its waits over, and nothing is lost")
    func handOver() async throws {
        let home = try await SharedHome(sensors: 90)
        let engine = try home.start("standalone")
        let alone = try home.program("triggerer", "drain", String(engine.pid))
        #expect(alone.code == 1)
        #expect(alone.errors.contains("nobody would watch its waits"), "\(alone)")

        let other = try home.start("triggerer", "--capacity", "2000000")
        try await home.untilShared([(engine, 341), (other, 683)])
        let drained = try home.program("triggerer", "drain", String(other.pid))
        #expect(drained.code == 0, "\(drained)")
        #expect(drained.output.contains("handed 683 shards over"), "\(drained)")
        try await home.untilShared([(engine, 1_024), (other, 0)])
        #expect(try home.triggerers()[other.pid]?["state"] == "drained")
        try await home.emit(0..<30)
        try await home.untilSucceeded(30)

        let undone = try home.program("triggerer", "drain", String(other.pid), "--undo")
        #expect(undone.code == 0, "\(undone)")
        try await home.untilShared([(engine, 341), (other, 683)])
        try await home.emit(30..<60)
        try await home.untilSucceeded(60)

        #expect(other.stop() == 0)
        try await home.untilShared([(engine, 1_024)])
        try await home.emit(60..<90)
        try await home.untilSucceeded(90)
        #expect(engine.stop() == 0)
        let sockets = try FileManager.default.contentsOfDirectory(atPath: home.folder.path)
            .filter { $0.hasSuffix(".sock") }
        #expect(sockets.isEmpty)
        try home.finish()
    }

    @Test("the waits of one that was killed are taken over at once, however long its lease lasts")
    func killed() async throws {
        let home = try await SharedHome(sensors: 60)
        let engine = try home.startForLong("standalone")
        let other = try home.startForLong("triggerer")
        try await home.untilShared([(engine, 512), (other, 512)])
        other.kill()
        try await home.untilShared([(engine, 1_024)])
        try await home.emit(0..<60)
        try await home.untilSucceeded(60)
        #expect(engine.stop() == 0)
        try home.finish()
    }

    @Test("the waits of a queue are watched by those who serve it, and where nobody does, that is said")
    func queues() async throws {
        let home = try await SharedHome(sensors: 10, queues: ["default", "partners"])
        let explained = try home.program("deferred", "explain", "1")
        #expect(explained.code == 0, "\(explained)")
        #expect(explained.errors.contains("no triggerer that serves the queue 'partners' is running"), "\(explained)")

        let partners = try home.start("triggerer", "--queues", "partners")
        try await home.untilShared([(partners, 1_024)])
        try await home.emit(0..<10)
        try await home.untilSucceeded(5)
        let engine = try home.start("standalone")
        try await home.untilSucceeded(10)
        try await home.untilShared([(partners, 512), (engine, 1_536)])
        #expect(partners.stop() == 0)
        #expect(engine.stop() == 0)
        try home.finish()
    }

    @Test("what cannot be is refused, and says what would be right")
    func refusals() async throws {
        let home = try await SharedHome(sensors: 1)
        let empty = try Folder()
        defer { empty.remove() }
        let nowhere = try home.program("triggerer", "--home", empty.path + "/none")
        #expect(nowhere.code == 1 && nowhere.errors.contains("there is no metastore"), "\(nowhere)")
        #expect(!FileManager.default.fileExists(atPath: empty.path + "/none"))
        for wrong in [["--queues", "a,,b"], ["--queues", "a b"], ["--capacity", "0"], ["--capacity", "many"]] {
            let outcome = try home.program.run(["triggerer"] + wrong)
            #expect(outcome.code == 64, "\(outcome)")
        }
        let unknown = try home.program("triggerer", "drain", "nobody:1")
        #expect(unknown.code == 1 && unknown.errors.contains("none is running"), "\(unknown)")
        let none = try home.program("triggerer", "list")
        #expect(none.code == 0 && none.errors.contains("no triggerer is running"), "\(none)")
        try home.finish()
    }
}
