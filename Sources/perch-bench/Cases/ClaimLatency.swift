// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// From the transaction that queues a task until a worker in another process has claimed it, on an idle system: a COMMIT, a
/// doorbell, and the begin of the transaction that claims.
enum ClaimLatency {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let report = try ReportSocket(path: place.reportSocket)
        let engine = try await EngineUnderTest(
            place, bench: "claim-latency", size: size, room: 128, roles: ["scheduler", "worker"])
        var claims: [Double] = []
        var starts: [Double] = []
        for index in 0..<size {
            try await Task.sleep(for: .milliseconds(20))
            let run = "bench_\(index)"
            let asked = Monotonic.nanoseconds
            _ = try await engine.metastore.write {
                try $0.createRun(RunRequest(dagID: "claim-latency", runID: run))
            }
            let words = try report.receive().split(separator: " ")
            guard words.count == 2, words[0] == run, let ran = Int64(words[1]) else {
                throw BenchError("an unexpected report: \(words)")
            }
            starts.append(Double(ran - asked) / 1e6)
            let (_, instances) = try await engine.finished("claim-latency", run, within: 30)
            guard let queued = instances.first?.queuedAt, let claimed = instances.first?.startDate else {
                throw BenchError("the task of \(run) has no dates")
            }
            claims.append(Double((claimed - queued).microseconds) / 1e3)
        }
        try engine.stop()
        claims.sort()
        starts.sort()
        func rank(_ times: [Double], _ percent: Int) -> Double { times[min(size - 1, size * percent / 100)] }
        let (commit, hop) = (try place.commitTime(), PipeHop.time())
        return [
            Metric(
                "p50", rank(claims, 50), "ms", goal: .atMost(5), onServer: .atMost(5), limit: commit + hop),
            Metric("p99", rank(claims, 99), "ms", goal: .none, limit: commit + hop),
            // The run is stored, the task queued, the task claimed: three commits. Four processes one after another.
            Metric("ran_p50", rank(starts, 50), "ms", goal: .none, limit: 3 * commit + 3 * hop),
            Metric("ran_p99", rank(starts, 99), "ms", goal: .none, limit: 3 * commit + 3 * hop),
        ]
    }
}
