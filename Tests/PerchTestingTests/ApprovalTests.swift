// SPDX-License-Identifier: Apache-2.0

import Perch
import Testing

@testable import PerchTesting

@Suite("Approvals in the whole engine")
struct ApprovalTests {
    private struct Plan: Codable, Sendable {
        var region: String
        var percent: Int
    }

    private static func dag() -> DAG {
        DAG("release") { dag in
            dag.task("deploy") { context in
                let answer = try await context.wait(
                    for: .approval(
                        "Deploy {{ run_id }}?",
                        fields: [.choice("region", ["eu", "us"]), .int("percent", default: 10)]),
                    timeout: .hours(24), as: "ask")
                guard answer.approved else { return "no from \(answer.by): \(answer.note ?? "")" }
                let plan = try answer.decode(as: Plan.self)
                return "\(plan.region) \(plan.percent)"
            }
            let sure = dag.sensor("sure", .approval("Sure?"), timeout: .hours(1), retries: 2)
            dag.task("after", sure) { _, answer in answer.by }
        }
    }

    @Test("an answer reaches its task and sensor, also where the engine dies right after")
    func approve() async throws {
        let tester = try DAGTester(dags: Self.dag(), at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("release", runID: "r7")
        #expect(try await tester.waits().map(\.target).sorted() == ["Deploy r7?", "Sure?"])
        try await tester.crash()
        await #expect(throws: PerchError.self) {
            try await tester.answer("deploy", in: run, approve: true, values: ["region": "asia"])
        }
        try await tester.answer("deploy", in: run, approve: true, values: ["region": "eu"])
        try await tester.answer("sure", in: run, approve: true, by: "anna")
        try await tester.crash(powerLoss: true)
        try await tester.finish(atMost: .minutes(10))
        #expect(try await tester.output(of: "deploy", as: String.self, in: run) == "eu 10")
        #expect(try await tester.output(of: "after", as: String.self, in: run) == "anna")
        await #expect(throws: PerchError.self) { try await tester.answer("deploy", in: run, approve: false) }
    }

    @Test("a no reaches a task, and fails a sensor without a retry; nobody's answer is a timeout")
    func reject() async throws {
        let tester = try DAGTester(dags: Self.dag(), at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("release")
        try await tester.answer("deploy", in: run, approve: false, note: "late", by: "bert")
        try await tester.answer("sure", in: run, approve: false, by: "bert")
        try await tester.settle()
        #expect(try await tester.output(of: "deploy", as: String.self, in: run) == "no from bert: late")
        let sure = try await tester.task("sure", in: run)
        #expect(sure.state == .failed && sure.message == "rejected by bert")
        #expect(try await tester.state(of: "after", in: run) == .upstreamFailed)
        let late = try await tester.trigger("release", runID: "late")
        try await tester.advance(by: .hours(2))
        let waited = try await tester.state(of: "sure", in: late)
        #expect(waited == .upForRetry || waited == .deferred)
    }
}
