// SPDX-License-Identifier: Apache-2.0

package import Logging
package import PerchMetastore
public import PerchReactor
public import PerchSDK

/// Watches waits and fires each once: holds a lease on its share of the shards, hands them to the sources of their kinds, feeds the
/// inbox to those that want it, minds deadlines, and commits fires in groups.
///
/// What it decides stands in `TriggererState`; the actor carries it out. Everything runs on the reactor's thread, so
/// sources, state and timers never wait for one another, and the metastore's answers come back to it.
public actor Triggerer {
    /// Makes the sources, on the reactor's thread: called at the start, and again whenever the lease was lost, for then
    /// everything in memory is thrown away.
    public typealias SourceFactory =
        @Sendable (_ loop: any EventLoop, _ report: @escaping (SourceReport) -> Void) -> [any TriggerSource]

    /// The thread on which the triggerer runs.
    public nonisolated let reactor: any Reactor
    /// The reactor's executor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    let metastore: Metastore
    let processes: any ProcessTable
    let configuration: TriggererConfiguration
    let log: Logger
    private let makeSources: SourceFactory

    var sources: [any TriggerSource] = []
    var inboxSources: [any InboxSource] = []
    var state: TriggererState?
    private var timer: (instant: Int64, handle: LoopTimer)?
    private var isTurnPlanned = false
    private(set) var isStopped = false
    /// The process under which the lease was last given.
    var owner: Int64?
    /// The read of the inbox that stands in the metastore.
    var standingRead: StandingWrite?
    /// What is under way to the metastore, by its number.
    private var errands: [Int: Task<Void, Never>] = [:]
    private var errandCount = 0
    /// The other triggerers of this machine.
    private lazy var peers = PeerWatch(loop: reactor.loop) { [weak self] in
        self?.assumeIsolated {
            $0.state?.rang(.owners)
            $0.planTurn()
        }
    }
    /// Calls that held the thread.
    var slowCalls = SlowCalls()

    /// Watches these triggerers, and no others.
    func watch(_ others: [ProcessRow]) {
        peers.watch(others.map(\.processID)) { id in
            others.first { $0.processID == id }.flatMap { processes.exitDescriptor(of: $0) }
        }
    }

    /// A triggerer that does nothing yet.
    ///
    /// - Parameter processes: The machine that it runs on; the calling process holds the lease.
    package init(
        metastore: Metastore, reactor: any Reactor, processes: any ProcessTable,
        configuration: TriggererConfiguration = TriggererConfiguration(), log: Logger,
        sources: @escaping SourceFactory
    ) {
        self.metastore = metastore
        self.reactor = reactor
        self.processes = processes
        self.configuration = configuration
        self.log = log
        makeSources = sources
    }

    /// Begins: asks for the lease, arms every wait, and goes on from there.
    public func start() {
        guard state == nil, !isStopped else { return }
        startSources(generation: 0)
        let kinds = KindDirectory(sources.map { ($0.kinds, $0 is any InboxSource) })
        state = TriggererState(configuration: configuration, kinds: kinds)
        metastore.doorbells.subscribe([.waits, .events, .owners]) { [weak self, reactor] bells in
            guard let self else { return }
            reactor.submit {
                self.assumeIsolated {
                    $0.state?.rang(bells)
                    $0.turn()
                }
            }
        }
        turn()
    }

    /// Ends: fires nothing more, closes the sources, and hands the waits over at once. The reactor may be stopped
    /// afterwards.
    public func stop() async {
        guard !isStopped else { return }
        isStopped = true
        state?.stop()
        if let timer { reactor.loop.cancel(timer.handle) }
        timer = nil
        stopSources()
        _ = withdrawStandingRead()
        watch([])
        while let number = errands.keys.min() { await errands[number]?.value }
        guard let owner else { return }
        do {
            try await metastore.write { try $0.removeTriggerer(owner) }
        } catch {
            log.warning(
                "the waits could not be handed over; another triggerer takes them when the lease ends",
                metadata: ["error": "\(error)"])
        }
    }

    // MARK: sources

    func startSources(generation: Int) {
        sources = makeSources(reactor.loop) { [weak self] report in
            self?.assumeIsolated { $0.take(report, generation: generation) }
        }
        inboxSources = sources.compactMap { $0 as? any InboxSource }
    }

    func stopSources() {
        for source in sources { source.shutDown() }
        sources = []
        inboxSources = []
    }

    private func take(_ report: SourceReport, generation: Int) {
        guard state?.generation == generation else { return }
        state?.reported(report, now: reactor.loop.now)
        planTurn()
    }

    // MARK: turns

    /// So long at most before other things on the thread get their turn.
    private static let slice: Int64 = 5_000

    /// Does everything that is to be done now.
    func turn() {
        guard !isStopped else { return }
        let began = reactor.loop.now
        var now = began
        while let work = state?.next(now: now) {
            perform(work, now: now)
            now = reactor.loop.now
            if now - began > Self.slice {
                planTurn()
                return
            }
        }
        noteSetAside()
        setTimer()
    }

    /// A turn soon: reports of one moment are taken together.
    func planTurn() {
        guard !isTurnPlanned, !isStopped else { return }
        isTurnPlanned = true
        reactor.loop.enqueue { [weak self] in
            self?.assumeIsolated {
                $0.isTurnPlanned = false
                $0.turn()
            }
        }
    }

    private func setTimer() {
        let instant = state?.nextInstant()
        guard instant != timer?.instant else { return }
        if let timer { reactor.loop.cancel(timer.handle) }
        timer = instant.map { instant in
            let handle = reactor.loop.schedule(at: instant) { [weak self] in
                self?.assumeIsolated {
                    $0.timer = nil
                    $0.turn()
                }
            }
            return (instant, handle)
        }
    }

    private func noteSetAside() {
        guard let messages = state?.counters.setAside, !messages.isEmpty else { return }
        state?.counters.setAside = []
        for message in messages {
            log.error(
                "a fire could not be stored and is set aside until the next start", metadata: ["what": "\(message)"])
        }
    }

    // MARK: errands

    /// Something for the metastore: its answer is taken on this thread, and a turn follows.
    func run(_ errand: @escaping @Sendable (isolated Triggerer) async -> Void) {
        let number = errandCount
        errandCount += 1
        errands[number] = Task(executorPreference: reactor) { await self.carryOut(errand, number) }
    }

    private func carryOut(_ errand: @Sendable (isolated Triggerer) async -> Void, _ number: Int) async {
        await errand(self)
        errands[number] = nil
        turn()
    }
}
