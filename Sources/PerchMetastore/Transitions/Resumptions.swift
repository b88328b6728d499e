// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A wait in a task's code that has ended: its journal is still to say how.
struct EndedWait {
    var instance: Instance
    var journalKey: String
    /// As JSON.
    var outcome: String
    var eventSeq: Int64?
    var by: String
}

/// A task that goes into the queue: its row, and what it holds of its pool, are still to be written.
struct Queueing {
    var instance: Instance
    var dispatchID: Int64
    var queueClass: QueueClass
    var fairAt: Int64
    var pool: Hold
    /// How many limits it takes a slot of.
    var limits: Int
}

extension Transaction {
    /// Stores how waits have ended; of those that have ended alike, many by one statement.
    func store(_ ends: [EndedWait]) throws {
        var kinds: [EndedAlike] = []
        var instances: [EndedAlike: [Int64]] = [:]
        for end in ends {
            let kind = EndedAlike(end)
            if instances[kind] == nil { kinds.append(kind) }
            instances[kind, default: []].append(end.instance.id)
        }
        for kind in kinds {
            let ids = instances[kind] ?? []
            let many = ids.count - ids.count % IDChunk.size
            for first in stride(from: 0, to: many, by: IDChunk.size) {
                _ = try connection.run(
                    Self.endMany,
                    IDChunk.values(ids[first..<first + IDChunk.size]) + [
                        kind.tryNumber.sqlValue, kind.key.sqlValue, kind.outcome.sqlValue, kind.eventSeq.sqlValue,
                        now.sqlValue, kind.by.sqlValue,
                    ])
            }
            for id in ids[many...] {
                try run(
                    """
                    UPDATE journal SET outcome = :4, event_seq = :5, fired_at = :6, fired_by = :7
                    WHERE ti_id = :1 AND try_number = :2 AND key = :3
                    """, id, kind.tryNumber, kind.key, kind.outcome, kind.eventSeq, now, kind.by)
            }
        }
    }

    /// What the journals of waits have in common.
    private struct EndedAlike: Hashable {
        var tryNumber: Int
        var key: String
        var outcome: String
        var eventSeq: Int64?
        var by: String

        init(_ end: EndedWait) {
            tryNumber = end.instance.tryNumber
            key = end.journalKey
            outcome = end.outcome
            eventSeq = end.eventSeq
            by = end.by
        }
    }

    private static let endMany: StaticString = """
        UPDATE journal SET outcome = :35, event_seq = :36, fired_at = :37, fired_by = :38
        WHERE try_number = :33 AND key = :34 AND ti_id IN ({ids})
        """

    /// Puts tasks into the queue, many by one statement.
    func store(_ queued: [Queueing]) throws {
        // One row by such a statement costs more than by one of its own.
        let many = queued.count - queued.count % IDChunk.size
        var values: [SQLValue] = []
        values.reserveCapacity(many * 6)
        for row in queued[..<many] {
            values.append(.integer(row.instance.id))
            values.append(.integer(row.dispatchID))
            values.append(row.queueClass.sqlValue)
            values.append(now.sqlValue)
            values.append(.integer(row.fairAt))
            values.append(.text(row.pool.gate))
        }
        try runMany(
            """
            UPDATE task_instance SET state = 'queued', dispatch_id = v.column2, worker = NULL, queue_class = v.column3,
                queued_at = v.column4, fair_at = v.column5, pool = v.column6
            FROM (VALUES (CAST(:1 AS {int64}), CAST(:2 AS {int64}), CAST(:3 AS {int64}), CAST(:4 AS {int64}),
                CAST(:5 AS {int64}), :6)) AS v
            WHERE ti_id = v.column1
            """, values, width: 6)
        for row in queued[many...] {
            try storeQueued(
                row.instance, pool: row.pool.gate, dispatchID: row.dispatchID, row.queueClass, fairAt: row.fairAt)
        }
        try storeSlots(of: queued)
    }

    /// Stores what dispatches hold of their pools.
    func storeSlots(of queued: [Queueing]) throws {
        let width = 5
        var values: [SQLValue] = []
        values.reserveCapacity(queued.count * width)
        for row in queued {
            values.append(.integer(row.dispatchID))
            values.append(.text(row.pool.gate))
            values.append(.integer(row.instance.id))
            values.append(row.pool.slots.sqlValue)
            values.append(row.limits.sqlValue)
        }
        try runMany(
            "INSERT INTO pool_slot (dispatch_id, pool, ti_id, slots, limits) VALUES (:1, :2, :3, :4, :5)", values,
            width: width)
    }
}
