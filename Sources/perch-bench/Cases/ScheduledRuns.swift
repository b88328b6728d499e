// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// DAGs with cron schedules that are all due at one minute: what they cost before it, and until all runs are created.
enum ScheduledRuns {
    /// The cron expression of the DAGs of the engine under test.
    static let cronVariable = "PERCH_BENCH_CRON"

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        // Time enough to describe the DAGs, and to look at the idle engine for 20 seconds.
        let ahead = 40 + Int64(size) / (place.isOnServer ? 200 : 1_000)
        let due = Timestamp(
            microseconds: ((WallClock().now.microseconds / 1_000_000 + ahead) / 60 + 1) * 60_000_000)
        let engine = try await EngineUnderTest(
            place, bench: "schedule", size: size, room: 128, variables: [cronVariable: try cron(due)])
        try await engine.until("the next run of every DAG is known", within: 60) { snapshot in
            try snapshot.dags().count { $0.nextRunAt == due } == size
        }
        _ = try await engine.processorShare(over: 2)
        let idle = try await engine.processorShare(over: 20)
        guard WallClock().now < due else { throw BenchError("the DAGs were described too slowly for their minute") }
        try await Task.sleep(for: .microseconds((due - WallClock().now).microseconds))
        try await engine.until("all runs are created", within: 120) { snapshot in
            try snapshot.runCounts().reduce(0) { $0 + $1.count } == size
        }
        let created = Double((WallClock().now - due).microseconds) / 1e6
        try engine.stop()
        let rate = try place.rates().insert
        return [
            Metric("idle_cpu", idle, "percent", goal: .atMost(0.1), limit: 0),
            Metric(
                "created_after", created, "s", goal: .atMost(2 * max(1, Double(size) / 10_000)),
                limit: Double(size) / rate),
        ]
    }

    private static func cron(_ instant: Timestamp) throws -> String {
        // 2026-03-01T05:07:00Z
        let parts = instant.description.split { "-T:Z".contains($0) }.compactMap { Int($0) }
        guard parts.count == 6 else { throw BenchError("an instant of another form: \(instant)") }
        return "\(parts[4]) \(parts[3]) \(parts[2]) \(parts[1]) *"
    }
}
