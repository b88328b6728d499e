// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// From the moment an event is sent until the waiting task's code runs again, on an idle system. Many enough that most come
/// when the log of the metastore has its length: before, each commit pays for a file that grows.
enum FireLatency {
    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let report = try ReportSocket(path: place.reportSocket)
        let engine = try await EngineUnderTest(place, bench: "fire-latency", size: size, room: size)
        try await engine.trigger("fire-latency")
        try await engine.until("all tasks wait", within: 60) { try $0.waitCount() >= size }
        let events = try LineSocket(path: engine.place.home + "/events.sock")
        var times: [Double] = []
        for index in 0..<size {
            try await Task.sleep(for: .milliseconds(5))
            let start = Monotonic.nanoseconds
            try events.send(#"{"name":"bench","key":"\#(index)"}"#)
            let words = try report.receive().split(separator: " ")
            guard words.count == 2, words[0] == "\(index)", let end = Int64(words[1]) else {
                throw BenchError("an unexpected report: \(words)")
            }
            times.append(Double(end - start) / 1e6)
            _ = try events.receive()
        }
        try engine.stop()
        times.sort()
        // One durable commit and one hop to another process and back is what nobody can do without.
        let limit = try place.commitTime() + PipeHop.time()
        return [
            Metric("p50", times[times.count / 2], "ms", goal: .atMost(1), limit: limit),
            Metric("p99", times[min(times.count - 1, times.count * 99 / 100)], "ms", goal: .atMost(5), limit: limit),
        ]
    }
}
