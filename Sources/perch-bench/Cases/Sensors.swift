// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Pure sensors of one run whose waits are over at once: from the start of the run to its end.
enum Sensors {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let engine = try await EngineUnderTest(place, bench: "sensors", size: size, room: 128)
        let run = try await engine.trigger("sensors")
        let (row, _) = try await engine.finished("sensors", run, within: 600)
        let memory = try engine.tree.resident().all
        try engine.stop()
        guard let start = row.startDate, let end = row.endDate else { throw BenchError("the run has no dates") }
        let seconds = Double((end - start).microseconds) / 1e6
        let limit = try place.rates(rows: 200_000).update
        return [
            Metric("rate", Double(size) / seconds, "per_s", goal: .atLeast(50_000), limit: limit),
            Metric("resident", memory, "bytes", goal: .none),
        ]
    }
}
