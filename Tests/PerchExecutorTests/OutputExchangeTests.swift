// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchOutputs
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("Long outputs between homes", .timeLimit(.minutes(1)))
struct OutputExchangeTests {
    /// A task's output in the files of the machine `a`.
    private struct Given {
        let homes: SharedHomes
        let name: String
        let output: String
        let element: String
        let dispatch: DispatchReference

        init(size: Int = 900_000) async throws {
            homes = try await SharedHomes()
            let task = homes.task
            dispatch = DispatchReference(taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID)
            name = "dag_id=d/run_id=r1/task_id=t/attempt=1.dispatch=\(task.dispatchID).json"
            let items = ["\"\(String(repeating: "ü", count: size / 2))\"", "\"short\""]
            let name = name
            let kept = try OutputKeeping(store: FileOutputStore(directory: homes.folder + "/a"), inlineSize: 64)
                .kept("[\(items.joined(separator: ","))]", items: items, as: name)
            output = kept.output
            element = try #require(kept.items?.first)
        }

        func exchange(_ machine: String) -> OutputExchange {
            OutputExchange(metastore: homes.store, directory: "\(homes.folder)/\(machine)")
        }

        func file(_ machine: String) -> Data? {
            FileManager.default.contents(atPath: "\(homes.folder)/\(machine)/\(name)")
        }
    }

    @Test("a file that a worker has published comes as it was into the home of another that needs it, or a part of it")
    func travel() async throws {
        let given = try await Given()
        for _ in 1...2 { try await given.exchange("a").publish(given.output, of: given.dispatch) }
        try await given.exchange("b").fetch(["[1]", given.output])
        #expect(given.file("b") == given.file("a") && given.file("a") != nil)
        try await given.exchange("c").fetch([OutputText.joined(["1", given.element])])
        #expect(given.file("c") == given.file("a"))
        // One that was damaged there is fetched once more; one that is sound is left alone.
        let exchange = given.exchange("c")
        for _ in 1...2 {
            try await exchange.fetch([given.element])
            #expect(given.file("c") == given.file("a"))
            try Data("x".utf8).write(to: URL(filePath: "\(given.homes.folder)/c/\(given.name)"))
        }
        try await exchange.fetch([given.element])
        #expect(given.file("c") == given.file("a"))
        try given.homes.close()
    }

    @Test("what is nowhere is left to who reads it, and nothing appears that is not what was stored") func refused()
        async throws
    {
        let given = try await Given()
        try await given.exchange("b").fetch([given.output])
        #expect(given.file("b") == nil)
        let (id, dispatch, name) = (given.dispatch.taskInstanceID, given.dispatch.dispatchID, given.name)
        _ = try await given.homes.store.write {
            try $0.storeOutput(name, taskInstanceID: id, dispatchID: dispatch, from: 0, ["[\"other\"]"])
        }
        await #expect {
            try await given.exchange("b").fetch([given.output])
        } throws: {
            "\($0)".contains("is not the one that was stored")
        }
        #expect(given.file("b") == nil)
        let elsewhere = OutputText.reference(
            OutputReference(name: "dag_id=d/../../x", offset: 0, size: 1, hash: "0")
        ).text
        try await given.exchange("b").fetch([elsewhere])
        try given.homes.close()
    }

    @Test("a file that is gone before it is published is said, and a dispatch that is not current publishes none")
    func unreadable() async throws {
        let given = try await Given(size: 2_000)
        await #expect(throws: OutputExchange.Fault.self) {
            try await given.exchange("nowhere").publish(given.output, of: given.dispatch)
        }
        var stale = given.dispatch
        stale.dispatchID += 1
        try await given.exchange("a").publish(given.output, of: stale)
        let name = given.name
        #expect(try await given.homes.store.read { try $0.sharedOutput(name) } == nil)
        try given.homes.close()
    }

    // MARK: The state machine

    private let t0 = Timestamp(microseconds: 1_767_225_600_000_000)

    private func core(_ change: (inout ClaimedTask) -> Void = { _ in }) async throws -> (ExecutorCore, Attempt?) {
        let homes = try await SharedHomes()
        var task = homes.task
        try homes.close()
        change(&task)
        var core = ExecutorCore(settings: .init(slots: 10, exchangesOutputs: true))
        core.ready(.main, now: t0)
        var outcome = TurnOutcome()
        outcome.claimed = [task]
        core.committed(Turn(), outcome, now: t0)
        return (core, core.attempts[task.dispatchID])
    }

    private let reference = OutputText.reference(
        OutputReference(name: "dag_id=d/a", offset: 0, size: 1, hash: "0")
    ).text

    @Test("a success whose output is a file is reported when that is published, and frees its slot before")
    func publish() async throws {
        var (core, attempt) = try await core()
        let id = try #require(attempt?.dispatchID)
        _ = core.takeActions()
        core.receive(.result(dispatchID: id, .success(output: reference, items: nil)), from: .main, now: t0)
        let reports = core.takeActions().compactMap { if case .publish(let report) = $0 { report } else { nil } }
        #expect(reports.count == 1 && core.turn.reports.isEmpty && core.freeSlots == 10)
        // A cancel that comes meanwhile, or the end of the process, is no matter of this attempt any more.
        core.cancel(
            CancelOrder(dispatchID: id, intent: CancelIntent(finalState: .failed, reason: "r", by: "b")), now: t0)
        core.died(.main, .init(words: "died"), now: t0)
        #expect(core.turn.isEmpty)
        core.published(reports[0])
        #expect(core.takeTurn(claims: false).reports == reports)
        core.forgetAll()
        core.published(reports[0])
        #expect(core.turn.isEmpty)
    }

    @Test("a task begins when what it is given is here, fails where it cannot be had, goes back when it is cancelled")
    func fetch() async throws {
        for end in ["begins", "fails", "cancelled"] {
            var (core, found) = try await core { $0.mapElement = reference }
            let attempt = try #require(found)
            let fetched = core.takeActions().contains { if case .fetch = $0 { true } else { false } }
            #expect(fetched && core.freeSlots == 9)
            switch end {
            case "begins":
                core.fetched(attempt, now: t0)
                #expect(core.takeActions().contains { if case .send(.main, .run) = $0 { true } else { false } })
                core.fetched(attempt, now: t0)
                #expect(core.takeActions().isEmpty)
            case "fails":
                core.fetchFailed(attempt, "no room", now: t0)
                let report = try #require(core.takeTurn(claims: false).reports.first)
                #expect(report.outcome == .failure(message: "no room", retryable: true) && core.freeSlots == 10)
            default:
                core.cancel(
                    CancelOrder(
                        dispatchID: attempt.dispatchID,
                        intent: CancelIntent(finalState: .failed, reason: "r", by: "b")), now: t0)
                #expect(core.turn.requeued.count == 1)
                core.fetched(attempt, now: t0)
                core.fetchFailed(attempt, "late", now: t0)
                #expect(core.turn.requeued.count == 1 && core.turn.reports.isEmpty)
                #expect(!core.takeActions().contains { if case .send = $0 { true } else { false } })
            }
        }
    }
}
