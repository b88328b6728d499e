// SPDX-License-Identifier: Apache-2.0

package import Logging
internal import PerchBundle
package import PerchMetastore
public import PerchReactor
public import PerchSDK
internal import Synchronization

/// The worker of one machine: takes tasks from the queue, hands them to bundle processes and reports what became of
/// them.
///
/// It lives on a reactor of its own. Everything that is reported while one transaction is under way goes into the next,
/// together with the next claim, and nothing is told to a bundle before its COMMIT has returned.
public actor Executor {
    /// How an executor works.
    public struct Configuration: Sendable {
        /// How many dispatches run at once.
        public var slots = 32
        /// How many bundle processes share the tasks; those that have one to themselves not counted.
        public var processes = 1
        /// The queues whose tasks it takes; nil: every queue.
        public var queues: [String]?
        /// How long running code has to end by itself when the executor stops; what still runs then is queued again.
        public var drainTimeout = TimeSpan.seconds(10)
        /// What a process has beyond a task's own `killTimeout` before it is ended.
        public var killGrace = TimeSpan.seconds(5)
        /// How often the queue is looked at although no doorbell rang, and the lease renewed.
        public var pollPeriod = TimeSpan.seconds(30)
        /// How often a bundle that does not come up is started before `start` gives up.
        public var startAttempts = 5
        /// Whether `start` returns only when the bundle has come up and its DAGs are stored. Where there are several, none
        /// waits for another.
        public var waitsForBundle = true
        /// How long a bundle has to say hello and to describe itself.
        public var startTimeout = TimeSpan.seconds(30)
        /// What is to be added to the time since this machine was started, in microseconds, where bundles do not go by the
        /// machine's clock; nil: they do.
        package var clockOffset: (@Sendable () -> Int64)?
        /// How long the code of a hosted trigger may hold its thread; zero: for ever.
        public var triggerBudget = TimeSpan.seconds(1)
        /// The pause before a hosted trigger that failed runs again; doubled with each failure, up to 60 seconds.
        public var triggerPause = TimeSpan.seconds(1)
        /// Whether spans are told of what runs: code is handed the one of its try.
        package var isTraced = false

        /// When a process in which tasks run is replaced by a new one.
        public var recycling = BundleRecycling()

        /// The defaults.
        public init() {}
    }

    /// The executor's thread.
    public nonisolated let reactor: any Reactor
    /// Runs the actor on its reactor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }
    /// The logs of the attempts that run here.
    nonisolated let logs: any AttemptLog

    private nonisolated let wasStopped = Atomic(false)
    nonisolated let slots = Atomic(0)
    nonisolated let threads = Atomic(0)
    /// Whether `start` has not come to its end yet, and who waits for that.
    var isStarting = false
    var whenStarted: [CheckedContinuation<Void, Never>] = []
    let store: any ExecutorStore
    let launcher: any BundleLauncher
    let clock: any PerchClock
    let processes: any ProcessTable
    let configuration: Configuration
    let logger: Logger
    /// Where what attempts ask for is looked up, and what of it must not be said.
    let secrets: ExecutorSecrets
    /// How many look-ups each bundle waits for.
    var lookUps: [Int: Int] = [:]
    /// How long outputs come to other homes, and from there; nil: there are none.
    let outputs: OutputExchange?
    /// What is to be brought there, or here, and whether somebody is about it.
    var exchanges: [Exchange] = []
    var isExchanging = false

    var core: ExecutorCore
    var hosted: HostedCore
    var mustLookForHosted = true
    var mustLookForOrphans = true
    var isCommittingHosted = false
    var failedHostedCommits = 0
    var hostedTimer: (timer: LoopTimer, at: Timestamp)?
    /// The bundles in use.
    var bundles: [Place: RunningBundle] = [:]
    /// Every bundle that has not ended yet, by its number.
    var living: [Int: RunningBundle] = [:]
    /// Rows of bundles that ended while the executor stopped.
    var deadRows: [Int64] = []
    var isRejoining = false
    /// How often this worker has joined anew.
    var generation = 0
    /// Whether a process is coming up that takes the place of another one of the pool.
    var isRecycling = false
    /// Whether the executable may have been replaced.
    var mustLookAtRevision = false
    /// How often in a row a process of the pool has ended soon after it was ready, with nothing running in it, and how the last
    /// time.
    var shortLives: [Place: (count: Int, words: String)] = [:]
    /// Whether the worker's row says why its bundle does not work.
    var hasTrouble = false
    /// Whether a DAG is left out because another bundle has one of its id.
    var hasClashes = false
    /// Whether it was told that too many processes are outgoing.
    var hasToldOfOutgoing = false
    /// How many processes are being brought up, and who waits for none to be.
    var bringUps = 0
    var whenNoneComesUp: [CheckedContinuation<Void, Never>] = []
    var isLookingForDead = false
    var mustLookForDead = false
    /// The other workers of this machine.
    lazy var peers = PeerWatch(loop: reactor.loop) { [weak self] in
        self?.assumeIsolated { $0.lookForDeadWorkers() }
    }
    /// The version of the bundle whose DAGs are stored, and what was wrong in its files.
    var storedVersion: String?
    var toldErrors: [DeclarationProblem] = []
    /// Whether the bundle may have other DAGs than those that are stored, and whether it is being asked.
    var mustDescribe = false
    var isDescribing = false
    /// What the bundle's timetables were asked, and have not answered.
    var askedTicks: Set<TickWant> = []
    var mustLookForTicks = false
    var isLookingForTicks = false
    /// Why a DAG's timetable could not tell them the last time.
    var tickProblems: [String: String?] = [:]
    var bundlesStarted = 0
    var worker: Int64 = 0
    var life = Life.new
    var isCommitting = false
    /// The claim that stands in the metastore while there is nothing to commit: whatever queues a task has it claimed in
    /// the same COMMIT.
    var standingClaim: (turn: Turn, write: StandingWrite)?
    /// Whether the queue may hold something that was not seen yet.
    var hasWork = true
    /// Whether the look at the queue may wait for the next report: the bell was most likely this executor's own doing.
    var mayWaitToLook = false
    var bellsDuringCommit = false
    var lookTimer: LoopTimer?
    var deadlineTimer: (timer: LoopTimer, at: Timestamp)?
    var pollTimer: LoopTimer?
    var failedCommits = 0
    /// A commit failed: whether its claim was made is not known, so nothing that is held is sure.
    var mustRejoin = false
    /// Who waits for a while before something is tried again, by number.
    var pauses: [Int: CheckedContinuation<Void, Never>] = [:]
    var pauseCount = 0
    var whenIdle: [CheckedContinuation<Void, Never>] = []

    enum Life { case new, starting, running, draining, stopped }

    /// An executor on the metastore. It does nothing before `start()`.
    ///
    /// - Parameters:
    ///   - metastore: Where the queue is.
    ///   - launcher: How the bundle is started.
    ///   - logs: Where attempts' logs go.
    /// - Throws: `ReactorError` where the kernel gives no more descriptors.
    package init(
        metastore: Metastore, launcher: any BundleLauncher, logs: any AttemptLog,
        configuration: Configuration = Configuration(), logger: Logger = Logger(label: "perch.executor")
    ) throws {
        let clock = metastore.clock
        self.init(
            metastore: metastore,
            reactor: try ThreadReactor(name: "perch-executor", now: { clock.now.microseconds }),
            processes: SystemProcesses(), launcher: launcher, logs: logs, configuration: configuration, logger: logger)
    }

    /// An executor on a reactor of the caller's, which it starts and stops.
    package init(
        metastore: Metastore, reactor: any Reactor, processes: any ProcessTable, launcher: any BundleLauncher,
        logs: any AttemptLog, configuration: Configuration, logger: Logger,
        secrets: ExecutorSecrets = ExecutorSecrets(), outputs: OutputExchange? = nil
    ) {
        self.init(
            store: MetastoreStore(
                metastore: metastore,
                terms: WorkerTerms(
                    queues: configuration.queues, slots: configuration.slots, bundle: launcher.name)),
            clock: metastore.clock, reactor: reactor,
            processes: processes, launcher: launcher, logs: logs, configuration: configuration, logger: logger,
            secrets: secrets, outputs: outputs)
    }

    init(
        store: any ExecutorStore, clock: any PerchClock, reactor: any Reactor, processes: any ProcessTable,
        launcher: any BundleLauncher, logs: any AttemptLog, configuration: Configuration, logger: Logger,
        secrets: ExecutorSecrets = ExecutorSecrets(), outputs: OutputExchange? = nil
    ) {
        self.store = store
        self.secrets = secrets
        self.outputs = outputs
        self.clock = clock
        self.processes = processes
        self.launcher = launcher
        self.logs = logs
        self.configuration = configuration
        self.logger = logger
        self.reactor = reactor
        var settings = ExecutorCore.Settings()
        settings.slots = configuration.slots
        settings.processes = max(1, configuration.processes)
        settings.killGrace = configuration.killGrace
        settings.exchangesOutputs = outputs != nil
        settings.isTraced = configuration.isTraced
        core = ExecutorCore(settings: settings)
        var hosting = HostedCore.Settings()
        hosting.budget = configuration.triggerBudget
        hosting.pause = configuration.triggerPause
        hosted = HostedCore(settings: hosting)
        reactor.start()
    }

    /// Ends what a dead engine left behind, starts the bundle, stores the DAGs that it describes, and begins to work.
    ///
    /// - Returns: What the bundle describes; nothing where it is not waited for.
    /// - Throws: `PerchError`: `invalid` with the declarations' problems, a line each; `unavailable` where the bundle
    ///   does not come up.
    @discardableResult
    public func start() async throws -> [DAGDefinition] {
        try requireNotStopped()
        precondition(life == .new, "an executor is started once")
        life = .starting
        isStarting = true
        defer {
            isStarting = false
            for waiting in whenStarted { waiting.resume() }
            whenStarted = []
        }
        do {
            try await endDeadBundles()
            try requireNotStopped()
            try await join()
            try requireNotStopped()
            let definitions = configuration.waitsForBundle ? try await startMainBundle() : []
            try requireNotStopped()
            life = .running
            logs.began(by: worker)
            let rows = deadRows
            deadRows = []
            for row in rows { forget(row) }
            listen()
            launchPool(from: configuration.waitsForBundle ? 1 : 0)
            pump()
            pumpHosted()
            askForTicks(again: false)
            return definitions
        } catch {
            await shutDown()
            throw error
        }
    }

    /// A stop that came meanwhile is the end of a start.
    func requireNotStopped() throws {
        if wasStopped.load(ordering: .acquiring) {
            throw PerchError(.unavailable, "the executor was stopped while it started")
        }
    }

    /// Takes no more tasks, gives running code some time to end, gives the rest back to the queue, ends the bundles and
    /// the thread. Not to be called on the executor's own thread. A second call does nothing.
    public nonisolated func stop() async {
        guard !wasStopped.exchange(true, ordering: .acquiringAndReleasing) else { return }
        await drain()
        await logs.flush()
        reactor.stop()
    }

    /// How many slots are in use, as of the last turn; from any thread.
    public nonisolated var slotsInUse: Int { slots.load(ordering: .relaxed) }

    /// How often it was told that an attempt holds a thread of its process; from any thread.
    public nonisolated var threadsHeld: Int { threads.load(ordering: .relaxed) }

    /// How many dispatches are held at this moment.
    public var held: Int { core.attempts.count }

    /// The process ids of the bundles at this moment; for tests and for people.
    public var bundleProcesses: [Int32] {
        living.sorted { $0.key < $1.key }.compactMap { $0.value.link.pid }
    }
}
