// SPDX-License-Identifier: Apache-2.0

internal import CoreMetrics
internal import Glibc
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchMetrics
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// A process whose whole life is one role, from its start to the signal that ends it. It is the same for every role.
struct RoleProcess {
    /// `scheduler`, `worker`, `triggerer`, `api-server` or `standalone`.
    let name: String
    let home: Home
    let configuration: Configuration
    let metrics: EngineMetrics
    /// Says how the role stands to those who ask over HTTP.
    let health: HealthDesk

    /// A role that is opened, and does not work yet.
    struct Opened {
        /// The thread on which it is told to end, and which has to answer where it is well.
        var reactor: any Reactor
        var metastore: Metastore
        /// What it holds by a lease, as the table of processes calls it.
        var leased: [String]
        /// What it counts and measures.
        var metrics: @Sendable () async -> String
        /// Begins to work, and gives what is said of it then. Whoever throws has closed everything.
        var start: () async throws -> String
        /// Goes on for a while, and says that it will end: to those who could ask somebody else.
        var drain: () async -> Void = {}
        /// Ends it: what is under way is committed, what it holds is handed over, and everything is closed.
        var stop: () async throws -> Void
    }

    /// A process of a role, of which nothing is there yet.
    init(_ name: String, home: Home, configuration: Configuration) {
        self.name = name
        self.home = home
        self.configuration = configuration
        health = HealthDesk(facts: HealthQuestion.facts(of: name))
        metrics = EngineMetrics(
            traces: TraceSettings(configuration, role: name, environment: ProcessEnvironment.current),
            log: EngineLog(level: configuration.logLevel, clock: SystemClock()))
    }

    /// Opens the role, starts it, says when it is ready, and ends it at the first signal. What is said goes to standard error.
    /// - Throws: `conflict` where another process has taken the metastore meanwhile, and whatever the role throws.
    func run(_ open: (RoleProcess) throws -> Opened) async throws {
        ProcessLimits.allowManyDescriptors()
        try StopSignals.listen()
        // What libraries count goes to the same place. Once in a process: tests of runs and simulations have none.
        MetricsSystem.bootstrap(metrics.registry)
        let clock = SystemClock()
        // There before anything else, so that an address that cannot be had leaves nothing behind.
        let listener = try APISettings.health(configuration).map { settings in
            APIServer(
                health: health, settings, clock: clock,
                log: EngineLog(level: configuration.logLevel, clock: clock).logger("health"))
        }
        if let address = try await listener?.start() { Console.shared.say("health: http://\(address)") }
        do {
            try await live(try open(self), listener)
        } catch {
            await listener?.stop()
            throw error
        }
        await listener?.stop()
    }

    private func live(_ role: Opened, _ listener: APIServer?) async throws {
        let log = EngineLog(level: configuration.logLevel, clock: SystemClock())
        let place = PlaceReport(of: role.metastore, log: log)
        let words = try await role.start()
        let question = HealthQuestion(role, log: log)
        metrics.traces?.begin(role.metastore)
        health.attach(metrics: role.metrics) { question.ask($0) }
        await listener?.open()
        Console.shared.say("ready: \(words), home \(home.path), process \(getpid())")
        do {
            try await Self.end(on: role.reactor, or: place)
        } catch {
            try? await role.stop()  // because why it cannot live on is what is to be told
            throw error
        }
        Console.shared.say("stopping")
        await listener?.drain()
        await role.drain()
        await metrics.traces?.flush()
        try await role.stop()
    }
    /// Returns after the first signal. Throws where the process has no place at its metastore any more, or signals cannot be
    /// heard.
    private static func end(on reactor: any Reactor, or place: PlaceReport) async throws {
        let isOver = Mutex(false)
        let answer: Result<Void, any Error> = await withCheckedContinuation { continuation in
            let end = { @Sendable (result: Result<Void, any Error>) in
                let isFirst = isOver.withLock { isOver in
                    defer { isOver = true }
                    return !isOver
                }
                if isFirst { continuation.resume(returning: result) }
            }
            StopSignals.watch(on: reactor, end)
            place.whenFenced { end(.failure($0)) }
        }
        try answer.get()
    }
}
