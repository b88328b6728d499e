// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchExecutor
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchYAML

/// A worker in a process of its own, with its bundle, beside the scheduler of a home.
struct WorkerRole {
    private let executor: Executor
    private let folder: DAGFolderWatch?
    private let folderPath: String?
    private let sweeps: [LogSweep]

    /// A worker that does nothing yet.
    ///
    /// - Parameters:
    ///   - terms: What it takes on.
    ///   - dags: Where the YAML files of DAGs are; nil: the bundle reads none.
    init(
        home: Home, configuration: Configuration, metastore: Metastore, terms: WorkerTerms, log: EngineLog,
        metrics: EngineMetrics, dags: DAGFolderPlace?, secrets: ExecutorSecrets
    ) throws {
        log.tellSkew(of: metastore.clock)
        let executor = try Engine.executor(
            home, configuration, nil, metastore, log, metrics, dags, secrets, terms: terms)
        self.executor = executor
        // Where the home is its own, nobody else looks after what lies in it.
        sweeps =
            try home.postgres(configuration) == nil
            ? [] : Engine.sweeps(home, configuration, metastore, executor.reactor, log, isWorker: true)
        metrics.slots { executor.slotsInUse }
        folderPath = dags?.path
        folder = dags.map { place in
            DAGFolderWatch(path: place.path, reactor: executor.reactor, log: log.logger("dags")) {
                executor.describeAgain()
            }
        }
    }

    /// The thread on which everything happens.
    var reactor: any Reactor { executor.reactor }

    /// Brings the bundle up, stores its DAGs, and takes tasks. Gives how many DAGs there are.
    func start() async throws -> Int {
        let listing = folderPath.map { FolderListing(of: $0) }
        let definitions = try await executor.start()
        if let listing { folder?.start(from: listing) }
        for sweep in sweeps { sweep.start() }
        return definitions.count
    }

    /// Ends: what runs may end by itself for a while, the rest goes back into the queue.
    func stop() async {
        folder?.stop()
        await executor.stop()
    }
}
