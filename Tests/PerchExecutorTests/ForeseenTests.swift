// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("What a bundle is sent before its claim is durable")
struct ForeseenTests {
    private let t0 = Timestamp(microseconds: 1_767_225_600_000_000)

    private func claimed(_ count: Int, asSuspects: Bool = false) async throws -> [ClaimedTask] {
        var definition = DAGDefinition(dagID: "d")
        for number in 0..<count {
            definition.tasks.append(TaskDefinition(taskID: "t\(number)", kind: .code(operatorName: "closure")))
        }
        return try await ClaimStage().claim(definition, asSuspects: asSuspects)
            .sorted { $0.key.taskID < $1.key.taskID }
    }

    private func core() -> ExecutorCore {
        var core = ExecutorCore(settings: .init(slots: 10))
        core.ready(.main, now: t0)
        return core
    }

    /// What was sent, a word each.
    private func sent(_ core: inout ExecutorCore) -> [String] {
        core.takeActions().compactMap { action in
            guard case .send(.main, let message) = action else { return nil }
            switch message {
            case .run(let order): return (order.isHeld ? "hold " : "run ") + order.facts.taskID
            case .begin(let id): return "begin \(id)"
            case .refused(let id): return "refuse \(id)"
            default: return "\(message)"
            }
        }
    }

    private func commit(_ tasks: [ClaimedTask], _ core: inout ExecutorCore) {
        var outcome = TurnOutcome()
        outcome.claimed = tasks
        core.committed(Turn(), outcome, now: t0)
        core.recallForeseen()
    }

    @Test("it begins by a word once the claim is durable, and is nothing before")
    func begins() async throws {
        let tasks = try await claimed(2)
        var core = core()
        core.foresee(tasks, now: t0)
        #expect(sent(&core) == ["hold t0", "hold t1"])
        #expect(core.attempts.isEmpty && core.freeSlots == 10)
        commit(tasks, &core)
        #expect(sent(&core) == tasks.map { "begin \($0.dispatchID)" })
        #expect(core.attempts.count == 2 && core.freeSlots == 8)
    }

    @Test("a claim that comes to nothing takes it back; of one that is made again the last word counts")
    func madeAgain() async throws {
        let tasks = try await claimed(2)
        let recalled = tasks.map(\.dispatchID).sorted().map { "refuse \($0)" }
        var core = core()
        core.foresee(tasks, now: t0)
        _ = sent(&core)
        core.foresee([tasks[1]], now: t0)
        #expect(sent(&core) == recalled + ["hold t1"])
        core.recallForeseen()
        #expect(sent(&core) == ["refuse \(tasks[1].dispatchID)"])
        commit(tasks, &core)
        #expect(sent(&core) == ["run t0", "run t1"])
        #expect(core.attempts.count == 2)
    }

    @Test("what was claimed otherwise than foreseen is sent whole, and the rest is taken back")
    func otherwise() async throws {
        let tasks = try await claimed(2)
        var core = core()
        core.foresee([tasks[0]], now: t0)
        _ = sent(&core)
        commit([tasks[1]], &core)
        #expect(sent(&core) == ["run t1", "refuse \(tasks[0].dispatchID)"])
    }

    @Test("a bundle that dies, or is given up, has nothing any more: the next one is sent the whole")
    func death() async throws {
        let tasks = try await claimed(1)
        for isGivenUp in [false, true] {
            var core = core()
            core.foresee(tasks, now: t0)
            if isGivenUp {
                core.unready(.main)
            } else {
                core.died(.main, ExecutorCore.Death(words: "died"), now: t0)
            }
            _ = sent(&core)
            commit(tasks, &core)
            #expect(sent(&core) == [])
            core.ready(.main, now: t0)
            #expect(sent(&core) == ["run t0"])
        }
    }

    @Test("many at once, suspects and what no bundle is ready for are not sent before; nor is what is too long")
    func not() async throws {
        var core = core()
        core.foresee(try await claimed(5), now: t0)
        core.foresee(try await claimed(1, asSuspects: true), now: t0)
        #expect(sent(&core) == [])
        var early = ExecutorCore(settings: .init(slots: 10))
        let tasks = try await claimed(1)
        early.foresee(tasks, now: t0)
        #expect(sent(&early) == [])
        core.foresee(tasks, now: t0)
        core.cannotForesee(tasks[0].dispatchID)
        _ = sent(&core)
        commit(tasks, &core)
        #expect(sent(&core) == ["run t0"])
    }
}
