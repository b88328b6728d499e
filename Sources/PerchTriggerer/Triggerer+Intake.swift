// SPDX-License-Identifier: Apache-2.0

import Logging
public import PerchMetastore
import PerchReactor
import PerchSDK

extension Triggerer {
    /// Takes events in; durable when it returns.
    ///
    /// What an event ends is known here before it is stored, as long as few come at a time: the fires are in its own
    /// transaction, and so is the claim of the tasks that they queue, where an executor stands for one. From an event to
    /// the worker it is then one COMMIT.
    /// - Throws: as `Transaction.emit` does.
    public func store(_ events: [NewEvent]) async throws -> [AcceptedEvent] {
        guard let foresight = foresee(events) else { return try await metastore.write { try $0.emit(events) } }
        do {
            let (accepted, won) = try await metastore.write { transaction in
                let accepted = try transaction.emit(events)
                do {
                    return (accepted, try transaction.fulfil(foresight, events, accepted))
                } catch {
                    throw UnfulfilledForesight(cause: error)
                }
            }
            settle(foresight, won: won)
            return accepted
        } catch let fault as UnfulfilledForesight {
            settle(foresight, won: [])
            log.warning(
                "what events end could not be stored together with them", metadata: ["error": "\(fault.cause)"])
            return try await metastore.write { try $0.emit(events) }
        } catch {
            settle(foresight, won: [])
            throw error
        }
    }

    private func foresee(_ events: [NewEvent]) -> Foresight? {
        let sources = inboxSources
        return state?.foresee(events, now: reactor.loop.now) { event, limit in
            var ended: [Int64] = []
            for source in sources { ended += source.waitsEnded(by: event, atMost: limit - ended.count) }
            return ended
        }
    }

    private func settle(_ foresight: Foresight, won: [Int64]) {
        state?.settled(foresight, won: won)
        planTurn()
    }
}

/// The events themselves are well: they are to be stored without it.
private struct UnfulfilledForesight: Error {
    var cause: any Error
}

extension Transaction {
    /// Fires what was foreseen of events that have just been stored; gives the waits that they have ended.
    ///
    /// An event that was taken before, or whose number shows that another came between, ends nothing here, nor does any
    /// behind it; nor does one that comes after a wait's deadline.
    fileprivate func fulfil(
        _ foresight: Foresight, _ events: [NewEvent], _ accepted: [AcceptedEvent]
    ) throws -> [Int64] {
        guard try isLeaseHeld(by: foresight.owner) else { return [] }
        var firings: [Firing] = []
        var last = foresight.cursor
        for (place, event) in events.enumerated() {
            guard !accepted[place].isDuplicate, accepted[place].seq == last + 1 else { break }
            last += 1
            let value = InboxEvent(
                seq: last, eventID: accepted[place].eventID, name: event.name, key: event.key, payload: event.payload,
                receivedAt: now
            ).value
            for waitID in foresight.waits[place] where try !isOverdue(wait: waitID) {
                firings.append(
                    Firing(waitID: waitID, outcome: .event(value), eventSeq: last, by: TriggererState.name))
            }
        }
        let results = try fireWaits(firings, lease: foresight.owner)
        return zip(firings, results).filter { $0.1 == .won }.map(\.0.waitID)
    }
}
