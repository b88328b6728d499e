// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

/// The part of the conformance suite that every driver has to pass: many writers at once, with reports that come twice,
/// late and from the dead, and fires, cancels and clears that cross.
@Suite("Concurrent writers leave the metastore without a contradiction", .onEveryGround)
struct InterleavingTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            return mixed ^ (mixed >> 31)
        }
    }

    private static func dag() -> DAGDefinition {
        let mapped = TaskDefinition.code("mapped", after: [0]) { $0.mappedOver = 0 }
        let retried = TaskDefinition.code("retried", after: [1]) {
            $0.retries = 2
            $0.retryDelay = .seconds(1)
            $0.hasOnKill = true
        }
        let behind = TaskDefinition.code("behind", after: [2]) {
            $0.mappedOver = 0
            $0.alignedWith = [2]
            $0.triggerRule = .noneFailed
        }
        let last = TaskDefinition.code("last", after: [2, 3, 4, 5]) { $0.triggerRule = .allDone }
        return DAGDefinition(
            dagID: "d",
            tasks: [.code("list"), .sensor("sensor", .file("/a")), mapped, retried, .code("plain"), behind, last])
    }

    /// One writer: does whatever its generator says, remembers old dispatches and reports them again later.
    private func disturb(_ stage: Stage, seed: UInt64, steps: Int) async throws {
        var random = Generator(state: seed)
        var held: [ClaimedTask] = []
        for _ in 0..<steps {
            switch Int.random(in: 0..<12, using: &random) {
            case 0...2: held += try await stage.claim(3)
            case 3...5:
                // Kept in `held` at times: the same report comes again, from a dispatch that is over.
                guard let index = held.indices.randomElement(using: &random) else { continue }
                let task = held[index]
                if Bool.random(using: &random) { held.remove(at: index) }
                let outcomes: [TaskReport.Outcome] = [
                    .success(output: "[1,2]", items: task.key.taskID == "list" ? ["1", "2"] : nil),
                    .success(output: "[3]", items: task.key.taskID == "list" ? ["3"] : nil),
                    .failure(message: "no", retryable: true), .skipped(message: "-"),
                ]
                try await stage.finish(task, outcomes.randomElement(using: &random)!)
            case 6:
                guard let task = held.randomElement(using: &random) else { continue }
                try await stage.deferTask(task, key: "wait#\(Int.random(in: 0..<1_000_000, using: &random))")
            case 7, 8:
                guard let wait = try await stage.waits().randomElement(using: &random) else { continue }
                _ = try await stage.fire(
                    wait.waitID, Bool.random(using: &random) ? .event(.null) : .timeout,
                    byHand: Bool.random(using: &random))
            case 9:
                guard let task = held.randomElement(using: &random) else { continue }
                let isSuspect = Bool.random(using: &random)
                try await stage.store.write {
                    try $0.requeue([(task.taskInstanceID, task.dispatchID)], asSuspects: isSuspect)
                }
            case 10:
                guard let task = held.randomElement(using: &random) else { continue }
                let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
                do {
                    _ = try await stage.store.write { try $0.cancelTask(task.key, intent: intent) }
                } catch let error as PerchError where error.code == .notFound {
                    continue  // because its mapping was cleared away
                }
            default:
                let isPause = Bool.random(using: &random)
                let runID = "r\(Int.random(in: 0..<8, using: &random))"
                let what = Int.random(in: 0..<5, using: &random)
                let mapped = Bool.random(using: &random) ? "mapped" : "behind"
                do {
                    try await stage.store.write { transaction in
                        switch what {
                        case 0: try transaction.setPaused("d", isPause)
                        case 1:
                            _ = try transaction.clear(
                                dagID: "d", runID: runID, taskID: isPause ? "list" : "sensor", mapIndex: nil,
                                downstream: true,
                                onlyFailed: false, by: "anna")
                        case 2: _ = try transaction.retryDue(limit: 3)
                        case 3:
                            _ = try transaction.clear(
                                dagID: "d", runID: runID, taskID: mapped, mapIndex: isPause ? 0 : nil, downstream: true,
                                onlyFailed: false, by: "anna")
                        default: _ = try transaction.promoteScheduled(limit: 3)
                        }
                    }
                } catch let error as PerchError where error.code == .conflict {
                    // A mapped instance was under way: the clear was refused, and all of it rolled back.
                }
                stage.clock.advance(.seconds(1))
                _ = try await stage.store.write { try $0.advanceRuns(budget: 5) }
            }
        }
    }

    /// Lets everything come to its end.
    private func drain(_ stage: Stage) async throws {
        try await stage.store.write { try $0.setPaused("d", false) }
        // What the writers still held is gone with them.
        _ = try await stage.store.write { try $0.requeueOrphans(liveWorkers: []) }
        for _ in 0..<500 {
            stage.clock.advance(.seconds(10))
            _ = try await stage.store.write { try $0.retryDue(limit: 100) }
            _ = try await stage.store.write { try $0.promoteScheduled(limit: 100) }
            try await stage.advance()
            for wait in try await stage.waits() { _ = try await stage.fire(wait.waitID) }
            let claimed = try await stage.claim()
            for task in claimed {
                try await stage.succeed(task, output: "[1]", items: task.key.taskID == "list" ? ["1"] : nil)
            }
            let open = try await stage.store.read { try $0.activeRuns(dagID: "d") }
            if open == 0 { return }
        }
        let rows = try await stage.store.read { snapshot in
            try snapshot.runs(dagID: "d", state: .running, limit: 10).flatMap {
                try snapshot.taskInstances(runKey: $0.runKey)
            }
        }
        Issue.record("runs did not come to their end: \(rows.filter { !$0.state.isFinished })")
    }

    @Test("Eight writers at once, and then everything comes to its end", arguments: 1...8)
    func eightWriters(seed: UInt64) async throws {
        let stage = try await Stage()
        try await stage.deploy(Self.dag())
        for index in 0..<8 { _ = try await stage.trigger("d", runID: "r\(index)") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask { try await disturb(stage, seed: seed &* 1_000 &+ UInt64(writer), steps: 60) }
            }
            try await group.waitForAll()
        }
        #expect(try await stage.faults() == [])
        try await drain(stage)
        #expect(try await stage.faults() == [])
        let left = try await stage.store.read { try $0.waitCount() }
        #expect(left == 0)
    }
}
