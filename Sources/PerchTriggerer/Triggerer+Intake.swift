// SPDX-License-Identifier: Apache-2.0

import Logging
public import PerchMetastore
import PerchReactor
import PerchSDK

extension Triggerer {
    /// Takes events in; durable when it returns.
    ///
    /// As long as few come at a time, what an event ends is known here before it is stored: the fires are in its own
    /// transaction, and so is the claim of the tasks that they queue, where an executor stands for one. From an event to
    /// the worker it is then one COMMIT, and nothing has to be read.
    /// - Throws: as `Transaction.emit` does.
    public func store(_ events: [NewEvent]) async throws -> [AcceptedEvent] {
        guard let foresight = foresee(events) else { return try await metastore.write { try $0.emit(events) } }
        do {
            let stored = try await metastore.write { transaction in
                var stored = try transaction.emit(events, after: foresight.cursor)
                do {
                    stored.won = try transaction.fulfil(foresight, stored)
                } catch {
                    throw UnfulfilledForesight(cause: error)
                }
                return stored
            }
            told(foresight, stored)
            return stored.accepted
        } catch let fault as UnfulfilledForesight {
            told(foresight, nil)
            log.warning(
                "what events end could not be stored together with them", metadata: ["error": "\(fault.cause)"])
            return try await metastore.write { try $0.emit(events) }
        } catch {
            told(foresight, nil)
            throw error
        }
    }

    private func foresee(_ events: [NewEvent]) -> Foresight? {
        let sources = inboxSources
        let foresight = state?.foresee(events, now: reactor.loop.now) { event, limit in
            var ended: [Int64] = []
            for source in sources { ended += source.waitsEnded(by: event, atMost: limit - ended.count) }
            return ended
        }
        guard let foresight else { return nil }
        let isOut = withdrawStandingRead()
        state?.inboxWithdrawn(isOut, storing: true)
        return isOut ? foresight : nil
    }

    private func told(_ foresight: Foresight, _ stored: StoredEvents?) {
        guard !isStopped else { return }
        state?.stored(foresight, stored, now: reactor.loop.now)
        planTurn()
    }
}

/// The events themselves are well: they are to be stored without it.
private struct UnfulfilledForesight: Error {
    var cause: any Error
}

extension Transaction {
    /// Stores events, and gives those that are new as they stand in the inbox behind `cursor`.
    fileprivate func emit(_ events: [NewEvent], after cursor: Int64) throws -> StoredEvents {
        let accepted = try emit(events)
        var tail: [InboxEvent]? = []
        var last = cursor
        for (event, answer) in zip(events, accepted) where !answer.isDuplicate {
            last += 1
            guard answer.seq == last else {
                tail = nil
                break
            }
            tail?.append(
                InboxEvent(
                    seq: last, eventID: answer.eventID, name: event.name, key: event.key, payload: event.payload,
                    receivedAt: now))
        }
        return StoredEvents(accepted: accepted, tail: tail, storedAt: now)
    }

    /// Fires what was foreseen of events that have just been stored; gives the waits that they have ended. None where
    /// another event came between, and none by one that came after the wait's deadline.
    fileprivate func fulfil(_ foresight: Foresight, _ stored: StoredEvents) throws -> [Int64] {
        guard let tail = stored.tail, try isLeaseHeld(by: foresight.owner) else { return [] }
        var firings: [Firing] = []
        var fresh = tail.makeIterator()
        for (waits, answer) in zip(foresight.waits, stored.accepted) where !answer.isDuplicate {
            guard let event = fresh.next(), !waits.isEmpty else { continue }
            let value = event.value
            for waitID in waits where try !isOverdue(wait: waitID) {
                firings.append(
                    Firing(waitID: waitID, outcome: .event(value), eventSeq: event.seq, by: TriggererState.name))
            }
        }
        guard !firings.isEmpty else { return [] }
        return zip(firings, try fireWaits(firings, lease: foresight.owner)).filter { $0.1 == .won }.map(\.0.waitID)
    }
}
