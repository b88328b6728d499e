// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Sleeping tasks that are all due at one second: until all are durably queued, and until the code of all has run again.
enum TimersBurst {
    /// When the tasks of the engine under test wake, in microseconds since the epoch.
    static let dueVariable = "PERCH_BENCH_DUE"

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let queued = try await burst(place, "queued", size) { engine, due in
            // Polled every 20 ms: a fiftieth of the goal.
            try await engine.until("all tasks are queued", within: 120) { try $0.waitCount() == 0 }
            return Double((WallClock().now - due).microseconds) / 1e6
        }
        let tasks = max(1, size / 10)
        let ran = try await burst(place, "ran", tasks) { engine, due in
            let (_, instances) = try await engine.finished("timers-burst", "bench_0", within: 120)
            guard let last = instances.compactMap(\.endDate).max() else { throw BenchError("no task has ended") }
            return Double((last - due).microseconds) / 1e6
        }
        let rate = try place.rates().update
        let share = Double(size) / 100_000
        return [
            Metric("queued_after", queued, "s", goal: .atMost(2 * share), limit: Double(size) / rate),
            Metric("ran_after", ran, "s", goal: .atMost(1.5 * share), limit: Double(tasks) / rate),
        ]
    }

    private static func burst(
        _ place: Place, _ name: String, _ size: Int,
        _ wait: (EngineUnderTest, Timestamp) async throws -> Double
    ) async throws -> Double {
        // Time enough for all to fall asleep.
        let due = Timestamp(
            microseconds: (WallClock().now.microseconds / 1_000_000 + 8 + Int64(size)
                / (place.isOnServer ? 1_000 : 5_000))
                * 1_000_000)
        let engine = try await EngineUnderTest(
            place.inner(name), bench: "timers-burst", size: size, room: size,
            variables: [dueVariable: "\(due.microseconds)"])
        try await engine.trigger("timers-burst")
        try await engine.until("all tasks sleep", within: 300) { try $0.waitCount() >= size }
        guard WallClock().now < due else { throw BenchError("the tasks fell asleep too slowly for their instant") }
        let rest = due - WallClock().now
        try await Task.sleep(for: .microseconds(rest.microseconds))
        let seconds = try await wait(engine, due)
        try engine.stop()
        return seconds
    }
}
