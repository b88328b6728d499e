// SPDX-License-Identifier: Apache-2.0

import Glibc
import HummingbirdCore
package import Logging
import NIOCore
import NIOPosix
package import PerchMetastore
package import PerchSDK

/// Takes events over HTTP: `POST /events/{name}`, one or a batch, durable before the answer; shows and steers work behind
/// `/api/v2` and by pages at `/`; and says at `GET /health` and `GET /ready` how the process stands, and at `GET /metrics`
/// what it counts and measures. Or does only the last.
///
/// It serves on one thread. What it takes goes through the metastore like every other event, and rings the same doorbell.
package actor APIServer {
    /// What the server is told.
    package struct Configuration: Sendable {
        package var address: ListenAddress
        package var credentials: Credentials
        package var limits = APILimits()
        /// Whether it is open to everybody on this machine, as long as nobody was named; else it is made sure of that somebody is.
        package var mayBeOpen = true
        /// With what connections are encrypted; nil: they are not.
        package var tls: TLSFiles? {
            didSet { if tls != nil { isSecure = true } }
        }
        /// Whether it is reached over encrypted connections alone, so that cookies are for these.
        package var isSecure = false
        /// Where deliveries of other services come in.
        package var hooks: [Hook] = []
        /// Whose word counts about who has sent what.
        package var proxies = TrustedProxies()
        /// How long it is listed among the processes without a sign of life; nil: it is not listed.
        package var lease: TimeSpan?
        /// The setting that asks for it, for messages.
        let setting: String

        /// - Throws: `PerchError` (`invalid`) for an address that others can reach without credentials.
        package init(address: ListenAddress, credentials: Credentials, mayBeOpen: Bool = true) throws(PerchError) {
            guard address.isLoopback || !credentials.isOpen || !mayBeOpen else {
                throw PerchError(
                    .invalid,
                    "other machines can reach \(address): it is listened at only with a token or a secret, or for users; set "
                        + "api.token_file or api.open=false, or listen at 127.0.0.1:\(address.port)")
            }
            self.address = address
            self.credentials = credentials
            self.mayBeOpen = mayBeOpen
            setting = "api.listen"
        }

        /// Of a server that takes no events. What it says of the process's health is for everybody who reaches it.
        package init(healthAt address: ListenAddress, credentials: Credentials) {
            self.address = address
            self.credentials = credentials
            setting = "health.listen"
        }
    }

    private let configuration: Configuration
    private let api: EventAPI
    /// Nil where it is not listed among the processes.
    private let membership: APIMembership?
    private let log: Logger
    private var group: MultiThreadedEventLoopGroup?
    private var server: Server<APIChannel>?
    private var running: Task<Void, Never>?

    /// A server that nobody can reach yet.
    ///
    /// - Parameters:
    ///   - metrics: the text of Prometheus.
    ///   - health: who knows how the role stands.
    ///   - surroundings: what `/api/v2` needs beside the metastore.
    package init(
        _ configuration: Configuration, metastore: Metastore, log: Logger,
        metrics: (@Sendable () async -> String)? = nil, health: HealthDesk = HealthDesk(),
        surroundings: APISurroundings = APISurroundings()
    ) {
        let intake = EventIntake(metastore: metastore, log: log, patience: configuration.limits.commitTime)
        let register = AccessRegister(metastore: metastore, log: log)
        let access = Self.access(configuration, register)
        let rest = RESTAPI(
            metastore: metastore, surroundings: surroundings, limits: configuration.limits, access: access, log: log)
        let hooks = HookDesk(configuration.hooks, secrets: surroundings.secrets, log: log)
        let pages = PageAPI(
            metastore: metastore, surroundings: surroundings, limits: configuration.limits, access: access,
            figures: FigureShelf(), log: log)
        let membership = configuration.lease.map {
            APIMembership(metastore: metastore, version: surroundings.version, lease: $0, log: log)
        }
        self.init(
            configuration, access, intake, rest, pages, hooks, health, metrics: { await metrics?() }, metastore.clock,
            membership, log)
    }

    /// A server that nobody can reach yet, and that takes no events: it is there before the role is opened.
    package init(health: HealthDesk, _ configuration: Configuration, clock: any PerchClock, log: Logger) {
        self.init(
            configuration, Self.access(configuration), nil, nil, nil, nil, health,
            metrics: { await health.metrics() }, clock, nil, log)
    }

    private init(
        _ configuration: Configuration, _ access: AccessControl, _ intake: EventIntake?, _ rest: RESTAPI?,
        _ pages: PageAPI?, _ hooks: HookDesk?, _ health: HealthDesk, metrics: @escaping @Sendable () async -> String?,
        _ clock: any PerchClock, _ membership: APIMembership?, _ log: Logger
    ) {
        self.configuration = configuration
        self.membership = membership
        self.log = log
        api = EventAPI(
            limits: configuration.limits, access: access, intake: intake, rest: rest, pages: pages,
            login: LoginDesk(access: access, isSecure: configuration.isSecure, log: log), desk: health, hooks: hooks,
            proxies: configuration.proxies, metrics: metrics, clock: clock, refusals: RefusalLog(clock: clock, log: log)
        )
    }

    private static func access(_ configuration: Configuration, _ register: AccessRegister? = nil) -> AccessControl {
        AccessControl(
            configuration.credentials, signatureTime: configuration.limits.signatureTime,
            isReachable: !configuration.address.isLoopback, mayBeOpen: configuration.mayBeOpen, register: register,
            passwordCost: configuration.limits.passwordCost)
    }

    /// Makes a token for an administrator, where nobody was ever named and it is not open to everybody: else nobody could.
    /// - Returns: The token, which is shown to whoever has started the server and never again; nil where there was no need.
    package func firstToken() async throws -> String? {
        guard let metastore = api.access.register?.metastore, configuration.credentials.isOpen, !configuration.mayBeOpen
        else { return nil }
        let secret = AccessSecret.make(AccessSecret.tokenPrefix)
        return try await metastore.write { transaction in
            guard try transaction.accessVersion() == 0 else { return nil }
            let token = NewAccessToken(name: "first", digest: AccessSecret.digest(secret), rights: AccessRights(.admin))
            _ = try transaction.createToken(token)
            try transaction.audit(
                AuditEntry(who: "perch", how: "start", action: "tokens create", subject: "first"))
            return secret
        }
    }

    /// Listens. Until `open` it answers that the engine is starting, and takes nothing.
    /// - Returns: The address, with the port that it has become.
    /// - Throws: `PerchError` (`unavailable`) that names the address.
    package func start() async throws(PerchError) -> ListenAddress {
        var tls: TLSKeeper?
        if let files = configuration.tls { tls = try TLSKeeper(files, log: log) }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let (starts, started) = AsyncStream<Result<Int, any Error>>.makeStream()
        var quiet = Logger(label: "perch.api.connections", factory: { _ in SwiftLogNoOpLogHandler() })
        quiet.logLevel = .critical
        let server = Server(
            childChannelSetup: APIChannel(api: api, tls: tls),
            configuration: ServerConfiguration(
                address: .hostname(configuration.address.host, port: configuration.address.port)),
            onServerRunning: { channel in started.yield(.success(channel.localAddress?.port ?? 0)) },
            eventLoopGroup: group, logger: quiet)
        let log = log
        let running = Task {
            do {
                try await server.run()
            } catch {
                started.yield(.failure(error))
                log.debug("the server has ended", metadata: ["error": "\(error)"])
            }
            started.finish()
        }
        var address = configuration.address
        switch await starts.first(where: { _ in true }) {
        case .success(let port): address.port = port
        case let other:
            await running.value
            await Self.end(group, log)
            var reason = "it ended at once"
            if case .failure(let error) = other { reason = (error as? IOError)?.shortText ?? "\(error)" }
            throw PerchError(
                .unavailable, "\(configuration.setting): cannot listen at \(configuration.address): \(reason)")
        }
        (self.group, self.server, self.running) = (group, server, running)
        guard api.takesEvents else {
            log.info("health is told over HTTP", metadata: ["address": "\(address)"])
            return address
        }
        let metadata: Logger.Metadata = [
            "address": "\(address)",
            "access":
                "\(!configuration.credentials.isOpen ? "by token or signature" : configuration.mayBeOpen ? "whoever is on this machine, while nobody is named" : "by token or session")",
        ]
        log.info("events are taken over HTTP", metadata: metadata)
        return address
    }

    /// The process works, and events are taken, from now on; and it is listed.
    package func open() async {
        api.stage = .ready
        if let group { await membership?.join(on: group.next()) }
    }

    /// The process ends: whoever asks is told so until `stop`.
    package func drain() { api.stage = .stopping }

    /// The process ends soon: `/ready` says so at once, and for so long everything is served as ever, so that whoever shares
    /// requests out can send them elsewhere meanwhile. Connections that say something end with the answer.
    package func drain(for span: TimeSpan) async {
        api.stage = .draining
        guard span.microseconds > 0, let group else { return }
        await withCheckedContinuation { continuation in
            _ = group.next().scheduleTask(in: .microseconds(span.microseconds)) { continuation.resume() }
        }
    }

    /// Accepts no connection any more, answers what is under way, and ends. What is not whole after two seconds is refused.
    package func stop() async {
        guard let group, let server, let running else { return }
        (self.group, self.server, self.running) = (nil, nil, nil)
        api.stage = .stopping
        do {
            try await server.shutdownGracefully()
        } catch {
            log.warning("the API server did not end cleanly", metadata: ["error": "\(error)"])
        }
        await running.value
        await membership?.leave()
        await Self.end(group, log)
    }

    private static func end(_ group: MultiThreadedEventLoopGroup, _ log: Logger) async {
        do {
            try await group.shutdownGracefully()
        } catch {
            log.warning("the API server's thread did not end cleanly", metadata: ["error": "\(error)"])
        }
    }
}

extension IOError {
    /// Without the name of the call.
    fileprivate var shortText: String { String(cString: strerror(errnoCode)) }
}
