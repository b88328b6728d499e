// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
public import PerchSDK

/// When the process in which tasks run is replaced by a new one, although it works: code may leak what it likes, and
/// what it has leaked goes with its process.
public struct BundleRecycling: Sendable, Hashable {
    /// After it was given so many dispatches; nil: however many.
    public var maxAttempts: Int?
    /// After so long; nil: however long.
    public var maxAge: TimeSpan?
    /// When its resident memory has come to so many bytes; nil: however many.
    public var maxMemory: Int64?

    /// A process is kept as long as it lives.
    public init() {}

    var isOn: Bool { maxAttempts != nil || maxAge != nil || maxMemory != nil }
}

extension Executor {
    /// So many processes may be ending what they have begun; the main one is not replaced while there are as many.
    private static var mostOutgoing: Int { 4 }
    /// How often the memory of the main process is looked at, in microseconds.
    private static var memoryPeriod: Int64 { 1_000_000 }

    /// Has the main process replaced where it has done enough. The new one comes up beside it first; then all that begins
    /// begins there, and the old one ends when what runs in it has.
    func recycleWhereDue() {
        guard life == .running, !isRecycling, !isRejoining, let bundle = bundles[.main], bundle.isReady,
            let reason = reasonToRecycle(bundle)
        else { return }
        let outgoing = bundles.keys.count { if case .outgoing = $0 { true } else { false } }
        guard outgoing < Self.mostOutgoing else {
            mustLookAtRevision = true
            if !hasToldOfOutgoing {
                hasToldOfOutgoing = true
                logger.warning(
                    "the bundle process is not replaced while as many older ones have not ended",
                    metadata: ["why_it_would_be": "\(reason)", "outgoing": "\(outgoing)"])
            }
            return
        }
        hasToldOfOutgoing = false
        isRecycling = true
        logger.notice(
            "the bundle process is replaced by a new one",
            metadata: ["why": "\(reason)", "pid": "\(bundle.link.pid ?? 0)"])
        Task(executorPreference: reactor) { await self.recycle() }
    }

    private func recycle() async {
        do {
            try await bringUp(.successor, describes: false)
        } catch {
            logger.warning("the bundle process is not replaced", metadata: ["error": "\(error)"])
        }
        isRecycling = false
        // It may have been replaced once more while the new one came up.
        mustLookAtRevision = true
        pump()
    }

    private func reasonToRecycle(_ bundle: RunningBundle) -> String? {
        if mustLookAtRevision {
            mustLookAtRevision = false
            if let revision = launcher.revision, revision != bundle.revision { return "its executable was replaced" }
        }
        let limits = configuration.recycling
        if let most = limits.maxAttempts, core.begun >= most { return "it was given \(core.begun) dispatches" }
        if let longest = limits.maxAge, reactor.loop.now - bundle.readyAt >= longest.microseconds {
            return "it has run for \(longest)"
        }
        guard let most = limits.maxMemory, reactor.loop.now >= nextMemoryLook, let pid = bundle.link.pid else {
            return nil
        }
        nextMemoryLook = reactor.loop.now + Self.memoryPeriod
        guard let bytes = processes.residentMemory(of: pid), bytes >= most else { return nil }
        return "it has \(bytes >> 20) MiB of memory"
    }

    /// A new process has come up to take the place of the main one.
    func succeed(by bundle: RunningBundle) {
        bundles[.successor] = nil
        guard life == .running, !isRejoining, let old = bundles[.main], old.isReady else {
            // The main one has died, and another comes up for it; or nothing begins any more.
            bundle.isRetired = true
            return bundle.link.terminate()
        }
        // What was said to the old one goes to the old one.
        perform()
        guard bundles[.main] === old else {
            bundle.isRetired = true
            return bundle.link.terminate()
        }
        let outgoing = Place.outgoing(number: old.number)
        old.place = outgoing
        old.isWatched = false
        bundles[outgoing] = old
        bundle.place = .main
        bundles[.main] = bundle
        do {
            try old.link.send(.drain)
        } catch {
            preconditionFailure("a message without members is short enough: \(error)")
        }
        core.succeed(main: old.number, now: now)
        watchSilence(outgoing)
        askAgain()
        perform()
    }

    /// An outgoing process has nothing more to do. It ends by itself; one that does not is ended.
    func dismiss(_ place: Place) {
        guard let bundle = bundles[place] else { return }
        bundle.link.flush()
        bundles[place] = nil
        bundle.isRetired = true
        let number = bundle.number
        _ = reactor.loop.schedule(at: reactor.loop.now + configuration.killGrace.microseconds) { [weak self] in
            guard let self else { return }
            self.assumeIsolated { $0.living[number]?.link.terminate() }
        }
    }
}
