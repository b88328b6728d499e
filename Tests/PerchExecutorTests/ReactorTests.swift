// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchExecutor

/// A store that notes what was asked of it away from the executor's reactor.
private final class ObservedStore: ExecutorStore {
    let strays = Mutex<[String]>([])
    private let base: MetastoreStore
    private let reactor: any Reactor
    private let removals: AsyncStream<Void>.Continuation

    init(_ base: MetastoreStore, _ reactor: any Reactor, removals: AsyncStream<Void>.Continuation) {
        self.base = base
        self.reactor = reactor
        self.removals = removals
    }

    private func note(_ name: String) {
        if !reactor.isCurrent { strays.withLock { $0.append(name) } }
    }

    func commit(_ turn: Turn, worker: Int64) async throws -> TurnOutcome {
        note("commit")
        return try await base.commit(turn, worker: worker)
    }
    func commit(
        _ turn: Turn, worker: Int64, onNext bells: DoorbellSet,
        answer: @escaping @Sendable (Result<TurnOutcome, any Error>) -> Void
    ) -> StandingWrite {
        note("standing commit")
        return base.commit(turn, worker: worker, onNext: bells, answer: answer)
    }
    func commit(_ turn: HostedTurn, worker: Int64) async throws -> HostedOutcome {
        note("commit of hosted")
        return try await base.commit(turn, worker: worker)
    }
    func tickWants(bundle: String) async throws -> [TickWant] {
        note("tickWants")
        return try await base.tickWants(bundle: bundle)
    }
    func storeTicks(
        of dagID: String, after: Timestamp, _ ticks: [TimetableTick], isLast: Bool, problem: String?
    ) async throws {
        note("storeTicks")
        try await base.storeTicks(of: dagID, after: after, ticks, isLast: isLast, problem: problem)
    }
    func releaseHosted(worker: Int64) async throws {
        note("releaseHosted")
        try await base.releaseHosted(worker: worker)
    }
    func processes(role: String) async throws -> [ProcessRow] {
        note("processes")
        return try await base.processes(role: role)
    }
    func register(role: String, _ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64 {
        note("register")
        return try await base.register(role: role, identity, lease: lease)
    }
    func remove(processes: [Int64]) async throws {
        note("remove")
        try await base.remove(processes: processes)
        removals.yield()
    }
    func registerWorker(_ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64 {
        note("registerWorker")
        return try await base.registerWorker(identity, lease: lease)
    }

    func forgetWorkers(ended: [Int64], overdue: [Int64]) async throws -> Int {
        note("forgetWorkers")
        return try await base.forgetWorkers(ended: ended, overdue: overdue)
    }
    func storeDAGs(
        _ definitions: [DAGDefinition], bundle: String, bundleVersion: String, importErrors: [DeclarationProblem],
        sources: [DAGSourceText]
    ) async throws -> [DeclarationProblem] {
        note("storeDAGs")
        return try await base.storeDAGs(
            definitions, bundle: bundle, bundleVersion: bundleVersion, importErrors: importErrors, sources: sources)
    }
    func workers(besidesBundle bundle: String) async throws -> Set<Int64> {
        note("workers")
        return try await base.workers(besidesBundle: bundle)
    }
    func noteTrouble(_ words: String?, count: Int, worker: Int64) async throws {
        note("noteTrouble")
        try await base.noteTrouble(words, count: count, worker: worker)
    }
    func subscribe(_ bells: DoorbellSet, _ callback: @escaping @Sendable (DoorbellSet) -> Void) {
        base.subscribe(bells, callback)
    }
}

@Suite("The executor's reactor", .timeLimit(.minutes(1)))
struct ReactorTests {
    @Test("everything that the executor asks of the metastore it asks on its reactor, a dead bundle's row included")
    func everythingOnTheReactor() async throws {
        let home = NSTemporaryDirectory() + "perch-reactor-\(UUID().uuidString.prefix(8))"
        let metastore = try Metastore.open(home: home, access: .engine, clock: WallClock())
        let reactor = try ThreadReactor(name: "executor")
        let (removals, continuation) = AsyncStream.makeStream(of: Void.self)
        let store = ObservedStore(MetastoreStore(metastore: metastore), reactor, removals: continuation)
        let logs = AttemptLogStore(directory: home + "/logs")
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let executor = Executor(
            store: store, clock: WallClock(), reactor: reactor, processes: SystemProcesses(),
            launcher: ProcessLauncher(home: home, executable: fixture, arguments: []), logs: logs,
            configuration: Executor.Configuration(), logger: logger)
        try await executor.start()
        let pid = try #require(await executor.bundleProcesses.first)
        kill(pid, SIGKILL)
        var iterator = removals.makeAsyncIterator()
        await iterator.next()
        await executor.stop()
        #expect(store.strays.withLock { $0 } == [])
        await logs.close()
        try metastore.close()
        try FileManager.default.removeItem(atPath: home)
    }
}
