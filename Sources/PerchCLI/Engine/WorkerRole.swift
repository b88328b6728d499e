// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchExecutor
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchYAML

/// A worker in a process of its own, with its bundle, beside the scheduler of a home.
struct WorkerRole {
    let metastore: Metastore
    private let executor: Executor
    private let folder: DAGFolderWatch?
    private let folderPath: String?
    private let sweeps: [LogSweep]

    /// Opens the metastore beside its engine; the worker does nothing yet.
    ///
    /// - Parameters:
    ///   - terms: What it takes on, and of which bundle.
    ///   - dags: Where the YAML files of DAGs are; nil: the bundle reads none.
    init(
        home: Home, configuration: Configuration, terms: WorkerTerms, metrics: EngineMetrics, dags: DAGFolderPlace?
    ) throws {
        let clock = SystemClock()
        let log = EngineLog(level: configuration.logLevel, clock: clock)
        let places = try SecretSettings(configuration, home: home, clock: clock)
        metastore = try home.open(
            .member, configuration, meter: metrics.commits, log: log.logger("metastore"))
        log.tellSkew(of: metastore.clock)
        do {
            let executor = try Engine.executor(
                home, BundlePlace(terms.bundle, in: home, configuration), nil, metastore, log, metrics, dags,
                places.forExecutor(metastore), terms: terms)
            self.executor = executor
            // Where the home is its own, nobody else looks after what lies in it.
            sweeps =
                try home.postgres(configuration) == nil
                ? [] : Engine.sweeps(home, configuration, metastore, executor.reactor, log, isWorker: true)
            metrics.count(metastore.doorbells)
            folderPath = dags?.path
            folder = dags.map { place in
                DAGFolderWatch(path: place.path, reactor: executor.reactor, log: log.logger("dags")) {
                    executor.describeAgain()
                }
            }
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// The thread on which everything happens.
    var reactor: any Reactor { executor.reactor }

    /// Brings the bundle up, stores its DAGs, and takes tasks. Gives how many DAGs there are.
    func start() async throws -> Int {
        let listing = folderPath.map { FolderListing(of: $0) }
        do {
            let definitions = try await executor.start()
            if let listing { folder?.start(from: listing) }
            for sweep in sweeps { sweep.start() }
            return definitions.count
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// Ends: what runs may end by itself for a while, the rest goes back into the queue.
    func stop() async throws {
        folder?.stop()
        await executor.stop()
        try metastore.close()
    }
}
