// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// No-op tasks one after another: what a hop from a task to the next costs.
enum Chain {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let engine = try await EngineUnderTest(place, bench: "chain", size: size, room: 128)
        let run = try await engine.trigger("chain")
        let (row, _) = try await engine.finished("chain", run, within: 300)
        try engine.stop()
        guard let start = row.startDate, let end = row.endDate else { throw BenchError("the run has no dates") }
        let hop = Double((end - start).microseconds) / 1000 / Double(size)
        return [Metric("hop", hop, "ms", goal: .atMost(1.5), limit: 2 * (try place.commitTime()))]
    }
}
