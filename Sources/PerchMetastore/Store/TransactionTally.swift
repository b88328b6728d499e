// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What a transaction changed, counted while it is made; it counts only where the transaction is committed.
///
/// Adding is a few instructions: no lock, and memory only where something was fired.
package struct TransactionTally: Sendable {
    /// Fires of one kind, by how they ended.
    package struct Fires: Sendable {
        package var kind: String
        package var events = 0
        package var timeouts = 0
        package var broken = 0
        package var cancelled = 0
    }

    /// By kind, in the order in which they came. A handful at most, so that looking through is cheaper than hashing.
    package private(set) var fires: [Fires] = []
    /// When the waits that had a due instant, and were fired by it, were due.
    package private(set) var dues: [Timestamp] = []
    /// Events of the inbox, duplicates not counted.
    package var events = 0
    /// Whether what ends is noted, for spans.
    var isTraced = false
    /// What has ended, in order; empty where it is not noted.
    package var traced: [TracedEnd] = []

    // Tasks that came into a state.
    package private(set) var queued = 0
    package private(set) var running = 0
    package private(set) var deferred = 0
    package private(set) var success = 0
    package private(set) var failed = 0
    package private(set) var skipped = 0
    package private(set) var upstreamFailed = 0
    package private(set) var removed = 0
    package private(set) var upForRetry = 0

    mutating func entered(_ state: TaskState, count: Int = 1) {
        switch state {
        case .queued: queued += count
        case .running: running += count
        case .deferred: deferred += count
        case .success: success += count
        case .failed: failed += count
        case .skipped: skipped += count
        case .upstreamFailed: upstreamFailed += count
        case .removed: removed += count
        case .upForRetry: upForRetry += count
        case .none, .scheduled: break
        }
    }

    mutating func fired(kind: String, _ outcome: WaitOutcome, due: Timestamp?) {
        let place = fires.lastIndex { $0.kind == kind } ?? fires.endIndex
        if place == fires.endIndex { fires.append(Fires(kind: kind)) }
        switch outcome {
        case .event:
            fires[place].events += 1
            if let due { dues.append(due) }
        case .timeout: fires[place].timeouts += 1
        case .broken: fires[place].broken += 1
        case .cancelled: fires[place].cancelled += 1
        }
    }

    mutating func add(_ other: TransactionTally) {
        for more in other.fires {
            let place = fires.lastIndex { $0.kind == more.kind } ?? fires.endIndex
            if place == fires.endIndex { fires.append(Fires(kind: more.kind)) }
            fires[place].events += more.events
            fires[place].timeouts += more.timeouts
            fires[place].broken += more.broken
            fires[place].cancelled += more.cancelled
        }
        dues += other.dues
        if !other.traced.isEmpty { traced += other.traced }
        events += other.events
        queued += other.queued
        running += other.running
        deferred += other.deferred
        success += other.success
        failed += other.failed
        skipped += other.skipped
        upstreamFailed += other.upstreamFailed
        removed += other.removed
        upForRetry += other.upForRetry
    }
}
