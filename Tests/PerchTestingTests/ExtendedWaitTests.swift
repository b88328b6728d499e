// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import Testing

@testable import PerchTesting

@Suite("The engine keeps to deadlines that were moved")
struct ExtendedWaitTests {
    private static func dag() -> DAG {
        DAG("slow") { dag in
            dag.sensor("file", .file("/data/in"), timeout: .hours(1))
            dag.sensor("event", .event("go"), timeout: .hours(1))
            dag.sensor("later", .after(.days(30)), timeout: .hours(1))
        }
    }

    private func extend(_ tester: DAGTester, _ move: DeadlineMove) async throws {
        for wait in try await tester.perform({ try $0.read { try $0.waits(WaitFilter()) } }) {
            _ = try await tester.perform { try $0.write { try $0.moveDeadline(of: wait.waitID, move) } }
        }
    }

    private static let waiting: [String: TaskState] = ["file": .deferred, "event": .deferred, "later": .deferred]
    private static let failed: [String: TaskState] = ["file": .failed, "event": .failed, "later": .failed]

    private enum Disturbance: CaseIterable { case none, restart, crash, powerLoss }

    @Test("not at the old one, but at the new one, across restarts and crashes too", arguments: 0..<4)
    func extended(number: Int) async throws {
        let tester = try DAGTester(dags: Self.dag(), at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("slow")
        try await tester.advance(by: .minutes(50))
        try await extend(tester, .by(.seconds(3_600)))
        switch Disturbance.allCases[number] {
        case .none: break
        case .restart: try await tester.restart()
        case .crash: try await tester.crash()
        case .powerLoss: try await tester.crash(powerLoss: true)
        }
        try await tester.advance(to: "2026-01-01T01:59:59Z")
        #expect(try await tester.states(of: run) == Self.waiting)
        try await tester.advance(to: "2026-01-01T02:00:10Z")
        #expect(try await tester.states(of: run) == Self.failed)
    }

    @Test("a deadline that was brought forward comes sooner, one that was taken away never")
    func otherMoves() async throws {
        let tester = try DAGTester(dags: Self.dag(), at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("slow")
        try await extend(tester, .away)
        try await tester.advance(to: "2026-01-20T00:00:00Z")
        #expect(try await tester.states(of: run) == Self.waiting)
        try await extend(tester, .to(Timestamp(parsing: "2026-01-21T00:00:00Z")))
        try await tester.advance(to: "2026-01-20T23:59:59Z")
        #expect(try await tester.states(of: run) == Self.waiting)
        try await tester.advance(to: "2026-01-21T00:00:10Z")
        #expect(try await tester.states(of: run) == Self.failed)
    }
}
