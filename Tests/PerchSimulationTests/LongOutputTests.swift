// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchSimulation

@Suite("Long outputs in simulated installations")
struct LongOutputTests {
    /// A task with four elements, one that takes them, and one that is mapped over them.
    private let workload: Workload = {
        var take = SimulatedTask("take", .code, TaskScript([.sleep("s", .seconds(60))], items: 4))
        take.input = "give"
        let tasks = [
            SimulatedTask("give", .code, TaskScript([.step("a", work: .seconds(1), keep: false)], items: 4)), take,
            SimulatedTask("each", .mapped(over: "give"), TaskScript([.sleep("s", .seconds(5))])),
        ]
        return Workload(
            dags: [SimulatedDAG("d", tasks)],
            plan: [PlannedOperation(at: .seconds(1), .trigger(dagID: "d", runID: "r"))], horizon: .seconds(10))
    }()

    @Test("They reach what takes them, and each was written once")
    func calm() {
        let trial = Trial(workload, settings: .init())
        trial.run()
        #expect(trial.violations == [])
        #expect(trial.simulation.outputs.names.count == 2, "\(trial.simulation.outputs.names)")
        #expect(trial.simulation.outputs.writes == 2)
    }

    @Test("A kill -9 of the engine at any step leaves at worst a file that nobody refers to")
    func kills() {
        let calm = Trial(workload, settings: .init())
        calm.run()
        var spare = 0
        for step in stride(from: 1, through: max(1, calm.stepsBeforeQuiet), by: 7) {
            let trial = Trial(workload, settings: .init())
            trial.killAtStep = step
            trial.run()
            #expect(trial.violations == [], "killed at step \(step)")
            #expect(trial.results.allSatisfy { $0.contains("success") }, "killed at step \(step): \(trial.results)")
            // A run that nobody was promised may not be there.
            spare += max(0, trial.simulation.outputs.names.count - 2)
        }
        // Some of the kills came between the file and the COMMIT of its task's success.
        #expect(spare > 0)
    }

    @Test("One that was reported and not stored is noticed")
    func lost() throws {
        var settings = Simulation.Settings()
        let sabotage = try #require(Sabotage.named("outputs-lost"))
        settings.sabotage = sabotage
        let trial = Trial(workload, settings: settings)
        trial.run()
        #expect(!trial.violations.isEmpty)
    }
}
