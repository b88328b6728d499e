// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Which states of probes are worth a row: those whose answer is of another class than the stored one, and the others
/// now and then. A lost one is harmless.
struct ProbeBook {
    private struct Target: Hashable {
        var kind: String
        var target: String
    }

    private struct Stored {
        var result: String
        var at: Int64
    }

    private var stored: [Target: Stored] = [:]
    private var waiting: [Target: Int] = [:]
    private var states: [ProbeState] = []
    private var sinceWaiting: Int64?
    private var forgottenAt: Int64 = .min
    private let every: Int64
    private let delay: Int64

    init(every: Int64, delay: Int64) {
        self.every = every
        self.delay = delay
    }

    /// How many targets it remembers the last state of.
    var remembered: Int { stored.count }

    /// When what was gathered is to be stored; nil where nothing was.
    var storeAt: Int64? { sinceWaiting.map { $0 + delay } }

    mutating func take(_ state: ProbeState, at now: Int64) {
        let target = Target(kind: state.kind, target: state.target)
        if let place = waiting[target] {
            states[place] = state
            return
        }
        if let last = stored[target], last.result == state.lastResult, now - last.at < every { return }
        waiting[target] = states.count
        states.append(state)
        if sinceWaiting == nil { sinceWaiting = now }
    }

    /// What is to be stored now, in the order in which it came.
    mutating func due(at now: Int64, limit: Int) -> [ProbeState] {
        guard let storeAt, storeAt <= now else { return [] }
        let batch = Array(states.prefix(limit))
        for state in batch {
            stored[Target(kind: state.kind, target: state.target)] = Stored(result: state.lastResult, at: now)
        }
        states.removeFirst(batch.count)
        waiting = [:]
        for (place, state) in states.enumerated() { waiting[Target(kind: state.kind, target: state.target)] = place }
        if states.isEmpty { sinceWaiting = nil }
        forgetOld(at: now)
        return batch
    }

    /// A state that is older than the period keeps no other from being stored: so that targets that come and go are not
    /// remembered for longer than they say anything.
    private mutating func forgetOld(at now: Int64) {
        guard forgottenAt == .min || now - forgottenAt >= every else { return }
        forgottenAt = now
        stored = stored.filter { now - $0.value.at < every }
    }
}
