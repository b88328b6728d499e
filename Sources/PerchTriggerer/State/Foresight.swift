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

extension TriggererState {
    /// More than that is read from the inbox like everything that comes in crowds.
    static let mostForeseen = 64

    /// What is foreseen of events, by asking `ended` for the waits of each; nil where there is nothing, or events that came
    /// before are still to be delivered.
    mutating func foresee(
        _ events: [NewEvent], now: Int64, _ ended: (InboxEvent, _ atMost: Int) -> [Int64]
    ) -> Foresight? {
        guard events.count <= Self.mostForeseen, lease.isHeld, let owner = lease.owner else { return nil }
        guard case .standing = pump.phase, foreseen.isEmpty else { return nil }
        var waits: [[Int64]] = []
        for (place, event) in events.enumerated() {
            // Of what the metastore gives it, only the number counts for matching.
            let event = InboxEvent(
                seq: pump.cursor + Int64(place) + 1, eventID: event.eventID ?? "", name: event.name, key: event.key,
                payload: event.payload, receivedAt: Timestamp(microseconds: now))
            let ids = ended(event, Self.mostForeseen - foreseen.count).filter { table[$0] != nil && foreseen[$0] == nil }
            for waitID in ids { foreseen[waitID] = .some(nil) }
            waits.append(ids)
        }
        if foreseen.isEmpty { return nil }
        return Foresight(generation: generation, owner: owner, cursor: pump.cursor, waits: waits)
    }

    /// The events are stored, and have ended the waits `won`; or nothing came of it.
    mutating func settled(_ foresight: Foresight, won: [Int64]) {
        guard foresight.generation == generation else { return }
        if isReadingWaits { firedMeanwhile.formUnion(won) }
        counters.fired += won.count
        for waitID in won {
            // Its source knows it still, unless the event was offered before this answer came.
            if foreseen.removeValue(forKey: waitID) != nil { drop(waitID) }
        }
        // Those that the event has ended otherwise meanwhile were kept back.
        for waitID in foreseen.keys.sorted() { if let firing = foreseen[waitID] ?? nil { fires.append(firing) } }
        foreseen = [:]
    }
}
