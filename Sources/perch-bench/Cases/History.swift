// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What it costs to decide what runs next where so many tasks have run before: one task after another, and no-op tasks of
/// one run, in a metastore with a history.
enum History {
    static let fill = "history_fill"
    static let chain = "history_chain"
    /// The tasks of a run of `fill`, and the links of `chain`.
    static let tasks = 1_000
    static let links = 200

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let engine = try await EngineUnderTest(place, bench: "history", size: size, room: 10_000)
        let runs = max(1, size / tasks)
        try await engine.trigger(fill, runs: runs)
        try await engine.until("the history is there", within: 60 + Double(size) / 5_000) { snapshot in
            try snapshot.runCounts().reduce(0) { $0 + ($1.state == .success ? $1.count : 0) } == runs
        }
        let started = Monotonic.seconds
        let after = try await engine.metastore.write { transaction in
            try (0..<10).map { try transaction.createRun(RunRequest(dagID: fill, runID: "after_\($0)")).runID }
        }
        for run in after { _ = try await engine.finished(fill, run, within: 60) }
        let rate = Double(after.count * tasks) / (Monotonic.seconds - started)
        let run = try await engine.trigger(chain)
        let (_, instances) = try await engine.finished(chain, run, within: 60)
        try engine.stop()
        let ends = instances.compactMap(\.endDate).sorted()
        guard let first = ends.first, let last = ends.last, ends.count == links else {
            throw BenchError("the chain has \(ends.count) of \(links) tasks")
        }
        let hop = Double((last - first).microseconds) / Double(links - 1) / 1e3
        return [
            Metric("hop", hop, "ms", goal: .atMost(1.5), limit: 2 * (try place.commitTime())),
            Metric("rate", rate, "per_s", goal: .atLeast(10_000), limit: nil),
        ]
    }
}
