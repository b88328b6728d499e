// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
public import PerchSDK

/// When a process in which tasks run is replaced by a new one, although it works: code may leak what it likes, and
/// what it has leaked goes with its process.
public struct BundleRecycling: Sendable, Hashable {
    /// After it was given so many dispatches; nil: however many.
    public var maxAttempts: Int?
    /// After so long; nil: however long.
    public var maxAge: TimeSpan?
    /// When its resident memory has come to so many bytes; nil: however many.
    public var maxMemory: Int64?
    /// When the processors have worked for it for so long; nil: however long.
    public var maxCPUTime: TimeSpan?

    /// A process is kept as long as it lives.
    public init() {}

    var isOn: Bool { maxAttempts != nil || maxAge != nil || maxMemory != nil || maxCPUTime != nil }
}

extension Executor {
    /// So many processes may be ending what they have begun, beside one for each further one of the pool; none is replaced
    /// while there are as many.
    private var mostOutgoing: Int { 3 + core.settings.processes }
    /// How often the system is asked for what a process uses, in microseconds.
    private static var usePeriod: Int64 { 1_000_000 }

    /// Has the next process of the pool replaced that has done enough, one at a time. The new one comes up beside it first;
    /// then what begins in its place begins there, and the old one ends when what runs in it has.
    func recycleWhereDue() {
        guard life == .running, !isRecycling, !isRejoining, let (place, reason) = nextToRecycle() else { return }
        let outgoing = bundles.keys.count { if case .outgoing = $0 { true } else { false } }
        guard outgoing < mostOutgoing else {
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
            metadata: ["why": "\(reason)", "pid": "\(bundles[.pooled(place)]?.link.pid ?? 0)"])
        Task(executorPreference: reactor) { await self.recycle(place) }
    }

    private func recycle(_ place: Int) async {
        do {
            try await bringUp(.successor(of: place), describes: false)
        } catch {
            logger.warning("the bundle process is not replaced", metadata: ["error": "\(error)"])
        }
        isRecycling = false
        // It may have been replaced once more while the new one came up.
        mustLookAtRevision = true
        pump()
    }

    /// The first of the pool for whose replacement there is a reason.
    private func nextToRecycle() -> (place: Int, reason: String)? {
        let revision = mustLookAtRevision ? launcher.revision : nil
        mustLookAtRevision = false
        for index in 0..<core.settings.processes {
            guard let bundle = bundles[.pooled(index)], bundle.isReady else { continue }
            if let revision, revision != bundle.revision { return (index, "its executable was replaced") }
            if let reason = reasonToRecycle(bundle) { return (index, reason) }
        }
        return nil
    }

    private func reasonToRecycle(_ bundle: RunningBundle) -> String? {
        let limits = configuration.recycling
        let begun = core.begun[bundle.place] ?? 0
        if let most = limits.maxAttempts, begun >= most { return "it was given \(begun) dispatches" }
        if let longest = limits.maxAge, reactor.loop.now - bundle.readyAt >= longest.microseconds {
            return "it has run for \(longest)"
        }
        guard limits.maxMemory != nil || limits.maxCPUTime != nil, reactor.loop.now >= bundle.nextUseLook,
            let pid = bundle.link.pid
        else { return nil }
        bundle.nextUseLook = reactor.loop.now + Self.usePeriod
        if let most = limits.maxMemory, let bytes = processes.residentMemory(of: pid), bytes >= most {
            return "it has \(bytes >> 20) MiB of memory"
        }
        if let most = limits.maxCPUTime, let time = processes.processorTime(of: pid), time >= most {
            return "it has used \(time.microseconds / 1_000_000) s of processor time"
        }
        return nil
    }

    /// A new process has come up to take a place in the pool.
    func succeed(_ place: Place, by bundle: RunningBundle) {
        bundles[bundle.place] = nil
        guard life == .running, !isRejoining, let old = bundles[place], old.isReady else {
            // The old one has died, and another comes up for it; or nothing begins any more.
            bundle.isRetired = true
            return bundle.link.terminate()
        }
        // What was said to the old one goes to the old one.
        perform()
        guard bundles[place] === old else {
            bundle.isRetired = true
            return bundle.link.terminate()
        }
        let outgoing = Place.outgoing(number: old.number)
        old.place = outgoing
        old.isWatched = false
        bundles[outgoing] = old
        bundle.place = place
        bundles[place] = bundle
        do {
            try old.link.send(.drain)
        } catch {
            preconditionFailure("a message without members is short enough: \(error)")
        }
        core.succeed(place, number: old.number, version: bundle.bundleVersion, now: now)
        watchSilence(outgoing)
        if place == .main { askAgain() }
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
