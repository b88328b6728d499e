// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import PerchSimulation
import Testing

@Suite("Workloads")
struct WorkloadTests {
    @Test("A seed is a workload", arguments: [1, 2, 3] as [UInt64])
    func seeds(seed: UInt64) throws {
        let workload = WorkloadGenerator.workload(seed: seed)
        #expect(workload == WorkloadGenerator.workload(seed: seed))
        #expect(workload != WorkloadGenerator.workload(seed: seed + 1))
        let coded = try JSONEncoder().encode(workload)
        #expect(try JSONDecoder().decode(Workload.self, from: coded) == workload)
    }

    @Test("Every drawn DAG is one that the builder takes, and the plan is in the order of instants")
    func drawn() {
        for seed in 0..<300 as Range<UInt64> {
            let workload = WorkloadGenerator.workload(seed: seed)
            let dags = workload.build(ledger: Ledger()) { _ in }
            #expect(DAG.problems(in: dags).map(\.description) == [], "seed \(seed)")
            for (dag, described) in zip(dags, workload.dags) {
                #expect(dag.definition.tasks.map(\.taskID) == described.tasks.map(\.id))
                for (task, definition) in zip(described.tasks, dag.definition.tasks) {
                    let upstream = Set(definition.upstream.map { dag.definition.tasks[$0].taskID })
                    #expect(upstream.sorted() == task.allUpstream)
                    #expect(definition.triggerRule == task.triggerRule)
                }
            }
            #expect(workload.plan.map(\.at) == workload.plan.map(\.at).sorted())
        }
    }

    @Test("Seeds draw every kind of wait, task and operation")
    func variety() {
        var kinds: Set<String> = []
        for seed in 0..<200 as Range<UInt64> {
            let workload = WorkloadGenerator.workload(seed: seed)
            for operation in workload.plan { kinds.insert("\(operation.operation)".prefix { $0 != " " }.description) }
            for task in workload.dags.flatMap(\.tasks) {
                kinds.insert("\(task.kind)".prefix { $0 != "(" }.description)
                kinds.insert(task.triggerRule.rawValue)
                for action in task.script.actions { kinds.insert("\(action)".prefix { $0 != "(" }.description) }
            }
        }
        let wanted = [
            "all_done", "all_success", "cancel", "clean", "clear", "code", "emit", "fail", "failForGood", "failTries",
            "fire", "mapped", "pause", "pool", "remove", "rename", "sensor", "skip", "sleep", "step", "trigger",
            "unpause", "wait", "work", "write",
        ]
        #expect(wanted.filter { !kinds.contains($0) } == [])
    }

    @Test("A plan can be made smaller, and printed")
    func smaller() throws {
        let workload = try #require((1...50).map { WorkloadGenerator.workload(seed: $0) }.first { $0.plan.count > 5 })
        let smaller = workload.leavingOut(1..<3)
        #expect(smaller.plan.count == workload.plan.count - 2)
        #expect(smaller.plan[0] == workload.plan[0])
        #expect(smaller.plan[1] == workload.plan[3])
        #expect(workload.description.contains("trigger dag0 r0"))
    }

    @Test("The code of a script does what the script says, and the ledger has it in order")
    func script() async throws {
        let script = TaskScript(
            [
                .step("a", work: .seconds(0), keep: false), .sleep("nap", .seconds(5)),
                .step("a", work: .seconds(0), keep: false), .failTries(upTo: 1),
            ], items: 2)
        var task = SimulatedTask("t", .code, script)
        task.retries = 1
        let workload = Workload(
            dags: [SimulatedDAG("d", [task])],
            plan: [PlannedOperation(at: .seconds(0), .trigger(dagID: "d", runID: "r"))], horizon: .seconds(30))
        let engine = try await HandEngine(workload, seed: 1, isDisturbed: false)
        try await engine.run()
        #expect(try engine.verdict() == [])
        let first = AttemptName(dagID: "d", runID: "r", taskID: "t", tryNumber: 1)
        let second = AttemptName(dagID: "d", runID: "r", taskID: "t", tryNumber: 2)
        // Two dispatches a try: the sleep lies between.
        for attempt in [first, second] {
            #expect(engine.ledger.entries.count { $0 == .began(attempt) } == 2)
            #expect(engine.ledger.entries.contains(.waitAnswered(attempt, key: "nap#0", answer: "awake")))
        }
        #expect(engine.ledger.count { if case .stepRan = $0 { true } else { false } } == 4)
        #expect(engine.ledger.entries.last == .ended(second, "returned"))
    }
}
