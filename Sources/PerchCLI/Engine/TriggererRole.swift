// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK
internal import PerchTriggerer
internal import PerchTriggersApproval
internal import PerchTriggersAsync
internal import PerchTriggersComposite
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersProcess
internal import PerchTriggersRun
internal import PerchTriggersSQL
internal import PerchTriggersSocket
internal import PerchTriggersTime

/// A triggerer with the sources of every kind of wait, its thread, and the socket where it answers: in the engine, or in a
/// process of its own.
struct TriggererRole {
    let triggerer: Triggerer
    private let inspection: InspectionSocket

    /// A triggerer that does nothing yet.
    ///
    /// - Parameters:
    ///   - path: Where it answers.
    ///   - metrics: What the process counts and measures.
    ///   - secrets: Where references to secrets are looked up; nil: in the environment alone.
    init(
        metastore: Metastore, inspection path: String, configuration: TriggererConfiguration, options: Configuration,
        log: EngineLog, metrics: EngineMetrics? = nil, secrets: (any SecretDesk)? = nil
    ) throws {
        log.tellSkew(of: metastore.clock)
        var http = HTTPSource.Options()
        http.perHost = Int(options.number("http.per_host") ?? 8)
        http.perHostRate = Int(options.number("http.per_host_rate") ?? 1_000)
        http.meter = metrics?.probes(kind: "http")
        var sockets = SocketSource.Options()
        sockets.meter = metrics?.probes(kind: "socket")
        var sql = SQLSource.Options()
        sql.meter = metrics?.probes(kind: "sql")
        let (httpOptions, socketOptions, sqlOptions) = (http, sockets, sql)
        let reactor = try Engine.reactor("perch-triggerer", metastore.clock, metrics)
        triggerer = Triggerer(
            metastore: metastore, reactor: reactor,
            processes: SystemProcesses(), configuration: configuration, log: log.logger("triggerer"),
            sources: { loop, report in
                Self.sources(
                    loop, report, httpOptions, socketOptions, sqlOptions, secrets.map { (desk: $0, reactor: reactor) })
            })
        inspection = InspectionSocket(
            path: path, triggerer: triggerer, log: log.logger("inspection"),
            metrics: metrics?.text)
        metrics?.count(metastore.doorbells)
    }

    /// A triggerer that is all its process is for, and the metastore that was opened for it, beside its engine.
    static func opened(
        _ home: Home, _ options: Configuration, _ settings: TriggererConfiguration, _ metrics: EngineMetrics
    ) throws -> (role: TriggererRole, metastore: Metastore) {
        let clock = SystemClock()
        let secrets = try SecretSettings(options, home: home, clock: clock)
        let metastore = try home.open(
            .member, options, meter: metrics.commits,
            log: EngineLog(level: options.logLevel, clock: clock).logger("metastore"))
        do {
            let role = try TriggererRole(
                metastore: metastore, inspection: home.paths.inspection(of: getpid()),
                configuration: settings, options: options, log: EngineLog(level: options.logLevel, clock: clock),
                metrics: metrics, secrets: secrets.places(metastore))
            return (role, metastore)
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// The thread on which everything happens.
    var reactor: any Reactor { triggerer.reactor }

    /// Begins to work. Where that fails it is to be stopped, as one that works.
    func start() async throws {
        reactor.start()
        await triggerer.start()
        try await inspection.start()
    }

    /// Ends, and hands the waits over at once.
    func stop() async {
        await inspection.stop()
        await triggerer.stop()
        reactor.stop()
    }

    /// How the settings have a triggerer work.
    ///
    /// - Parameter lease: Instead of the one that the settings name.
    static func settings(_ options: Configuration, lease: TimeSpan? = nil) -> TriggererConfiguration {
        var settings = TriggererConfiguration()
        if let lease = lease?.microseconds ?? options.number("triggerer.lease") {
            settings.lease = TimeSpan(microseconds: lease)
            settings.renewEvery = TimeSpan(microseconds: max(1, lease / 3))
        }
        if let capacity = options.number("triggerer.capacity") { settings.terms.capacity = capacity }
        return settings
    }

    /// The sources of every kind of wait.
    private static func sources(
        _ loop: any EventLoop, _ report: @escaping (SourceReport) -> Void, _ http: HTTPSource.Options,
        _ sockets: SocketSource.Options, _ sql: SQLSource.Options,
        _ secrets: (desk: any SecretDesk, reactor: any Reactor)?
    ) -> [any TriggerSource] {
        let composites = CompositeSource(loop: loop, report: report)
        let known = secrets.map { _ in KnownSecrets() }
        func resolved(_ source: any TriggerSource) -> any TriggerSource {
            guard let secrets, let known else { return source }
            return ReferenceSource(
                before: source, known: known, desk: secrets.desk, loop: loop,
                enter: { [reactor = secrets.reactor] in reactor.submit($0) }, report: composites.take)
        }
        let members: [any TriggerSource] = [
            TimeSource(loop: loop, report: composites.take), FileSource(loop: loop, report: composites.take),
            resolved(HTTPSource(loop: loop, options: http, secrets: known, report: composites.take)),
            resolved(StreamSource(loop: loop, secrets: known, report: composites.take)),
            EventSource(report: composites.take),
            ProcessSource(loop: loop, report: composites.take),
            SocketSource(loop: loop, options: sockets, report: composites.take),
            resolved(SQLSource(loop: loop, options: sql, secrets: known, report: composites.take)),
        ]
        composites.serve(members)
        // The metastore fires what waits for runs and for people: no source sees it, so no composite can be made of it.
        return members + [RunSource(report: report), ApprovalSource(report: report), AsyncSource(), composites]
    }
}
