// SPDX-License-Identifier: Apache-2.0

internal import PerchAPIServer
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// The API server in a process of its own: as many as are wanted work on one metastore. It keeps nothing that another one
/// would miss; whatever a request changes is in the metastore before the answer.
struct APIServerRole {
    let metastore: Metastore
    /// Where it is told to end, and has to answer where it is well.
    let reactor: any Reactor
    private let api: APIServer
    private let drainTime: TimeSpan
    private let isSecure: Bool

    /// Opens the metastore beside its engine; nobody is served yet.
    /// - Throws: `invalid` where no address is set.
    init(home: Home, configuration: Configuration, metrics: EngineMetrics, health: HealthDesk) throws {
        guard let settings = try APISettings.read(configuration) else {
            throw PerchError(
                .invalid, "api.listen says nowhere where to listen; write `api-server --set api.listen=127.0.0.1:8793`")
        }
        let clock = SystemClock()
        let log = EngineLog(level: configuration.logLevel, clock: clock)
        let places = try SecretSettings(configuration, home: home, clock: clock)
        drainTime = TimeSpan(microseconds: configuration.number("api.drain_time") ?? 0)
        isSecure = settings.tls != nil
        metastore = try home.open(.member, configuration, meter: metrics.commits, log: log.logger("metastore"))
        log.tellSkew(of: metastore.clock)
        do {
            reactor = try Engine.reactor("perch-api", metastore.clock, metrics)
            api = APIServer(
                settings, metastore: metastore, log: log.logger("api"), metrics: { await metrics.text() },
                health: health,
                surroundings: APISurroundings(
                    home: home, metastore: metastore, keys: places.keys, secrets: places.places(metastore)))
            metrics.count(metastore.doorbells)
        } catch {
            try metastore.close()
            throw error
        }
    }

    /// Begins to serve; gives what is said of it then.
    func start() async throws -> String {
        do {
            let address = try await api.start()
            Console.shared.say("api: http\(isSecure ? "s" : "")://\(address)")
            if let token = try await api.firstToken() {
                Console.shared.say("api: nobody is named yet; this token, shown once, lets do everything: \(token)")
            }
        } catch {
            await api.stop()
            try metastore.close()
            throw error
        }
        reactor.start()
        await api.open()
        return "api-server"
    }

    /// Goes on for a while, and says that it will end.
    func drain() async { await api.drain(for: drainTime) }

    /// Answers what is under way, and ends.
    func stop() async throws {
        await api.stop()
        reactor.stop()
        try metastore.close()
    }
}
