// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchSimulation

@Suite("Trials of the whole engine")
struct TrialTests {
    private let small = Workload(
        dags: [
            SimulatedDAG(
                "d",
                [
                    SimulatedTask("first", .code, TaskScript([.step("a", work: .seconds(1), keep: false)], items: 2)),
                    SimulatedTask(
                        "wait", .sensor(.event(name: "go", key: nil), timeout: .seconds(600), softFail: false),
                        after: ["first"]),
                    SimulatedTask(
                        "sleep", .code,
                        TaskScript([.sleep("s", .seconds(60)), .step("b", work: .seconds(0), keep: false)]),
                        after: ["wait"]),
                ])
        ],
        plan: [
            PlannedOperation(at: .seconds(1), .trigger(dagID: "d", runID: "r")),
            PlannedOperation(at: .seconds(20), .emit(name: "go", key: nil, eventID: "e", value: 1)),
        ], horizon: .seconds(60))

    @Test("Without faults a run comes to its end")
    func calm() {
        let trial = Trial(small, settings: .init())
        trial.run()
        #expect(trial.violations == [])
    }

    @Test("Histories that follow one another have faults of all kinds, each its own")
    func mixture() {
        let kinds = (1...20).map { seed in History(seed: seed).faults.map { "\($0.kind)".prefix { $0 != "(" } } }
        #expect(Set(kinds.joined()).count == Fault.names.count)
        for (one, next) in zip(kinds, kinds.dropFirst()) { #expect(one.dropFirst(2) != next.dropFirst(2)) }
        // One sequence that is shifted from seed to seed has most of its kinds in common with the next one.
        let most = kinds.map { Dictionary($0.map { ($0, 1) }, uniquingKeysWith: +).values.max() ?? 0 }.max() ?? 0
        #expect(most < 8)
    }

    @Test("The same seed gives the same history")
    func repeats() {
        let first = History(seed: 3).run()
        let second = History(seed: 3).run()
        #expect(first.violations == [])
        #expect(first.fingerprint == second.fingerprint)
    }
}
