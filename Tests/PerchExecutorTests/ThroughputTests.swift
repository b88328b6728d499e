// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("What it costs", .timeLimit(.minutes(2)))
struct ThroughputTests {
    @Test("the cost of a message is printed")
    func messages() throws {
        let order = RunOrder(
            dispatchID: 12, taskInstanceID: 7, taskIndex: 3,
            facts: AttemptFacts(
                dagID: "daily_orders", runID: "manual__2026-01-01T00:00:00+00:00", taskID: "parse", tryNumber: 1,
                logicalDate: Timestamp(microseconds: 1_767_225_600_000_000),
                dataIntervalStart: Timestamp(microseconds: 1_767_225_600_000_000),
                dataIntervalEnd: Timestamp(microseconds: 1_767_225_600_000_000)))
        let count = 2_000
        var writer = FrameWriter()
        let clock = ContinuousClock()
        let writing = try clock.measure {
            for _ in 0..<count {
                try writer.append(.run(order))
                try writer.append(BundleMessage.result(dispatchID: 12, .success(output: "null", items: nil)))
            }
        }
        var reader = FrameReader()
        writer.bytes.withUnsafeBytes { reader.append($0) }
        let reading = try clock.measure {
            var isOrder = true
            while let fields = try reader.next() {
                if isOrder { _ = try EngineMessage(fields) } else { _ = try BundleMessage(fields) }
                isOrder.toggle()
            }
        }
        print("run and result: written in \(writing / count), read in \(reading / count)")
    }

    @Test("no-op tasks run through an in-process bundle, and their rate is printed")
    func tasks() async throws {
        let count = 500
        let wide = DAG("wide") { dag in for number in 0..<count { dag.task("t\(number)") { _ in } } }
        let chain = DAG("chain") { dag in
            var last: TaskReference<Void>?
            for number in 0..<count / 5 {
                if let before = last {
                    last = dag.task("t\(number)", after: before) { _ in }
                } else {
                    last = dag.task("t\(number)") { _ in }
                }
            }
        }
        let engine = try await Engine(launcher: { _ in InProcessBundle(dags: [wide, chain], clock: WallClock()) }) {
            $0.slots = 256
        }
        try await engine.executor.start()
        let clock = ContinuousClock()
        for (dagID, size) in [("wide", count), ("chain", count / 5)] {
            let time = try await clock.measure {
                try await engine.begin(dagID)
                #expect(try await engine.waitForEnd(of: dagID) == .success)
            }
            print("\(dagID): \(size) tasks in \(time), \(time / size) each")
        }
        try await engine.stop()
    }
}
