// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchScheduler

/// The scheduler in a process of its own: it holds the home as an engine does, and leaves tasks and waits to others.
struct SchedulerRole {
    let metastore: Metastore
    private let scheduler: Scheduler
    private let sweeps: [LogSweep]
    private let api: APIServer?

    /// Opens the home, makes it where it is missing, and migrates it; nothing works yet.
    init(home: Home, configuration: Configuration, metrics: EngineMetrics, health: HealthDesk) throws {
        let log = EngineLog(level: configuration.logLevel, clock: SystemClock())
        let apiSettings = try APISettings.read(configuration)
        metastore = try home.open(
            .engine, configuration, meter: metrics.commits, log: log.logger("metastore"))
        log.tellSkew(of: metastore.clock)
        do {
            scheduler = Scheduler(
                metastore: metastore, reactor: try Engine.reactor("perch-scheduler", metastore.clock, metrics),
                processes: SystemProcesses(),
                configuration: Engine.schedulerConfiguration(configuration, nil), log: log.logger("scheduler"))
            sweeps = try Engine.sweeps(home, configuration, metastore, scheduler.reactor, log)
            let metastore = metastore
            var surroundings = APISurroundings()
            surroundings.version = PerchVersion.current
            api = apiSettings.map { [surroundings] in
                APIServer(
                    $0, metastore: metastore, log: log.logger("api"), metrics: { await metrics.text() }, health: health,
                    surroundings: surroundings)
            }
            metrics.count(metastore.doorbells)
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// The thread on which everything happens.
    var reactor: any Reactor { scheduler.reactor }

    /// Begins to work; gives where it takes events over HTTP, if it does.
    func start() async throws -> ListenAddress? {
        let address: ListenAddress?
        do {
            address = try await api?.start()
        } catch {
            await api?.stop()
            try metastore.close()
            throw error
        }
        scheduler.reactor.start()
        await scheduler.start()
        for sweep in sweeps { sweep.start() }
        await api?.open()
        return address
    }

    /// Ends after the transaction that is under way.
    func stop() async throws {
        await api?.stop()
        await scheduler.stop()
        scheduler.reactor.stop()
        try metastore.close()
    }
}
