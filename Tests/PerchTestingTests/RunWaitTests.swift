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

    @Test("are told of the end once, wherever the engine dies around it", arguments: 1...6, [true, false])
    func crashes(commit: Int, isBefore: Bool) async throws {
        let tester = try DAGTester(dags: Self.dags(), at: "2026-01-01T00:00:00Z")
        let up = try await tester.trigger("up")
        let down = try await tester.trigger("down", params: ["up": .string(up.runID)])
        try await tester.advance(by: .minutes(9))
        try await tester.crash(at: isBefore ? .beforeCommit(commit) : .afterCommit(commit))
        try await tester.advance(by: .minutes(5))
        #expect(
            try await tester.states(of: down) == ["sensor": .success, "task": .success, "never": .deferred])
        #expect(try await tester.output(of: "task", as: String.self, in: down) == "up later success")
        #expect(try await tester.task("sensor", in: down).tryNumber == 1)
    }

    @Test(
        "are told of the end, more of them than one transaction tells, wherever the engine dies between",
        arguments: 1...4)
    func many(commit: Int) async throws {
        let down = DAG("down") { dag in
            for place in 0..<1_100 { dag.sensor("s\(place)", .run(of: "up", which: .id("r1"))) }
        }
        let tester = try DAGTester(dags: [Self.dags()[0], down], at: "2026-01-01T00:00:00Z")
        let up = try await tester.trigger("up", runID: "r1")
        let run = try await tester.trigger("down")
        try await tester.advance(by: .minutes(9))
        try await tester.crash(at: .afterCommit(commit))
        try await tester.advance(by: .minutes(5))
        #expect(try await tester.state(of: up) == .success)
        #expect(try await tester.state(of: run) == .success)
    }
}
