// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// No-op tasks of one run, end to end through a bundle process.
enum Tasks {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let engine = try await EngineUnderTest(place, bench: "tasks", size: size, room: size)
        let run = try await engine.trigger("tasks")
        let (row, instances) = try await engine.finished("tasks", run, within: 300)
        let memory = try engine.tree.resident().all
        try engine.stop()
        let mapped = instances.filter { $0.key.taskID == "noop" }
        guard let first = mapped.compactMap(\.queuedAt).min(), let last = row.endDate, mapped.count == size else {
            throw BenchError("the run has \(mapped.count) of \(size) tasks")
        }
        let seconds = Double((last - first).microseconds) / 1e6
        // A task is queued, claimed and ended: three row changes at least.
        let limit = try place.rates().update / 3
        return [
            Metric(
                "rate", Double(size) / seconds, "per_s", goal: .atLeast(10_000), onServer: .atLeast(5_000), limit: limit
            ),
            Metric("resident", memory, "bytes", goal: .none),
        ]
    }
}
