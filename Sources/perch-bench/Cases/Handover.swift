// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import PerchSDK

/// From the transaction that claims a task until its code runs, in a bundle process that has two hundred attempts in flight:
/// a COMMIT and a message to another process.
enum Handover {
    static let name = "handover"
    private static let held = "handover-held"
    /// Attempts that are in the process all the while.
    private static let inFlight = 200

    static func dags() -> [DAG] {
        let beside = DAG(held) { dag in
            let list = dag.task("list") { _ in Array(0..<inFlight) }
            dag.map("stays", over: list) { _, index in
                try ReportSocket.send("held \(index)")
                try await Task.sleep(for: .seconds(86_400))
            }
        }
        let probe = DAG(name, maxActiveRuns: 1_000_000) { dag in
            dag.task("report") { context in
                try ReportSocket.send("\(context.runID) \(WallClock().now.microseconds)")
            }
        }
        return [beside, probe]
    }

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let report = try ReportSocket(path: place.reportSocket)
        let engine = try await EngineUnderTest(place, bench: name, size: size, room: inFlight + 56)
        try await engine.trigger(held)
        for _ in 0..<inFlight {
            let words = try report.receive()
            guard words.hasPrefix("held ") else { throw BenchError("an unexpected report: \(words)") }
        }
        var times: [Double] = []
        for index in 0..<size {
            try await Task.sleep(for: .milliseconds(10))
            let run = "bench_\(index)"
            _ = try await engine.metastore.write { try $0.createRun(RunRequest(dagID: name, runID: run)) }
            let words = try report.receive().split(separator: " ")
            guard words.count == 2, words[0] == run, let ran = Int64(words[1]) else {
                throw BenchError("an unexpected report: \(words)")
            }
            let (_, instances) = try await engine.finished(name, run, within: 30)
            guard let claimed = instances.first?.startDate else { throw BenchError("the task of \(run) has no date") }
            times.append(Double(ran - claimed.microseconds) / 1e3)
        }
        try engine.kill()
        times.sort()
        let limit = try place.commitTime() + PipeHop.time()
        return [
            Metric("p50", times[times.count / 2], "ms", goal: .none, limit: limit),
            Metric("p99", times[min(times.count - 1, times.count * 99 / 100)], "ms", goal: .atMost(5), limit: limit),
        ]
    }
}
