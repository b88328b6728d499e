// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What events that are about to be stored will end, if nothing comes between.
struct Foresight: Sendable {
    var generation: Int
    var owner: Int64
    /// Everything up to this event was delivered: where the first of them gets another number than the next, another one
    /// came before it, and may have ended the same waits.
    var cursor: Int64
    /// For each event, the waits that it ends; no wait twice.
    var waits: [[Int64]]
}

/// What became of them, in one transaction.
struct StoredEvents: Sendable {
    var accepted: [AcceptedEvent]
    /// Those that were not there already: the whole tail of the inbox. Nil where another came between.
    var tail: [InboxEvent]?
    var storedAt: Timestamp
    /// The waits that they have ended.
    var won: [Int64] = []
}

extension TriggererState {
    /// Crowds are stored as they come, and read from the inbox.
    static let mostForeseen = 64

    /// What is foreseen of events, by asking `ended` for the waits of each; nil unless every event that came before has
    /// been delivered. Until it is told by `stored` what became of them, nothing is armed and nothing delivered.
    ///
    /// The read that stands in the metastore has to be withdrawn first.
    func foresee(
        _ events: [NewEvent], now: Int64, _ ended: (InboxEvent, _ atMost: Int) -> [Int64]
    ) -> Foresight? {
        guard events.count <= Self.mostForeseen, lease.isHeld, let owner = lease.owner else { return nil }
        guard case .standing = pump.phase else { return nil }
        var known: Set<Int64> = []
        var waits: [[Int64]] = []
        for (place, event) in events.enumerated() {
            // Of what the metastore gives it, only the number counts for matching.
            let event = InboxEvent(
                seq: pump.cursor + Int64(place) + 1, eventID: event.eventID ?? "", name: event.name, key: event.key,
                payload: event.payload, receivedAt: Timestamp(microseconds: now))
            let ids = ended(event, Self.mostForeseen - known.count)
            waits.append(ids.filter { table[$0] != nil && known.insert($0).inserted })
        }
        return Foresight(generation: generation, owner: owner, cursor: pump.cursor, waits: waits)
    }

    /// The events are stored, with what they were foreseen to end; nil: nobody knows.
    mutating func stored(_ foresight: Foresight, _ stored: StoredEvents?, now: Int64) {
        guard foresight.generation == generation else { return }
        for waitID in stored?.won ?? [] {
            if isReadingWaits { firedMeanwhile.insert(waitID) }
            drop(waitID)
        }
        counters.fired += stored?.won.count ?? 0
        pump.phase = .idle
        guard let stored, let tail = stored.tail else {
            pump.isDirty = true
            return
        }
        pump.lookAt = now + Self.restAfterStanding
        pump.lineUp(
            InboxPage(lookBacks: [], tail: tail, isTailComplete: true, readAt: stored.storedAt), isBarrier: true)
    }
}
