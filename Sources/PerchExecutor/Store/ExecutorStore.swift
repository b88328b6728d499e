// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What the executor needs of the metastore, so that it can be tried without one.
protocol ExecutorStore: Sendable {
    /// Commits one turn: everything in it or nothing.
    func commit(_ turn: Turn, worker: Int64) async throws -> TurnOutcome
    /// Commits one turn together with what rings one of `bells` next. `answer` is called on no particular thread, once.
    func commit(
        _ turn: Turn, worker: Int64, onNext bells: DoorbellSet,
        answer: @escaping @Sendable (Result<TurnOutcome, any Error>) -> Void
    ) -> StandingWrite
    /// Commits one turn about hosted triggers.
    func commit(_ turn: HostedTurn, worker: Int64) async throws -> HostedOutcome
    /// Gives back what a worker hosts.
    func releaseHosted(worker: Int64) async throws
    func processes(role: String) async throws -> [ProcessRow]
    func register(role: String, _ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64
    func remove(processes: [Int64]) async throws
    func registerWorker(_ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64
    /// The workers that take tasks of other bundles.
    func workers(besidesBundle bundle: String) async throws -> Set<Int64>
    /// Notes why the bundle of a worker does not work; without words, that it does.
    func noteTrouble(_ words: String?, count: Int, worker: Int64) async throws
    /// Forgets workers, those that are overdue only where their leases have still ended; gives how many dispatches were
    /// queued again.
    func forgetWorkers(ended: [Int64], overdue: [Int64]) async throws -> Int
    /// Stores what a bundle describes; gives what is wrong with DAGs that other bundles have.
    func storeDAGs(
        _ definitions: [DAGDefinition], bundle: String, bundleVersion: String, importErrors: [DeclarationProblem],
        sources: [DAGSourceText]
    ) async throws -> [DeclarationProblem]
    /// What the bundle's timetables are to be asked.
    func tickWants(bundle: String) async throws -> [TickWant]
    /// Stores what a timetable has told.
    func storeTicks(
        of dagID: String, after: Timestamp, _ ticks: [TimetableTick], isLast: Bool, problem: String?
    ) async throws
    func subscribe(_ bells: DoorbellSet, _ callback: @escaping @Sendable (DoorbellSet) -> Void)
}

/// Names one dispatch in the metastore.
struct DispatchReference: Sendable, Hashable {
    var taskInstanceID: Int64
    var dispatchID: Int64
}

/// What one transaction of the executor does: all that was reported since the last one, and the next claim.
struct Turn: Sendable, Equatable {
    var steps: [StepRecord] = []
    var deferrals: [Deferral] = []
    var reports: [TaskReport] = []
    var requeued: [DispatchReference] = []
    var suspects: [DispatchReference] = []
    /// What templates have become. It needs no transaction of its own: it goes with the next that there is.
    var rendered: [RenderedRecord] = []
    var claimLimit = 0
    /// With which version of the bundle what is claimed would begin.
    var bundleVersion: String?
    var readsCancels = false
    /// How much longer the worker's lease is to be; nil: left as it is.
    var lease: TimeSpan?

    /// Whether there is nothing to commit.
    var isEmpty: Bool {
        claimLimit == 0 && !readsCancels && lease == nil && !hasReports
    }

    /// Whether it changes what is known of dispatches.
    var hasReports: Bool {
        !(steps.isEmpty && deferrals.isEmpty && reports.isEmpty && requeued.isEmpty && suspects.isEmpty)
    }
}

/// What a turn's transaction answered.
struct TurnOutcome: Sendable {
    var steps: [Bool] = []
    var deferrals: [Bool] = []
    var reports: [Bool] = []
    var claimed: [ClaimedTask] = []
    var cancels: [CancelOrder] = []
    /// False where the worker is not registered any more: it must stop.
    var isRegistered = true
}

/// A running dispatch that is to be cancelled.
struct CancelOrder: Sendable, Hashable {
    var dispatchID: Int64
    var intent: CancelIntent
}

/// The real one.
struct MetastoreStore: ExecutorStore {
    let metastore: Metastore
    /// What the worker takes on.
    var terms = WorkerTerms()

    func commit(_ turn: Turn, worker: Int64) async throws -> TurnOutcome {
        try await metastore.write { try $0.carryOut(turn, worker: worker, terms) }
    }

    func commit(
        _ turn: Turn, worker: Int64, onNext bells: DoorbellSet,
        answer: @escaping @Sendable (Result<TurnOutcome, any Error>) -> Void
    ) -> StandingWrite {
        metastore.write(
            onNext: bells,
            { try $0.carryOut(turn, worker: worker, terms) }, answer: answer)
    }

    func processes(role: String) async throws -> [ProcessRow] {
        try await metastore.read { try $0.processes(role: role) }
    }

    func register(role: String, _ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64 {
        try await metastore.write {
            try $0.registerProcess(
                role: role, pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
                host: identity.host, lease: lease)
        }
    }

    func remove(processes: [Int64]) async throws {
        try await metastore.write { transaction in
            for process in processes { try transaction.removeProcess(process) }
        }
    }

    func registerWorker(_ identity: ProcessIdentity, lease: TimeSpan) async throws -> Int64 {
        try await metastore.write { try $0.registerWorker(identity, terms: terms, lease: lease) }
    }

    func forgetWorkers(ended: [Int64], overdue: [Int64]) async throws -> Int {
        try await metastore.write { try $0.forgetWorkers(ended: ended, overdue: overdue) }
    }

    func storeDAGs(
        _ definitions: [DAGDefinition], bundle: String, bundleVersion: String, importErrors: [DeclarationProblem],
        sources: [DAGSourceText]
    ) async throws -> [DeclarationProblem] {
        try await metastore.write {
            try $0.takeUpDAGs(
                definitions, bundle: bundle, bundleVersion: bundleVersion, importErrors: importErrors, sources: sources)
        }
    }

    func workers(besidesBundle bundle: String) async throws -> Set<Int64> {
        try await metastore.read { try $0.workers(besidesBundle: bundle) }
    }

    func noteTrouble(_ words: String?, count: Int, worker: Int64) async throws {
        try await metastore.write { try $0.noteTrouble(words, count: count, worker: worker) }
    }

    func tickWants(bundle: String) async throws -> [TickWant] {
        try await metastore.read { try $0.tickWants(bundle: bundle) }
    }

    func storeTicks(
        of dagID: String, after: Timestamp, _ ticks: [TimetableTick], isLast: Bool, problem: String?
    ) async throws {
        try await metastore.write {
            try $0.storeTicks(of: dagID, after: after, ticks, isLast: isLast, problem: problem)
        }
    }

    func subscribe(_ bells: DoorbellSet, _ callback: @escaping @Sendable (DoorbellSet) -> Void) {
        metastore.doorbells.subscribe(bells, callback)
    }
}

extension Transaction {
    fileprivate func carryOut(_ turn: Turn, worker: Int64, _ terms: WorkerTerms) throws -> TurnOutcome {
        var outcome = TurnOutcome()
        if let lease = turn.lease {
            outcome.isRegistered = try renewLease(worker, lease: lease)
        } else if turn.claimLimit > 0 {
            // One that was taken for dead, as after a long stop, would take what nobody watches it with.
            outcome.isRegistered = try isRecorded(process: worker)
        }
        guard outcome.isRegistered else { return outcome }
        // Before what ends the dispatches.
        if !turn.rendered.isEmpty { try recordRendered(turn.rendered) }
        if !turn.steps.isEmpty { outcome.steps = try recordSteps(turn.steps) }
        if !turn.deferrals.isEmpty { outcome.deferrals = try deferTasks(turn.deferrals) }
        if !turn.reports.isEmpty { outcome.reports = try finish(turn.reports) }
        for (references, asSuspects) in [(turn.requeued, false), (turn.suspects, true)] where !references.isEmpty {
            try requeue(references.map { ($0.taskInstanceID, $0.dispatchID) }, asSuspects: asSuspects)
        }
        if turn.claimLimit > 0 {
            outcome.claimed = try claim(
                limit: turn.claimLimit, worker: worker, queues: terms.queues, bundle: terms.bundle,
                bundleVersion: turn.bundleVersion)
        }
        if turn.readsCancels {
            outcome.cancels = try cancelOrders(worker: worker)
                .map { CancelOrder(dispatchID: $0.dispatchID, intent: $0.intent) }
        }
        return outcome
    }
}
