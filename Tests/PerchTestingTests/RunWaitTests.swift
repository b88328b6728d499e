// SPDX-License-Identifier: Apache-2.0

import Perch
import Testing

@testable import PerchTesting

@Suite("Waits for runs in the whole engine")
struct RunWaitTests {
    private static func dags() -> [DAG] {
        [
            DAG("up") { dag in
                dag.sensor("later", .after(.minutes(10)))
            },
            DAG("down") { dag in
                dag.sensor("sensor", .run(of: "up", which: .id("{{ params.up }}")))
                dag.task("task") { context in
                    let event = try await context.wait(for: .run(of: "up", task: "later", which: .next))
                    return "\(event.dagID) \(event.taskID ?? "") \(event.state.rawValue)"
                }
                dag.sensor("never", .run(of: "up", which: .id("none")), timeout: .hours(1), softFail: true)
            },
        ]
    }

    private enum Disturbance: CaseIterable { case none, restart, crash, powerLoss }

    @Test("end with the run, and time out, across restarts and crashes too", arguments: 0..<4)
    func waits(number: Int) async throws {
        let tester = try DAGTester(dags: Self.dags(), at: "2026-01-01T00:00:00Z")
        let up = try await tester.trigger("up")
        let down = try await tester.trigger("down", params: ["up": .string(up.runID)])
        try await tester.advance(by: .minutes(5))
        #expect(
            try await tester.states(of: down) == ["sensor": .deferred, "task": .deferred, "never": .deferred])
        switch Disturbance.allCases[number] {
        case .none: break
        case .restart: try await tester.restart()
        case .crash: try await tester.crash()
        case .powerLoss: try await tester.crash(powerLoss: true)
        }
        try await tester.advance(by: .minutes(6))
        #expect(
            try await tester.states(of: down) == ["sensor": .success, "task": .success, "never": .deferred])
        #expect(try await tester.output(of: "task", as: String.self, in: down) == "up later success")
        try await tester.advance(by: .hours(1))
        #expect(try await tester.states(of: down)["never"] == .skipped)
    }
}
