// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Deferrals a second: at the executor's intake, which is the metastore, and through a bundle process; and fires a second
/// where the triggerer hands them in.
enum Defer {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let limit = try place.rates().insert
        let intake = try await atIntake(place.inner("intake"), size)
        let through = try await throughBundle(place, min(size, 50_000))
        return [
            Metric("rate", intake.defers, "per_s", goal: .atLeast(20_000), limit: limit),
            Metric("fire_rate", intake.fires, "per_s", goal: .none),
            Metric("defer_e2e", through, "per_s", goal: .atLeast(8_000), limit: limit),
        ]
    }

    /// Tasks that are running give up their worker, a thousand a transaction, as the executor hands them in; then they are
    /// fired, a thousand a transaction, as the triggerer does it.
    private static func atIntake(_ place: Place, _ size: Int) async throws -> (defers: Double, fires: Double) {
        try place.makeMetastore(slots: size)
        let metastore = try place.openMetastore(.engine)
        var definition = DAGDefinition(dagID: "intake")
        definition.maxActiveRuns = size
        definition.tasks = (0..<1000).map { TaskDefinition(taskID: "task_\($0)", kind: .code(operatorName: "closure")) }
        let (dag, runs) = (definition, (size + 999) / 1000)
        let worker = try await metastore.write { transaction in
            try transaction.storeDAGs([dag], bundle: "default", bundleVersion: "1")
            for index in 0..<runs { _ = try transaction.createRun(RunRequest(dagID: "intake", runID: "run_\(index)")) }
            return try transaction.registerProcess(
                role: "worker", pid: 1, startTime: 1, bootID: "bench", host: "bench", lease: .seconds(3600))
        }
        while try await metastore.write({ try $0.advanceRuns(budget: 5000) }) {}
        var running: [Deferral] = []
        while true {
            let claimed = try await metastore.write { transaction in
                try transaction.claim(limit: 1000, worker: worker).map { ($0.taskInstanceID, $0.dispatchID) }
            }
            if claimed.isEmpty { break }
            running += claimed.map {
                Deferral(
                    taskInstanceID: $0.0, dispatchID: $0.1, key: "sleep#0", trigger: .time(.after(.seconds(86_400))),
                    timeout: nil, ranFor: TimeSpan(microseconds: 100))
            }
        }
        let start = Monotonic.seconds
        for first in stride(from: 0, to: running.count, by: 1000) {
            let batch = Array(running[first..<min(first + 1000, running.count)])
            let accepted = try await metastore.write { try $0.deferTasks(batch) }
            guard accepted.allSatisfy({ $0 }) else { throw BenchError("a deferral was refused") }
        }
        let defers = Double(running.count) / (Monotonic.seconds - start)
        let waits = try await metastore.read {
            try $0.waitsToArm(after: 0, of: .all(of: ["default"]), limit: .max).waits
        }
        let triggerer = try await metastore.write {
            try $0.registerTriggerer(
                ProcessIdentity(pid: 1, startTime: 1, bootID: "bench", host: "bench"), terms: TriggererTerms(),
                lease: .seconds(3_600))
        }
        let firing = Monotonic.seconds
        for first in stride(from: 0, to: waits.count, by: 1000) {
            let batch = waits[first..<min(first + 1000, waits.count)].map {
                Firing(waitID: $0.waitID, outcome: .event(.object(["due_at": .integer(1)])), by: "triggerer")
            }
            let won = try await metastore.write { try $0.fire(batch, lease: triggerer) }
            guard won.allSatisfy({ $0 }) else { throw BenchError("a fire was refused") }
        }
        let fires = Double(waits.count) / (Monotonic.seconds - firing)
        try metastore.close()
        return (defers, fires)
    }

    /// From the first task that is queued until all of them sleep.
    private static func throughBundle(_ place: Place, _ size: Int) async throws -> Double {
        let engine = try await EngineUnderTest(place, bench: "defer", size: size, room: size)
        let run = try await engine.trigger("defer")
        try await engine.until("all tasks sleep", within: 300) { try $0.waitCount() >= size }
        let end = WallClock().now
        let first = try await engine.metastore.read { snapshot in
            guard let row = try snapshot.run(dagID: "defer", runID: run) else { throw BenchError("the run is gone") }
            return try snapshot.taskInstances(runKey: row.runKey).filter { $0.key.taskID == "sleep" }
                .compactMap(\.queuedAt).min()
        }
        try engine.stop()
        guard let first else { throw BenchError("no task was queued") }
        return Double(size) / (Double((end - first).microseconds) / 1e6)
    }
}
