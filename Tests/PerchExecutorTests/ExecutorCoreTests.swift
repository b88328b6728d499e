// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

/// The state machine fed by hand: no process, no metastore but for the claims, whose rows only it can make.
@Suite("The executor's state machine")
struct ExecutorCoreTests {
    private let t0 = Timestamp(microseconds: 1_767_225_600_000_000)

    /// A core whose main process is ready and runs these tasks, claimed from a metastore.
    private func core(
        _ count: Int, suspects: Bool = false, _ change: (inout TaskDefinition) -> Void = { _ in }
    ) async throws -> (ExecutorCore, [Int64]) {
        let stage = try await ClaimStage()
        var definition = DAGDefinition(dagID: "d")
        for number in 0..<count {
            var task = TaskDefinition(taskID: "t\(number)", kind: .code(operatorName: "closure"))
            change(&task)
            definition.tasks.append(task)
        }
        let claimed = try await stage.claim(definition, asSuspects: suspects)
        var core = ExecutorCore(settings: .init(slots: 10))
        core.ready(.main, now: t0)
        var outcome = TurnOutcome()
        outcome.claimed = claimed
        core.committed(Turn(), outcome, now: t0)
        return (core, claimed.map(\.dispatchID).sorted())
    }

    private func sent(_ core: inout ExecutorCore) -> [EngineMessage] {
        core.takeActions().compactMap { if case .send(_, let message) = $0 { message } else { nil } }
    }

    private func kills(_ core: inout ExecutorCore) -> Int {
        core.takeActions().filter { if case .kill = $0 { true } else { false } }.count
    }

    @Test("claims become orders, results become reports, and slots are counted")
    func results() async throws {
        var (core, ids) = try await core(3)
        #expect(core.freeSlots == 7)
        let orders = sent(&core).compactMap { if case .run(let order) = $0 { order.dispatchID } else { nil } }
        #expect(orders.sorted() == ids)
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0)
        core.receive(.result(dispatchID: ids[1], .failure(message: "no", retryable: true)), from: .main, now: t0)
        core.receive(.result(dispatchID: ids[1], .success(output: "2", items: nil)), from: .main, now: t0)
        core.receive(.result(dispatchID: 999, .success(output: "2", items: nil)), from: .main, now: t0)
        #expect(core.freeSlots == 9)
        let turn = core.takeTurn(claims: true)
        #expect(turn.reports.map(\.dispatchID) == [ids[0], ids[1]])
        #expect(turn.claimLimit == 9)
        core.committed(turn, TurnOutcome(reports: [true, true]), now: t0)
        #expect(core.attempts.count == 1)
    }

    @Test("a step is confirmed after its commit, and refused where the dispatch is stale")
    func steps() async throws {
        var (core, ids) = try await core(1)
        _ = sent(&core)
        core.receive(.step(dispatchID: ids[0], key: "a#0", payload: "1", keep: false), from: .main, now: t0)
        #expect(sent(&core).isEmpty)
        let turn = core.takeTurn(claims: false)
        core.committed(turn, TurnOutcome(steps: [true]), now: t0)
        #expect(sent(&core) == [.recorded(dispatchID: ids[0], key: "a#0")])
        core.receive(.step(dispatchID: ids[0], key: "b#0", payload: "1", keep: false), from: .main, now: t0)
        core.committed(core.takeTurn(claims: false), TurnOutcome(steps: [false]), now: t0)
        #expect(sent(&core) == [.refused(dispatchID: ids[0])])
        core.receive(.result(dispatchID: ids[0], .cancelled), from: .main, now: t0)
        #expect(core.takeTurn(claims: false).isEmpty)
        #expect(core.freeSlots == 10)
    }

    @Test("what templates became asks for no turn of its own, and goes with the next that does more than claim")
    func rendered() async throws {
        var (core, ids) = try await core(2)
        _ = sent(&core)
        core.receive(.rendered(dispatchID: ids[0], [RenderedField("command", "a")]), from: .main, now: t0)
        core.receive(.rendered(dispatchID: ids[0], [RenderedField("command", "said twice")]), from: .main, now: t0)
        core.receive(.rendered(dispatchID: 999, [RenderedField("command", "b")]), from: .main, now: t0)
        #expect(core.turn.isEmpty && core.takeTurn(claims: false).isEmpty)
        #expect(core.takeTurn(claims: true).rendered.isEmpty)
        core.receive(.result(dispatchID: ids[1], .success(output: "1", items: nil)), from: .main, now: t0)
        let turn = core.takeTurn(claims: true)
        #expect(turn.rendered.map(\.fields) == [[RenderedText(name: "command", text: "a")]])
        core.putBack(turn)
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0)
        #expect(core.takeTurn(claims: false).rendered == turn.rendered)
        core.askForLease(.seconds(9))
        #expect(core.takeTurn(claims: false).rendered.isEmpty)
    }

    @Test("what a failed commit held is committed later, in order")
    func putBack() async throws {
        var (core, ids) = try await core(2)
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0)
        let failed = core.takeTurn(claims: true)
        core.receive(.result(dispatchID: ids[1], .success(output: "2", items: nil)), from: .main, now: t0)
        core.putBack(failed)
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == ids)
    }

    @Test("a cancel is told, then insisted on, then the process is ended; its neighbour runs again unsuspected")
    func cancel() async throws {
        var (core, ids) = try await core(2) { $0.killTimeout = .seconds(10) }
        _ = sent(&core)
        let intent = CancelIntent(finalState: .skipped, reason: "user", by: "ann")
        core.committed(Turn(), TurnOutcome(cancels: [CancelOrder(dispatchID: ids[0], intent: intent)]), now: t0)
        #expect(sent(&core) == [.cancel(dispatchID: ids[0], CancelNotice(intent), isLast: false)])
        #expect(core.nextDeadline == t0 + .seconds(10))
        core.passTime(now: t0 + .seconds(9))
        #expect(sent(&core).isEmpty)
        core.passTime(now: t0 + .seconds(10))
        guard case .cancel(ids[0], _, isLast: true) = sent(&core).first else {
            Issue.record("no last call")
            return
        }
        core.passTime(now: t0 + .seconds(15))
        #expect(kills(&core) == 1)
        core.died(.main, .init(words: "died of signal 9 (Killed)"), now: t0 + .seconds(15))
        let turn = core.takeTurn(claims: false)
        #expect(turn.reports.map(\.outcome) == [.cancelled])
        #expect(turn.requeued.map(\.dispatchID) == [ids[1]])
        #expect(turn.suspects.isEmpty)
    }

    @Test("a process that is succeeded ends what it has begun, and is let go with the last of it") func succession()
        async throws
    {
        var (core, ids) = try await core(3) { $0.killTimeout = .seconds(10) }
        _ = sent(&core)
        #expect(core.begun == [.main: 3])
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0)
        core.succeed(number: 7, now: t0)
        #expect(core.begun == [.main: 0] && core.takeActions().isEmpty)
        let old = Place.outgoing(number: 7)
        // The new one knows nothing of them.
        core.receive(.result(dispatchID: ids[1], .success(output: "2", items: nil)), from: .main, now: t0)
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == [ids[0]])
        core.receive(.step(dispatchID: ids[1], key: "a#0", payload: "1", keep: false), from: old, now: t0)
        core.committed(core.takeTurn(claims: false), TurnOutcome(steps: [true]), now: t0)
        guard case .send(old, .recorded(ids[1], "a#0")) = core.takeActions().first else {
            Issue.record("the old one is not answered")
            return
        }
        core.receive(.result(dispatchID: ids[1], .success(output: "2", items: nil)), from: old, now: t0)
        #expect(core.takeActions().allSatisfy { if case .dismiss = $0 { false } else { true } })
        let intent = CancelIntent(finalState: .skipped, reason: "user", by: "ann")
        core.committed(Turn(), TurnOutcome(cancels: [CancelOrder(dispatchID: ids[2], intent: intent)]), now: t0)
        guard case .send(old, .cancel) = core.takeActions().last else {
            Issue.record("the old one hears of no cancel")
            return
        }
        core.receive(.result(dispatchID: ids[2], .cancelled), from: old, now: t0)
        #expect(core.takeActions().count { if case .dismiss(old) = $0 { true } else { false } } == 1)
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == [ids[1], ids[2]])
    }

    @Test("a process that dies when it is succeeded costs what was in it, as any") func deathAfterSuccession()
        async throws
    {
        var (core, ids) = try await core(2)
        core.succeed(number: 7, now: t0)
        _ = core.takeActions()
        core.died(.outgoing(number: 7), .init(words: "died of signal 4"), now: t0)
        #expect(core.takeTurn(claims: false).suspects.map(\.dispatchID) == ids)
        // The main one is there, and no other is wanted.
        #expect(core.takeActions().allSatisfy { if case .launch = $0 { false } else { true } })
        core.succeed(number: 8, now: t0)
        #expect(core.takeActions().count { if case .dismiss(.outgoing(number: 8)) = $0 { true } else { false } } == 1)
    }

    @Test("an execution timeout fails the try, whatever the code returns then")
    func timeout() async throws {
        var (core, ids) = try await core(1) { $0.executionTimeout = .seconds(5) }
        _ = sent(&core)
        #expect(core.nextDeadline == t0 + .seconds(5))
        core.passTime(now: t0 + .seconds(5))
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0 + .seconds(6))
        guard case .failure(let message, retryable: true, _) = core.takeTurn(claims: false).reports.first?.outcome
        else {
            Issue.record("not a failure")
            return
        }
        #expect(message.contains("execution timeout"))
    }

    @Test("a death with one attempt in flight is its fault; with several, all run again as suspects")
    func deaths() async throws {
        var (alone, _) = try await core(1)
        alone.died(.main, .init(words: "died of signal 4 (Illegal instruction)"), now: t0)
        guard case .failure(let message, retryable: true, _) = alone.takeTurn(claims: false).reports.first?.outcome
        else {
            Issue.record("not a failure")
            return
        }
        #expect(message == "its bundle process died of signal 4 (Illegal instruction)")
        var (many, ids) = try await core(3)
        many.receive(.result(dispatchID: ids[2], .success(output: "1", items: nil)), from: .main, now: t0)
        many.died(.main, .init(words: "exited with code 1"), now: t0)
        let turn = many.takeTurn(claims: false)
        #expect(turn.suspects.map(\.dispatchID) == [ids[0], ids[1]])
        #expect(turn.reports.map(\.dispatchID) == [ids[2]])
        #expect(many.freeSlots == 10)
    }

    @Test("each suspect has a process of its own, which goes with it; few begin at a time")
    func quarantine() async throws {
        var (core, ids) = try await core(6, suspects: true)
        #expect(launches(&core) == Array(ids[..<4]))
        for id in ids[..<4] { core.ready(.quarantine(dispatchID: id), now: t0) }
        #expect(runs(&core) == Array(ids[..<4]))
        let first = Place.quarantine(dispatchID: ids[0])
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: first, now: t0)
        let actions = core.takeActions()
        #expect(actions.contains { if case .retire(first) = $0 { true } else { false } })
        #expect(actions.contains { if case .launch(.quarantine(ids[4])) = $0 { true } else { false } })
    }

    @Test("a suspect that runs on and on holds up no other one")
    func lastingSuspects() async throws {
        var (core, ids) = try await core(5, suspects: true)
        #expect(launches(&core) == Array(ids[..<4]))
        #expect(core.nextDeadline == t0 + .seconds(10))
        core.passTime(now: t0 + .seconds(9))
        #expect(launches(&core).isEmpty)
        core.passTime(now: t0 + .seconds(10))
        #expect(launches(&core) == [ids[4]])
        #expect(core.nextDeadline == nil)
    }

    @Test("a suspect that dies alone is the culprit, and the next begins")
    func culprit() async throws {
        var (core, ids) = try await core(5, suspects: true)
        _ = core.takeActions()
        core.ready(.quarantine(dispatchID: ids[0]), now: t0)
        core.died(.quarantine(dispatchID: ids[0]), .init(words: "exited with code 3"), now: t0)
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == [ids[0]])
        #expect(launches(&core) == [ids[4]])
    }

    @Test("a suspect that is cancelled before its process is there leaves no process behind")
    func cancelledSuspect() async throws {
        var (core, ids) = try await core(1, suspects: true)
        _ = core.takeActions()
        let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
        core.cancel(CancelOrder(dispatchID: ids[0], intent: intent), now: t0)
        core.ready(.quarantine(dispatchID: ids[0]), now: t0)
        #expect(core.takeActions().contains { if case .retire = $0 { true } else { false } })
    }

    private func launches(_ core: inout ExecutorCore) -> [Int64] {
        core.takeActions().compactMap { action in
            if case .launch(.quarantine(let dispatchID)) = action { dispatchID } else { nil }
        }
    }

    private func runs(_ core: inout ExecutorCore) -> [Int64] {
        sent(&core).compactMap { if case .run(let order) = $0 { order.dispatchID } else { nil } }
    }

    @Test("a quiet success writes no log; a failure writes all of it")
    func quiet() async throws {
        var (core, ids) = try await core(2)
        core.receive(.result(dispatchID: ids[0], .success(output: "1", items: nil)), from: .main, now: t0)
        #expect(logged(&core).isEmpty)
        core.receive(.result(dispatchID: ids[1], .failure(message: "no", retryable: true)), from: .main, now: t0)
        let lines = logged(&core)
        #expect(lines.count == 2)
        #expect(lines.first?.hasPrefix("try 1, dispatch") == true)
        #expect(lines.last == "no")
    }

    private func logged(_ core: inout ExecutorCore) -> [String] {
        core.takeActions().flatMap { if case .log(_, let lines, _) = $0 { lines.map(\.message) } else { [String]() } }
    }
}
