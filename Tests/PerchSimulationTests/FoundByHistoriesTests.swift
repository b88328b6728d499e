// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@testable import PerchSimulation

/// Histories that once showed a defect, as what was left of them; and seeds, which draw others when the generators change.
@Suite("Found by histories")
struct FoundByHistoriesTests {
    private func violations(of body: @escaping @Sendable () -> [String]) async -> [String] {
        // A world belongs to one thread.
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: body()) }
        }
    }

    private static let sleeper = Workload(
        dags: [
            SimulatedDAG(
                "d",
                [
                    SimulatedTask(
                        "t", .code,
                        TaskScript([
                            .work(.seconds(20)), .sleep("s", .seconds(5)), .step("b", work: .seconds(0), keep: false),
                        ])
                    )
                ])
        ],
        plan: [PlannedOperation(at: .seconds(10), .trigger(dagID: "d", runID: "r"))], horizon: .seconds(120))

    @Test("A bundle that dies while the disk is full is replaced when there is room again")
    func bundleOnFullDisk() async {
        let found = await violations {
            let trial = Trial(Self.sleeper, settings: .init())
            trial.run(faults: [
                Fault(at: 14_000_000, .diskFull(30_000_000)), Fault(at: 15_000_000, .killBundle),
            ])
            return trial.violations
        }
        #expect(found == [])
    }

    @Test("An engine that is killed while it stops, or stalls with a dead bundle, leaves nothing running")
    func killedWhileItStops() async {
        let found = await violations {
            let first = Trial(Self.sleeper, settings: .init())
            first.run(faults: [Fault(at: 14_000_000, .killAtDiskOperation(8)), Fault(at: 14_500_000, .restart)])
            let second = Trial(Self.sleeper, settings: .init())
            second.run(faults: [
                Fault(at: 12_000_000, .stall(40_000_000)), Fault(at: 13_000_000, .killBundle),
                Fault(at: 30_000_000, .powerLoss),
            ])
            return first.violations + second.violations
        }
        #expect(found == [])
    }

    /// 1443, with fifty faults: a run that was being cleaned away was still there, with half of its instances.
    @Test("A seed that failed once", arguments: [(1443, 50)] as [(UInt64, Int)])
    func seeds(seed: UInt64, faults: Int) async {
        #expect(await violations { History(seed: seed, count: faults).run().violations } == [])
    }
}
