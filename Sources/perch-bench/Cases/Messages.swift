// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import PerchSDK

/// What a message between a bundle process and the engine costs either of them: lines that a task says, each a message of its
/// own, which the engine writes into the attempt's log.
enum Messages {
    static let name = "message"

    static func dag(_ size: Int) -> DAG {
        DAG(name) { dag in
            dag.task("speak") { context in
                try ReportSocket.send("begin")
                for index in 0..<size { context.log.info("line \(index) of a log, as long as many are") }
            }
        }
    }

    static func measure(_ place: Place, _ size: Int) async throws -> [Metric] {
        let report = try ReportSocket(path: place.reportSocket)
        let engine = try await EngineUnderTest(place, bench: name, size: size, room: 32)
        let run = try await engine.trigger(name)
        let words = try report.receive()
        guard words == "begin" else { throw BenchError("an unexpected report: \(words)") }
        let before = try engine.tree.processorTimes()
        _ = try await engine.finished(name, run, within: 300)
        let after = try engine.tree.processorTimes()
        try engine.stop()
        func cost(_ seconds: Double) -> Double { seconds * 1e6 / Double(size) }
        return [
            Metric("engine_cpu", cost(after.roots - before.roots), "us", goal: .atMost(15), onServer: .atMost(15)),
            Metric("bundle_cpu", cost(after.others - before.others), "us", goal: .atMost(15), onServer: .atMost(15)),
        ]
    }
}
