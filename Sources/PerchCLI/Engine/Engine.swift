// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Logging
internal import PerchAPIServer
internal import PerchExecutor
internal import PerchMetastore
internal import PerchOutputs
internal import PerchPostgres
internal import PerchReactor
internal import PerchSDK
internal import PerchScheduler
internal import PerchTriggerer
internal import PerchYAML

/// The composition root: every role in one process on one metastore. The only place that knows all of them.
struct Engine {
    let home: Home
    let configuration: Configuration
    let metastore: Metastore
    private let executor: Executor
    /// The workers of further bundles; nil in a test of a run.
    private let crew: BundleCrew?
    private let scheduler: Scheduler
    private let triggerer: TriggererRole
    private let events: EventSocket
    private let sweeps: [LogSweep]
    private let api: APIServer?
    private let apiIsSecure: Bool
    private let folder: DAGFolderWatch?
    private let folderPath: String?
    /// What was there before this engine.
    private let found: (hasHome: Bool, hasMetastore: Bool)

    /// What differs in an engine that is there for one run, in a test.
    struct Edges {
        var clock: any PerchClock
        var launcher: any BundleLauncher
        var logs: any AttemptLog
        /// How long the roles keep what is theirs without renewing: long, where the clock jumps.
        var lease: TimeSpan?
        /// Where connections, variables and secrets are looked up.
        var secrets: ExecutorSecrets
    }

    /// Opens the home and makes the roles; none of them works yet.
    ///
    /// - Parameters:
    ///   - dags: Where the YAML files of DAGs are; nil: the bundle reads none.
    ///   - built: Bundles that are built while it runs: the one in use there goes before every other.
    ///   - health: Who is asked over HTTP how the process stands.
    init(
        home: Home, configuration: Configuration, edges: Edges? = nil, metrics: EngineMetrics? = nil,
        dags: DAGFolderPlace? = nil, built: DeployedBundle? = nil, health: HealthDesk = HealthDesk()
    ) throws {
        // The log is told in this machine's time, as those of its other programs are.
        let machine: any PerchClock = edges?.clock ?? SystemClock()
        let log = EngineLog(level: configuration.logLevel, clock: machine)
        self.home = home
        self.configuration = configuration
        let places = try edges == nil ? SecretSettings(configuration, home: home, clock: machine) : nil
        let apiSettings = edges == nil ? try APISettings.read(configuration) : nil
        let state = home.paths.state
        if edges == nil {
            metastore = try home.open(
                .engine, configuration, meter: metrics?.commits, log: log.logger("metastore"))
            // What lies on a server was not made with the home, and does not go with it.
            found = (state.hasHome, try state.hasMetastore || home.postgres(configuration) != nil)
        } else {
            metastore = try Metastore.open(home: home.path, access: .engine, clock: machine, meter: metrics?.commits)
            found = state
        }
        do {
            let secrets = edges?.secrets ?? places?.forExecutor(metastore) ?? ExecutorSecrets()
            let bundles = try edges == nil ? BundlePlace.all(in: home, configuration) : []
            let place = BundlePlace(WorkerTerms.defaultBundle, in: home, configuration)
            let isAlone = !bundles.contains { !$0.isDefault && $0.isThere }
            executor = try Self.executor(
                home, place, edges, metastore, log, metrics, dags, secrets, built: built,
                waits: isAlone || place.isThisProgram)
            let store = metastore
            crew =
                edges != nil
                ? nil
                : BundleCrew(home: home, configuration: configuration, log: log.logger("executor")) { place in
                    try Self.executor(home, place, nil, store, log, metrics, nil, secrets, waits: false)
                }
            scheduler = Scheduler(
                metastore: metastore, reactor: try Self.reactor("perch-scheduler", metastore.clock, metrics),
                processes: edges == nil ? SystemProcesses() : nil,
                configuration: Self.schedulerConfiguration(configuration, edges), log: log.logger("scheduler"))
            triggerer = try TriggererRole(
                metastore: metastore, inspection: home.paths.inspection,
                configuration: TriggererRole.settings(configuration, lease: edges?.lease), options: configuration,
                log: log, metrics: metrics, secrets: secrets.desk)
            events = EventSocket(path: home.paths.events, triggerer: triggerer.triggerer, log: log.logger("events"))
            let (metastore, scheduler) = (metastore, scheduler)
            let (watcher, worker) = (triggerer.triggerer, executor)
            folderPath = dags?.path
            folder = dags.map { place in
                DAGFolderWatch(path: place.path, reactor: scheduler.reactor, log: log.logger("dags")) {
                    worker.describeAgain()
                }
            }
            apiIsSecure = apiSettings?.tls != nil
            api = apiSettings.map {
                APIServer(
                    $0, metastore: metastore, log: log.logger("api"), metrics: metrics?.text(of: watcher),
                    health: health,
                    surroundings: APISurroundings(
                        home: home, metastore: metastore, keys: places?.keys, secrets: secrets.desk))
            }
            sweeps = try Self.sweeps(home, configuration, metastore, scheduler.reactor, log, isTest: edges != nil)
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// What an engine is when it has started.
    struct Started {
        var dags: Int
        /// Bundles that come up by themselves; their DAGs are not counted.
        var bundles: [String]
        /// Where it takes events over HTTP.
        var api: ListenAddress?
        /// Whether that is encrypted.
        var isSecure = false
        /// What lets in first, where nothing else does.
        var firstToken: String?
    }

    /// Starts the roles, the executor first: a bundle with problems in its declarations is refused before anything else
    /// happens. The API's address is taken before that, and serves when all roles work.
    func start() async throws -> Started {
        let definitions: [DAGDefinition]
        let address: ListenAddress?
        // What changes after this is seen, whether the bundle has read it by then or not.
        let listing = folderPath.map { FolderListing(of: $0) }
        do {
            address = try await api?.start()
            definitions = try await executor.start()
        } catch {
            await api?.stop()
            try metastore.close()
            // An engine that was refused changes nothing: a home that was made for it goes again.
            if !found.hasMetastore { home.paths.takeBack(keepingDirectory: found.hasHome) }
            throw error
        }
        scheduler.reactor.start()
        await scheduler.start()
        do {
            try await triggerer.start()
            try await events.start()
        } catch {
            try? await stop()  // because what hindered the start is what is to be told
            throw error
        }
        for sweep in sweeps { sweep.start() }
        if let listing { folder?.start(from: listing) }
        let token: String?
        var bundles: [String] = []
        do {
            bundles = try await crew?.start(on: scheduler.reactor, hearing: metastore.doorbells) ?? []
            token = try await api?.firstToken()
        } catch {
            try? await stop()  // because what hindered the start is what is to be told
            throw error
        }
        await api?.open()
        return Started(
            dags: definitions.count, bundles: bundles, api: address, isSecure: apiIsSecure, firstToken: token)
    }

    /// Ends the roles: what runs may end by itself for a while, what is under way is committed, waits are handed over.
    func stop() async throws {
        await api?.stop()
        await events.stop()
        folder?.stop()
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await executor.stop() }
            if let crew { group.addTask { await crew.stop() } }
        }
        await triggerer.stop()
        await scheduler.stop()
        scheduler.reactor.stop()
        try metastore.close()
    }

    /// A reactor for whoever watches the engine; it works from `start` to `stop`.
    var reactor: any Reactor { scheduler.reactor }

    /// What the process counts and measures, with what the triggerer says of itself.
    func text(of metrics: EngineMetrics) -> @Sendable () async -> String { metrics.text(of: triggerer.triggerer) }

    // MARK: for a test of a run

    /// What there is to say about a wait; nil while it is not watched.
    func explain(_ waitID: Int64) async -> WaitExplanation? { await triggerer.triggerer.explain(waitID) }

    /// Has waits looked at once more, now. Returns when that is done.
    func probeNow(_ waitIDs: [Int64]) async { await triggerer.triggerer.probeNow(waitIDs) }

    /// When a hosted trigger is to be woken or run next; a past instant while code of one runs. Nil where there is
    /// none.
    func nextHosted() async -> Timestamp? { await executor.nextHosted() }

    /// The clock has been moved: every role looks at it.
    func lookAtClock() {
        for reactor in [scheduler.reactor, triggerer.reactor, executor.reactor] { reactor.submit {} }
    }

    // MARK: roles

    static func reactor(
        _ name: String, _ clock: any PerchClock, _ metrics: EngineMetrics? = nil
    ) throws -> any Reactor {
        let role = String(name.dropFirst("perch-".count))
        // In a test the clock jumps ahead of the machine's, and its files are as old as it says.
        let machineTime = clock is JumpingClock ? nil : ThreadReactor.wallClock
        return try ThreadReactor(
            name: name, now: { clock.now.microseconds }, machineTime: machineTime, meter: metrics?.loop(role))
    }

    /// The worker of a bundle, as a part of the engine or beside it.
    ///
    /// - Parameter waits: Whether its start waits for the bundle.
    static func executor(
        _ home: Home, _ place: BundlePlace, _ edges: Edges?, _ metastore: Metastore, _ log: EngineLog,
        _ metrics: EngineMetrics?, _ dags: DAGFolderPlace?, _ secrets: ExecutorSecrets,
        terms: WorkerTerms? = nil, built: DeployedBundle? = nil, waits: Bool = true
    ) throws -> Executor {
        let configuration = place.settings
        var settings = Executor.Configuration()
        settings.slots = terms?.slots ?? Int(configuration.number("core.parallelism") ?? 32)
        settings.queues = terms?.queues
        settings.waitsForBundle = waits
        if let clock = metastore.clock as? ServerClock { settings.clockOffset = { clock.offset } }
        settings.isTraced = metrics?.traces != nil
        if let lease = configuration.number("worker.lease") {
            settings.pollPeriod = TimeSpan(microseconds: max(1, lease / 3))
        }
        if let budget = configuration.number("bundle.trigger_budget") {
            settings.triggerBudget = TimeSpan(microseconds: budget)
        }
        if let edges {
            settings.drainTimeout = .seconds(1)
            if let lease = edges.lease { settings.pollPeriod = lease }
        }
        settings.recycling = recycling(configuration)
        // Of several bundles, one that is not there keeps no other from its work.
        let executable = try place.executable.map {
            place.isDefault ? try BundleExecutable($0).path : try Home.absolute($0)
        }
        let deployed = place.deployed
        let nothing = place.isDefault ? ProcessLauncher.thisProgram : deployed.missing
        metrics?.slots(of: settings.slots)
        settings.processes = configuration.number("bundle.processes").map { Int($0) } ?? 1
        let conditions = try edges == nil ? place.conditions() : BundleConditions()
        let reactor = try Self.reactor("perch-executor", metastore.clock, metrics)
        var logger = log.logger("executor")
        if !place.isDefault { logger[metadataKey: "bundle"] = "\(place.name)" }
        // Whether other workers have homes of their own.
        let isShared = try edges == nil && home.postgres(configuration) != nil
        let files = AttemptLogStore(directory: home.paths.logs)
        let logs: any AttemptLog =
            try isShared
            ? SharedAttemptLog(
                local: files, metastore: metastore, reactor: reactor, origin: SharedLogs.origin(of: home),
                archive: SharedLogs.archive(of: configuration), logger: logger) : files
        let executor = Executor(
            metastore: metastore, reactor: reactor, processes: SystemProcesses(),
            launcher: edges?.launcher
                ?? ProcessLauncher(
                    home: home.path,
                    executable: built?.executable ?? executable ?? deployed.executable ?? nothing,
                    arguments: hostArguments(dags, outputs(home, configuration)),
                    more: { clockArguments(metastore.clock) },
                    kept: { built?.executable(of: $0) ?? deployed.executable(of: $0) },
                    name: place.name, conditions: conditions),
            logs: edges?.logs ?? logs, configuration: settings, logger: logger, secrets: secrets,
            outputs: isShared ? OutputExchange(metastore: metastore, directory: home.paths.outputs) : nil)
        metrics?.slots { executor.slotsInUse }
        metrics?.threads { executor.threadsHeld }
        return executor
    }

    /// When a bundle process is replaced although it works.
    private static func recycling(_ configuration: Configuration) -> BundleRecycling {
        var recycling = BundleRecycling()
        recycling.maxAttempts = configuration.number("bundle.max_attempts").map { Int($0) }
        recycling.maxAge = configuration.number("bundle.max_age").map { TimeSpan(microseconds: $0) }
        recycling.maxMemory = configuration.number("bundle.max_memory")
        recycling.maxCPUTime = configuration.number("bundle.max_cpu_time").map { TimeSpan(microseconds: $0) }
        return recycling
    }

    private static func hostArguments(_ dags: DAGFolderPlace?, _ outputs: Outputs) -> [String] {
        var arguments = [
            "bundle-host", "--outputs", outputs.directory, "--inline-size", String(outputs.inlineSize), "--max-size",
            String(outputs.largest),
        ]
        guard let dags else { return arguments }
        arguments += ["--dags", dags.path] + (dags.kept.map { ["--kept", $0] } ?? [])
        return arguments
    }

    /// What time it is, to a bundle whose machine may have another.
    private static func clockArguments(_ clock: any PerchClock) -> [String] {
        guard let clock = clock as? ServerClock else { return [] }
        return ["--clock-offset", String(clock.offset)]
    }

    /// Where a home's long outputs go, and what is long.
    private struct Outputs {
        var directory: String
        var inlineSize: Int
        var largest: Int
    }

    private static func outputs(_ home: Home, _ configuration: Configuration) -> Outputs {
        Outputs(
            directory: home.paths.outputs,
            inlineSize: configuration.number("outputs.inline_size").map { Int($0) } ?? OutputKeeping.usualInlineSize,
            largest: configuration.number("outputs.max_size").map { Int($0) } ?? OutputKeeping.usualLargest)
    }

    /// How outputs are kept by a bundle that is not a process of its own.
    static func keeping(_ home: Home, _ configuration: Configuration) -> OutputKeeping {
        let outputs = outputs(home, configuration)
        return OutputKeeping(
            store: FileOutputStore(directory: outputs.directory), inlineSize: outputs.inlineSize,
            largest: outputs.largest)
    }

    /// What takes away the files of runs that are forgotten.
    static func sweeps(
        _ home: Home, _ configuration: Configuration, _ metastore: Metastore, _ reactor: any Reactor, _ log: EngineLog,
        isTest: Bool = false, isWorker: Bool = false
    ) throws -> [LogSweep] {
        var sweeps: [LogSweep] = []
        if let days = configuration.number("retention.runs_days") {
            sweeps.append(
                LogSweep(
                    metastore: metastore, directory: home.paths.logs, keep: TimeSpan.seconds(days * 86_400),
                    reactor: reactor, clock: log.clock, log: log.logger("logs")))
        }
        if !isTest {
            // Without a server nothing was archived from here: what lies there is another metastore's.
            if !isWorker, try home.postgres(configuration) != nil,
                let archive = try SharedLogs.archive(of: configuration)
            {
                sweeps.append(
                    LogSweep(
                        metastore: metastore, directory: archive.directory, keep: .seconds(3_600), reactor: reactor,
                        clock: log.clock, log: log.logger("logs"), what: "archived logs"))
            }
            sweeps.append(
                LogSweep(
                    metastore: metastore, directory: home.paths.outputs, keep: .seconds(3_600), reactor: reactor,
                    clock: log.clock, log: log.logger("outputs"), what: "outputs"))
        }
        return sweeps
    }

    static func schedulerConfiguration(
        _ configuration: Configuration, _ edges: Edges?
    ) -> SchedulerConfiguration {
        var settings = SchedulerConfiguration()
        settings.keepRuns = configuration.number("retention.runs_days").map { TimeSpan.seconds($0 * 86_400) }
        settings.keepEvents = TimeSpan.seconds((configuration.number("retention.events_days") ?? 7) * 86_400)
        settings.keepAudit = TimeSpan.seconds((configuration.number("retention.audit_days") ?? 365) * 86_400)
        if let lease = configuration.number("scheduler.lease") { settings.lease = TimeSpan(microseconds: lease) }
        settings.unwatchedGrace = max(
            settings.unwatchedGrace, TriggererRole.settings(configuration, lease: edges?.lease).lease)
        return settings
    }
}
