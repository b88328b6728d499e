// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@testable import PerchBundle
@testable import PerchExecutor

@Suite("Several processes share the attempts of a worker")
struct PoolCoreTests {
    private let t0 = Timestamp(microseconds: 1_767_225_600_000_000)

    /// A core of three processes, of which none is there yet, and so many claimed tasks.
    private func core(
        _ count: Int, suspects: Bool = false, _ change: (inout TaskDefinition) -> Void = { _ in }
    ) async throws -> (ExecutorCore, [ClaimedTask]) {
        let stage = try await ClaimStage()
        var definition = DAGDefinition(dagID: "d")
        for number in 0..<count {
            var task = TaskDefinition(taskID: "t\(number)", kind: .code(operatorName: "closure"))
            change(&task)
            definition.tasks.append(task)
        }
        let claimed = try await stage.claim(definition, asSuspects: suspects)
        var settings = ExecutorCore.Settings(slots: 10)
        settings.processes = 3
        return (ExecutorCore(settings: settings), claimed.sorted { $0.dispatchID < $1.dispatchID })
    }

    private func places(_ core: inout ExecutorCore) -> [Place] {
        core.takeActions().compactMap { if case .send(let place, .run) = $0 { place } else { nil } }
    }

    private func launches(_ core: inout ExecutorCore) -> [Place] {
        core.takeActions().compactMap { if case .launch(let place) = $0 { place } else { nil } }
    }

    private func retires(_ core: inout ExecutorCore) -> [Place] {
        core.takeActions().compactMap { if case .retire(let place) = $0 { place } else { nil } }
    }

    @Test("what waits for the pool begins as soon as any of it is there; each goes where the fewest are")
    func fewest() async throws {
        var (core, tasks) = try await core(6)
        #expect(!core.isPoolReady)
        for index in 0..<3 { core.unready(.pooled(index)) }
        for task in tasks[..<2] { core.take(task, now: t0) }
        #expect(places(&core).isEmpty)
        core.ready(.pooled(1), now: t0)
        #expect(core.isPoolReady && places(&core) == [.pooled(1), .pooled(1)])
        core.ready(.main, now: t0)
        core.ready(.pooled(2), now: t0)
        for task in tasks[2...] { core.take(task, now: t0) }
        #expect(places(&core) == [.main, .pooled(2), .main, .pooled(2)])
        #expect(core.load == [.main: 2, .pooled(1): 2, .pooled(2): 2])
        core.receive(
            .result(dispatchID: tasks[0].dispatchID, .success(output: "1", items: nil)), from: .pooled(1), now: t0)
        #expect(core.load[.pooled(1)] == 1 && core.begun == [.main: 2, .pooled(1): 2, .pooled(2): 2])
        // One says nothing of what is in another.
        core.receive(
            .result(dispatchID: tasks[2].dispatchID, .success(output: "1", items: nil)), from: .pooled(1), now: t0)
        #expect(core.load[.main] == 2)
    }

    @Test("a death costs what was in that process; the others go on, and it is started again") func death() async throws
    {
        var (core, tasks) = try await core(5)
        for index in 0..<3 { core.ready(.pooled(index), now: t0) }
        for task in tasks { core.take(task, now: t0) }
        _ = core.takeActions()
        core.died(.pooled(2), .init(words: "died of signal 4"), now: t0)
        // It had one alone: its own fault.
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == [tasks[2].dispatchID])
        #expect(launches(&core) == [.pooled(2)] && core.load == [.main: 2, .pooled(1): 2])
        core.died(.pooled(1), .init(words: "died of signal 4"), now: t0)
        let turn = core.takeTurn(claims: false)
        #expect(turn.suspects.map(\.dispatchID) == [tasks[1].dispatchID, tasks[4].dispatchID] && turn.reports.isEmpty)
        #expect(core.isPoolReady && core.freeSlots == 8)
    }

    @Test("one of the pool is succeeded like the main one, and its attempts are counted where they are")
    func succession() async throws {
        var (core, tasks) = try await core(3)
        for index in 0..<3 { core.ready(.pooled(index), now: t0) }
        for task in tasks { core.take(task, now: t0) }
        _ = core.takeActions()
        core.succeed(.pooled(1), number: 9, now: t0)
        let old = Place.outgoing(number: 9)
        #expect(core.load == [.main: 1, old: 1, .pooled(2): 1] && core.begun[.pooled(1)] == 0)
        core.receive(
            .result(dispatchID: tasks[1].dispatchID, .success(output: "1", items: nil)), from: old, now: t0)
        #expect(core.takeActions().contains { if case .dismiss(old) = $0 { true } else { false } })
        #expect(core.load == [.main: 1, .pooled(2): 1])
    }

    @Test(
        "an attempt that is to be alone has a process that is started for it and ends with it, all at once and no line")
    func isolated() async throws {
        var (core, tasks) = try await core(6) { $0.isolation = .process }
        core.ready(.main, now: t0)
        for task in tasks { core.take(task, now: t0) }
        let own = tasks.map { Place.isolated(dispatchID: $0.dispatchID) }
        #expect(launches(&core) == own && core.freeSlots == 4 && core.load.isEmpty)
        core.ready(own[0], now: t0)
        #expect(places(&core) == [own[0]])
        core.receive(
            .result(dispatchID: tasks[0].dispatchID, .success(output: "1", items: nil)), from: own[0], now: t0)
        #expect(retires(&core) == [own[0]])
        // A crash is its own, and its process is not started again.
        core.ready(own[1], now: t0)
        _ = core.takeActions()
        core.died(own[1], .init(words: "exited with code 3"), now: t0)
        #expect(core.takeActions().allSatisfy { if case .launch = $0 { false } else { true } })
        #expect(core.takeTurn(claims: false).reports.map(\.dispatchID) == tasks[..<2].map(\.dispatchID))
        // A cancel before the process is there leaves nobody who wants it.
        let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
        #expect(core.isWanted(own[2]))
        core.cancel(CancelOrder(dispatchID: tasks[2].dispatchID, intent: intent), now: t0)
        #expect(!core.isWanted(own[2]))
        core.ready(own[2], now: t0)
        #expect(retires(&core) == [own[2]])
    }

    @Test("what goes on with an older version has a process of that, for as long as something is there for it")
    func pinned() async throws {
        var (core, tasks) = try await core(4)
        core.ready(.main, version: "v2", now: t0)
        core.ready(.pooled(1), version: "v1", now: t0)
        func take(_ number: Int, _ version: String?) {
            var task = tasks[number]
            task.bundleVersion = version
            core.take(task, now: t0)
        }
        take(0, "v1")
        #expect(places(&core) == [.pooled(1)])
        core.succeed(.pooled(1), number: 9, version: "v2", now: t0)
        let old = Place.pinned(version: "v1")
        take(1, "v1")
        #expect(launches(&core) == [old] && core.isWanted(old) && core.version(for: old) == "v1")
        take(2, "v2")
        #expect(places(&core) == [.main])
        core.ready(old, version: "v1", now: t0)
        #expect(places(&core) == [old])
        core.receive(
            .result(dispatchID: tasks[1].dispatchID, .success(output: "1", items: nil)), from: old, now: t0)
        #expect(retires(&core) == [old] && !core.isWanted(old))
        take(3, "v0")
        #expect(launches(&core) == [.pinned(version: "v0")])
        core.lack(.pinned(version: "v0"), "it is gone", now: t0)
        let reports = core.takeTurn(claims: false).reports
        #expect(reports.map(\.dispatchID) == [tasks[1].dispatchID, tasks[3].dispatchID])
        #expect(reports.last?.outcome == .failure(message: "it is gone", retryable: false))
    }

    @Test("under suspicion it is one of few, even where it would be alone anyway") func suspects() async throws {
        var (core, tasks) = try await core(6, suspects: true) { $0.isolation = .process }
        for task in tasks { core.take(task, now: t0) }
        #expect(launches(&core) == tasks[..<4].map { .quarantine(dispatchID: $0.dispatchID) })
    }
}
