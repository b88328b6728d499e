// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Foundation
internal import Glibc
internal import Logging
internal import PerchExecutor
internal import PerchReactor
internal import PerchSDK

/// Builds a bundle anew whenever its sources change, and puts what was built in the place of the one before. What does not
/// build, or is no bundle then, is told, and the one before goes on.
// Everything but `start` and `stop` happens on the reactor's thread.
final class SourceWatch: @unchecked Sendable {
    private let build: SourceBuild
    private let home: String
    private let bundle: DeployedBundle
    private let conditions: BundleConditions
    private let reactor: any Reactor
    private let log: Logger
    private let needed: @Sendable () async throws -> Set<String>
    private let onUse: @Sendable () async -> Void

    private var watches: FolderWatches?
    /// The state of the sources that was built last, or was there at the start.
    private var known: SourceTree?
    private var timer: LoopTimer?
    private var firstHeard: Int64?
    private var running: BuildRun?
    private var isBusy = false
    private var mustLook = false
    private var isOver = false

    /// Changes so near to one another are one, in microseconds; but no build waits longer than the second.
    private static let settling: Int64 = 250_000
    private static let patience: Int64 = 3_000_000
    /// How often is looked where the machine grants no watches.
    private static let period: Int64 = 2_000_000
    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF
    )

    /// A watch that does nothing before `start`.
    ///
    /// - Parameters:
    ///   - bundle: Where what was built is put; the engine starts what is in use there.
    ///   - needed: The builds that runs go on with, by what the bundle calls them: they are kept.
    ///   - onUse: Tells the engine that it is another one.
    init(
        _ build: SourceBuild, home: Home, bundle: DeployedBundle, conditions: BundleConditions, reactor: any Reactor,
        log: Logger, needed: @escaping @Sendable () async throws -> Set<String>,
        onUse: @escaping @Sendable () async -> Void
    ) {
        self.build = build
        self.home = home.path
        self.bundle = bundle
        self.conditions = conditions
        self.reactor = reactor
        self.log = log
        self.needed = needed
        self.onUse = onUse
    }

    /// Where an engine keeps what it has built. What an engine before this one has built is not used, but by runs that go on
    /// with it.
    static func place(in home: Home) throws -> DeployedBundle {
        let bundle = DeployedBundle(directory: home.path + "/watched")
        try bundle.useNone()
        return bundle
    }

    /// Begins to watch: what changes from now on is built.
    func start() {
        reactor.submit { [self] in
            let watches = FolderWatches(on: reactor.loop, mask: Self.mask) { [self] in heard() }
            self.watches = watches
            do {
                try watches.open(for: build.folder)
            } catch {
                log.warning("sources are looked at every 2 s", metadata: ["reason": "\(error)"])
            }
            log.notice(
                "sources are watched", metadata: ["folder": "\(build.folder)", "build": "\(build.words)"])
            look()
        }
    }

    /// Builds nothing any more.
    func stop() {
        reactor.submit { [self] in
            isOver = true
            if let timer { reactor.loop.cancel(timer) }
            running?.end()
            watches?.close()
            watches = nil
        }
    }

    // MARK: Looking

    private func heard() {
        let now = reactor.loop.now
        let first = firstHeard ?? now
        firstHeard = first
        look(at: min(now + Self.settling, first + Self.patience))
    }

    private func look(at instant: Int64) {
        if let timer { reactor.loop.cancel(timer) }
        timer = reactor.loop.schedule(at: instant) { [self] in
            timer = nil
            firstHeard = nil
            look()
        }
    }

    /// Looks at the sources, not on the reactor.
    private func look() {
        guard !isOver else { return }
        guard !isBusy else {
            mustLook = true
            return
        }
        isBusy = true
        mustLook = false
        let (folder, ignored) = (build.folder, [build.product, home])
        Task { @concurrent in
            let tree = SourceTree(of: folder, except: ignored)
            self.reactor.submit { self.looked(tree) }
        }
    }

    private func looked(_ tree: SourceTree) {
        guard !isOver else { return }
        // Folders that are new are looked at once more: something may have come into them before.
        if arm(tree) { mustLook = true }
        guard let before = known, before != tree else {
            known = tree
            return rest()
        }
        known = tree
        begin()
    }

    /// Watches every folder that is not watched yet. Gives whether there were such.
    private func arm(_ tree: SourceTree) -> Bool {
        guard let watches, watches.isOpen else {
            look(at: reactor.loop.now + Self.period)
            return false
        }
        let added = watches.add(tree.folders)
        if added.refused != nil { look(at: reactor.loop.now + Self.period) }
        return added.isAny
    }

    /// Nothing is under way. What changed meanwhile is looked at.
    private func rest() {
        isBusy = false
        if mustLook { look() }
    }

    // MARK: Building

    private func begin() {
        log.notice("sources have changed: building", metadata: ["command": "\(build.words)"])
        do {
            running = try BuildRun(build, loop: reactor.loop) { [self] run in built(run) }
        } catch {
            log.error("the build cannot be started; the bundle before goes on", metadata: ["error": "\(error)"])
            mustLook = true
            rest()
        }
    }

    private func built(_ run: BuildRun) {
        running = nil
        guard !isOver else { return }
        // What came meanwhile may be in it or not.
        mustLook = true
        guard run.hasSucceeded else {
            for line in run.lines { Console.shared.say(line) }
            log.error("the build failed; the bundle before goes on", metadata: ["how": "\(run.words)"])
            return rest()
        }
        let (bundle, build, conditions) = (bundle, build, conditions)
        Task { @concurrent in
            let result: Result<Int, any Error>
            do {
                let needed = try await self.needed()
                let (number, _) = try bundle.deploy(
                    build.product, executable: nil, under: conditions, keeping: 2, needed: needed)
                result = .success(number)
            } catch {
                result = .failure(error)
            }
            if case .success = result { await self.onUse() }
            self.reactor.submit { self.put(result) }
        }
    }

    private func put(_ result: Result<Int, any Error>) {
        guard !isOver else { return }
        switch result {
        case .success(let number): log.notice("what was built is in use", metadata: ["build": "\(number)"])
        case .failure(let error):
            log.error(
                "what was built is not used; the bundle before goes on", metadata: ["error": "\(error)"])
        }
        rest()
    }
}
