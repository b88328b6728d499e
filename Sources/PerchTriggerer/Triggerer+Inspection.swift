// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
public import PerchSDK

/// What a triggerer does at this moment, in numbers.
public struct TriggererSummary: Codable, Hashable, Sendable {
    /// The triggerer as a process of the metastore; nil while it does not hold the waits.
    public var owner: Int64?
    /// How many shards it holds, those that it is handing over left out.
    public var shards: Int
    /// Whether every wait that was there at the start is armed, and of every shard that came later.
    public var isLoaded: Bool
    /// How many waits are watched, by kind.
    public var waits: [String: Int]
    /// The same by what is done with them: `armed`, `looking_back` (the inbox is looked through for what came before
    /// them), `last_probe` (their deadline passed while nobody watched).
    public var states: [String: [String: Int]]
    /// How often a source held the thread for more than ten milliseconds, by its kinds.
    public var slowCalls: [String: Int]
    /// How many probes, watches and connections the sources hold, by name.
    public var gauges: [String: Int]
    /// Fires that are not committed yet.
    public var uncommitted: Int
    /// Fires since the start, and those that came after somebody else's.
    public var fired: Int
    public var lostRaces: Int
    /// How often the lease was lost.
    public var leasesLost: Int
    /// The last event of the inbox that was offered to the waits.
    public var lastEvent: Int64
}

extension Triggerer {
    /// What there is to say about a wait; nil if it is not watched here.
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let state, let entry = state.table[waitID] else { return nil }
        let source = sources[state.kinds.source(of: entry)]
        var explanation = source.explain(waitID) ?? WaitExplanation(sentences: [])
        if entry.flags.contains(.isLookingBack) {
            explanation.sentences.append("The inbox is being looked through for events that came before the wait.")
        }
        if entry.flags.contains(.isProbing) || (entry.flags.contains(.isOverdue) && !entry.flags.contains(.hasDeadline))
        {
            explanation.sentences.append(
                "Its deadline passed while nobody was watching: one last probe is made before it times out.")
        }
        return explanation
    }

    /// Has the sources of some waits ask once more, out of their periods. Returns when the answers are in, after what was
    /// found is reported. Waits that are not watched here, or whose kinds ask nothing, are passed over.
    package func probeNow(_ waitIDs: [Int64]) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            var open = 1
            func answered() {
                open -= 1
                if open == 0 { continuation.resume() }
            }
            for waitID in waitIDs {
                guard let state, let entry = state.table[waitID] else { continue }
                open += 1
                sources[state.kinds.source(of: entry)].probeNow(waitID) { answered() }
            }
            answered()
        }
    }

    /// What the triggerer does at this moment.
    public func summary() -> TriggererSummary {
        var summary = TriggererSummary(
            owner: nil, shards: 0, isLoaded: false, waits: [:], states: [:], slowCalls: slowCalls.counts, gauges: [:],
            uncommitted: 0, fired: 0, lostRaces: 0, leasesLost: 0,
            lastEvent: 0)
        for source in sources { for (name, value) in source.gauges { summary.gauges[name, default: 0] += value } }
        guard let state else { return summary }
        summary.owner = state.lease.isHeld ? state.lease.owner : nil
        summary.shards = state.shards.watched.count
        summary.isLoaded = state.lease.isHeld && state.loadingSince == nil && state.shards.catchUps.isEmpty
        for (kind, count) in zip(state.kinds.names, state.table.countByKind) { summary.waits[kind] = count }
        for (place, kind) in state.kinds.names.enumerated() { summary.states[kind] = state.table.states(of: place) }
        summary.uncommitted = state.fires.count
        summary.fired = state.counters.fired
        summary.lostRaces = state.counters.lostRaces
        summary.leasesLost = state.counters.leasesLost
        summary.lastEvent = state.pump.cursor
        return summary
    }
}
