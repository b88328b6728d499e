// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK

/// No-op tasks through schedulers and workers in processes of their own: one of each; and four workers with two schedulers,
/// where the metastore lies on a server.
enum Scaling {
    /// So many runs go on at a time: there is something to share for schedulers, too.
    private static let runs = 4

    private struct Outcome {
        /// Tasks a second.
        var rate: Double
        /// How busy the machine was with it and with the database, in percent of all its cores.
        var busy: Double
        var schedulers: Int
    }

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let one = try await go(place.inner("one"), size, schedulers: 1, workers: 1)
        let many = try await go(place.inner("many"), size, schedulers: 2, workers: 4)
        // A task is queued, claimed and ended: three row changes at least.
        let limit = try place.rates().update / 3
        return [
            Metric("rate_one", one.rate, "per_s", goal: .none, limit: limit),
            Metric("rate_many", many.rate, "per_s", goal: .none, limit: limit),
            Metric("gain", many.rate / one.rate * 100, "percent", goal: .none, onServer: .atLeast(100)),
            // Where one of each leaves nothing of the machine, more of them gain nothing.
            Metric("busy_one", one.busy, "percent", goal: .none, limit: 100),
            Metric("busy_many", many.busy, "percent", goal: .none, limit: 100),
            Metric("schedulers", Double(many.schedulers), "count", goal: .none),
        ]
    }

    private static func go(_ place: Place, _ size: Int, schedulers: Int, workers: Int) async throws -> Outcome {
        let perRun = max(1, size / runs)
        let engine = try await EngineUnderTest(
            place, bench: "scaling", size: perRun, room: size, roles: ["scheduler", "worker"])
        for _ in 1..<workers { _ = try engine.start("worker") }
        var found = 1
        // A home has one, and so has a metastore that is a file of it.
        for number in 1..<schedulers where place.isOnServer {
            do {
                _ = try engine.start("scheduler", home: "\(place.home)-\(number)")
                found += 1
            } catch let error as BenchError {
                FileHandle.standardError.write(Data("a second scheduler is refused: \(error)\n".utf8))
            }
        }
        let before = try ProcessorUse()
        try await engine.trigger("scaling", runs: runs)
        var queued: [Timestamp] = []
        var ended: [Timestamp] = []
        for index in 0..<runs {
            let (row, instances) = try await engine.finished("scaling", "bench_\(index)", within: 300)
            queued += instances.filter { $0.key.taskID == "noop" }.compactMap(\.queuedAt)
            ended += [row.endDate].compactMap { $0 }
        }
        let busy = try ProcessorUse().share(since: before)
        try engine.stop()
        guard let first = queued.min(), let last = ended.max(), queued.count == perRun * runs else {
            throw BenchError("the runs have \(queued.count) of \(perRun * runs) tasks")
        }
        let seconds = Double((last - first).microseconds) / 1e6
        return Outcome(rate: Double(perRun * runs) / seconds, busy: busy, schedulers: found)
    }
}
