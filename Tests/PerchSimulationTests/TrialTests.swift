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

    @Test(
        "Histories with mapped groups hold every rule and come to the model's end",
        arguments: 1...12 as ClosedRange<UInt64>)
    func groups(seed: UInt64) {
        let history = History(seed: seed, count: seed % 3 == 0 ? 0 : 10, hasGroups: true)
        #expect(history.run().violations == [])
    }

    @Test("Among those histories are groups of several tasks, and clears of one element")
    func groupsAreDrawn() {
        let workloads = (1...12).map { History(seed: $0, hasGroups: true).workload }
        let grouped = workloads.flatMap(\.dags).flatMap(\.tasks).filter { $0.group != nil }
        #expect(grouped.count > 20)
        #expect(
            workloads.flatMap(\.plan).contains { planned in
                if case .clear(_, _, let task?, _?, _, _) = planned.operation { task.hasPrefix("g") } else { false }
            })
    }

    @Test("The same seed gives the same history")
    func repeats() {
        let first = History(seed: 3).run()
        let second = History(seed: 3).run()
        #expect(first.violations == [])
        #expect(first.fingerprint == second.fingerprint)
    }
}
