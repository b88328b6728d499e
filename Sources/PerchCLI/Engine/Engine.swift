// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
internal import PerchExecutor
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchScheduler
internal import PerchTriggerer
internal import PerchTriggersApproval
internal import PerchTriggersComposite
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersProcess
internal import PerchTriggersRun
internal import PerchTriggersSocket
internal import PerchTriggersTime

/// The composition root: every role in one process on one metastore. The only place that knows all of them.
struct Engine {
    let home: Home
    let configuration: Configuration
    let metastore: Metastore
    private let executor: Executor
    private let scheduler: Scheduler
    private let triggerer: Triggerer
    private let events: EventSocket
    private let inspection: InspectionSocket
    private let sweep: LogSweep?
    /// What was there before this engine.
    private let found: (hasHome: Bool, hasMetastore: Bool)

    /// What differs in an engine that is there for one run, in a test.
    struct Edges {
        var clock: any PerchClock
        var launcher: any BundleLauncher
        var logs: any AttemptLog
        /// How long the roles keep what is theirs without renewing: long, where the clock jumps.
        var lease: TimeSpan?
    }

    /// Opens the home and makes the roles; none of them works yet.
    init(home: Home, configuration: Configuration, edges: Edges? = nil, metrics: EngineMetrics? = nil) throws {
        let clock: any PerchClock = edges?.clock ?? SystemClock()
        let log = EngineLog(level: configuration.logLevel, clock: clock)
        self.home = home
        self.configuration = configuration
        found = home.paths.state
        metastore = try Metastore.open(
            home: home.path, access: .engine, clock: clock, meter: metrics?.commits)
        do {
            executor = try Self.executor(home, configuration, edges, metastore, log, metrics)
            scheduler = Scheduler(
                metastore: metastore, reactor: try Self.reactor("perch-scheduler", clock, metrics),
                configuration: Self.schedulerConfiguration(configuration), log: log.logger("scheduler"))
            var http = HTTPSource.Options()
            http.perHost = Int(configuration.number("http.per_host") ?? 8)
            http.perHostRate = Int(configuration.number("http.per_host_rate") ?? 1_000)
            http.meter = metrics?.probes(kind: "http")
            var sockets = SocketSource.Options()
            sockets.meter = metrics?.probes(kind: "socket")
            let (options, socketOptions) = (http, sockets)
            triggerer = Triggerer(
                metastore: metastore, reactor: try Self.reactor("perch-triggerer", clock, metrics),
                processes: SystemProcesses(),
                configuration: Self.triggererConfiguration(configuration, edges), log: log.logger("triggerer"),
                sources: { loop, report in Self.sources(loop, report, options, socketOptions) })
            events = EventSocket(
                path: home.paths.events, metastore: metastore, reactor: triggerer.reactor, log: log.logger("events"))
            let worker = executor
            inspection = InspectionSocket(
                path: home.paths.inspection, triggerer: triggerer, log: log.logger("inspection"),
                metrics: metrics.map { metrics in
                    { @Sendable summary in metrics.text(summary, slotsInUse: worker.slotsInUse) }
                })
            metrics?.count(metastore.doorbells)
            let (metastore, scheduler) = (metastore, scheduler)
            sweep = configuration.number("retention.runs_days").map { days in
                LogSweep(
                    metastore: metastore, directory: home.paths.logs, keep: TimeSpan.seconds(days * 86_400),
                    reactor: scheduler.reactor, log: log.logger("logs"))
            }
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// Starts the roles, the executor first: a bundle with problems in its declarations is refused before anything else
    /// happens. Returns how many DAGs there are.
    func start() async throws -> Int {
        let definitions: [DAGDefinition]
        do {
            definitions = try await executor.start()
        } catch {
            try metastore.close()
            // A bundle that was refused changes nothing: a home that was made for it goes again.
            if !found.hasMetastore { home.paths.takeBack(keepingDirectory: found.hasHome) }
            throw error
        }
        scheduler.reactor.start()
        triggerer.reactor.start()
        await scheduler.start()
        await triggerer.start()
        try await events.start()
        try await inspection.start()
        sweep?.start()
        return definitions.count
    }

    /// Returns when the process has been told to stop.
    func untilStopped() async throws {
        try await StopSignals.first(on: scheduler.reactor)
    }

    /// Ends the roles: what runs may end by itself for a while, what is under way is committed, waits are handed over.
    func stop() async throws {
        await events.stop()
        await inspection.stop()
        await executor.stop()
        await triggerer.stop()
        await scheduler.stop()
        triggerer.reactor.stop()
        scheduler.reactor.stop()
        try metastore.close()
    }

    // MARK: for a test of a run

    /// A reactor for whoever watches the engine; it works from `start` to `stop`.
    var reactor: any Reactor { scheduler.reactor }

    /// What there is to say about a wait; nil while it is not watched.
    func explain(_ waitID: Int64) async -> WaitExplanation? { await triggerer.explain(waitID) }

    /// Has waits looked at once more, now. Returns when that is done.
    func probeNow(_ waitIDs: [Int64]) async { await triggerer.probeNow(waitIDs) }

    /// The clock has been moved: every role looks at it.
    func lookAtClock() {
        for reactor in [scheduler.reactor, triggerer.reactor, executor.reactor] { reactor.submit {} }
    }

    // MARK: roles

    private static func reactor(
        _ name: String, _ clock: any PerchClock, _ metrics: EngineMetrics?
    ) throws -> any Reactor {
        let role = String(name.dropFirst("perch-".count))
        return try ThreadReactor(name: name, now: { clock.now.microseconds }, meter: metrics?.loop(role))
    }

    private static func executor(
        _ home: Home, _ configuration: Configuration, _ edges: Edges?, _ metastore: Metastore, _ log: EngineLog,
        _ metrics: EngineMetrics?
    ) throws -> Executor {
        var settings = Executor.Configuration()
        settings.slots = Int(configuration.number("core.parallelism") ?? 32)
        if let edges {
            settings.drainTimeout = .seconds(1)
            if let lease = edges.lease { settings.pollPeriod = lease }
        }
        metrics?.slots(settings.slots)
        let memoryLimit = configuration.number("bundle.memory_limit").map(UInt64.init)
        return try Executor(
            metastore: metastore, reactor: try reactor("perch-executor", metastore.clock, metrics),
            processes: SystemProcesses(),
            launcher: edges?.launcher ?? ProcessLauncher(home: home.path, memoryLimit: memoryLimit),
            logs: edges?.logs ?? AttemptLogStore(directory: home.paths.logs), configuration: settings,
            logger: log.logger("executor"))
    }

    private static func schedulerConfiguration(_ configuration: Configuration) -> SchedulerConfiguration {
        var settings = SchedulerConfiguration()
        settings.keepRuns = configuration.number("retention.runs_days").map { TimeSpan.seconds($0 * 86_400) }
        settings.keepEvents = TimeSpan.seconds((configuration.number("retention.events_days") ?? 7) * 86_400)
        return settings
    }

    private static func triggererConfiguration(
        _ configuration: Configuration, _ edges: Edges?
    ) -> TriggererConfiguration {
        var settings = TriggererConfiguration()
        if let lease = edges?.lease?.microseconds ?? configuration.number("triggerer.lease") {
            settings.lease = TimeSpan(microseconds: lease)
            settings.renewEvery = TimeSpan(microseconds: max(1, lease / 3))
        }
        return settings
    }

    /// The sources of every kind of wait.
    private static func sources(
        _ loop: any EventLoop, _ report: @escaping (SourceReport) -> Void, _ http: HTTPSource.Options,
        _ sockets: SocketSource.Options
    ) -> [any TriggerSource] {
        let composites = CompositeSource(loop: loop, report: report)
        let members: [any TriggerSource] = [
            TimeSource(loop: loop, report: composites.take), FileSource(loop: loop, report: composites.take),
            HTTPSource(loop: loop, options: http, report: composites.take),
            StreamSource(loop: loop, report: composites.take), EventSource(report: composites.take),
            ProcessSource(loop: loop, report: composites.take),
            SocketSource(loop: loop, options: sockets, report: composites.take),
        ]
        composites.serve(members)
        // The metastore fires what waits for runs and for people: no source sees it, so no composite can be made of it.
        return members + [RunSource(report: report), ApprovalSource(report: report), composites]
    }
}
