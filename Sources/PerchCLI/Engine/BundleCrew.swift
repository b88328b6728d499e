// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchExecutor
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// The workers of an engine beside that of its default bundle: one for each further bundle of the home, with processes, slots
/// and limits of its own. None of them waits for another, and a bundle that does not come up keeps nobody but its own DAGs
/// from running.
///
/// A bundle that is deployed for the first time gets its worker at once, one that is removed loses it.
actor BundleCrew {
    private let home: Home
    private let configuration: Configuration
    private let log: Logger
    private let make: @Sendable (BundlePlace) throws -> Executor
    private var workers: [String: Executor] = [:]
    private var isOver = false
    private var isLooking = false
    private var mustLook = false

    /// How often is looked although no doorbell rang.
    private static let period: Int64 = 30_000_000

    /// A crew of nobody.
    ///
    /// - Parameter make: The worker of a bundle; it is started by the crew.
    init(
        home: Home, configuration: Configuration, log: Logger,
        make: @escaping @Sendable (BundlePlace) throws -> Executor
    ) {
        self.home = home
        self.configuration = configuration
        self.log = log
        self.make = make
    }

    /// Starts the worker of each bundle that is there, and looks for others from then on. Gives the bundles' names.
    /// - Throws: `PerchError` where settings of one of them are wrong.
    func start(on reactor: any Reactor, hearing doorbells: Doorbells) async throws -> [String] {
        for place in try places() { try await add(place) }
        doorbells.subscribe(.bundles) { [weak self] _ in
            Task { await self?.look() }
        }
        reactor.submit { [weak self] in self?.poll(reactor) }
        return workers.keys.sorted()
    }

    /// Ends every worker; returns when they have.
    func stop() async {
        isOver = true
        await withTaskGroup(of: Void.self) { group in
            for (_, worker) in workers.sorted(by: { $0.key < $1.key }) {
                group.addTask { await worker.stop() }
            }
        }
        workers = [:]
    }

    private nonisolated func poll(_ reactor: any Reactor) {
        _ = reactor.loop.schedule(at: reactor.loop.now + Self.period) { [weak self] in
            guard let self else { return }
            Task { await self.look() }
            self.poll(reactor)
        }
    }

    private func places() throws -> [BundlePlace] {
        try BundlePlace.all(in: home, configuration).filter { !$0.isDefault && $0.isThere }
    }

    private func add(_ place: BundlePlace) async throws {
        let worker = try make(place)
        workers[place.name] = worker
        do {
            _ = try await worker.start()
        } catch {
            if workers[place.name] === worker { workers[place.name] = nil }
            await worker.stop()
            throw error
        }
    }

    /// Looks which bundles there are.
    private func look() async {
        mustLook = true
        guard !isLooking else { return }
        isLooking = true
        defer { isLooking = false }
        while mustLook, !isOver {
            mustLook = false
            do {
                try await follow(try places())
            } catch {
                log.error("bundles cannot be looked for", metadata: ["error": "\(error)"])
            }
        }
    }

    private func follow(_ places: [BundlePlace]) async throws {
        let names = Set(places.map(\.name))
        for name in workers.keys.sorted() where !names.contains(name) {
            guard let worker = workers.removeValue(forKey: name) else { continue }
            log.notice("the bundle is gone", metadata: ["bundle": "\(name)"])
            await worker.stop()
        }
        for place in places where workers[place.name] == nil && !isOver {
            log.notice("a new bundle is there", metadata: ["bundle": "\(place.name)"])
            try await add(place)
        }
    }
}
