// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Journals step results. For each: whether its dispatch is the current one. A key that is recorded already stays as it
    /// is, and counts as accepted: the record came twice.
    public func recordSteps(_ records: [StepRecord]) throws -> [Bool] {
        let tries = try rows(
            """
            SELECT try_number FROM task_instance
            WHERE ti_id = :1 AND state = 'running' AND dispatch_id = :2 {for_update}
            """, forEach: records.map { [.integer($0.taskInstanceID), .integer($0.dispatchID)] }
        ) { $0.int64(0) }
        return try zip(records, tries).map { record, found in
            guard let tryNumber = found.first else { return false }
            try post(
                """
                INSERT INTO journal (ti_id, try_number, key, kind, position, payload, is_kept, dispatch_id, recorded_at,
                    began_at)
                SELECT :1, :2, :3, 'step', COALESCE(MAX(position), -1) + 1, :4, :5, :6, :7, CAST(:8 AS {int64})
                FROM journal WHERE ti_id = :1 AND try_number = :2
                ON CONFLICT (ti_id, try_number, key) DO NOTHING
                """, record.taskInstanceID, tryNumber, record.key, record.payload, record.keepAcrossRetries,
                record.dispatchID, now, record.beganAt)
            if tally.isTraced {
                tally.traced.append(
                    .step(
                        JournalPlace(record.taskInstanceID, Int(tryNumber), record.key), began: record.beganAt,
                        ended: now))
            }
            return true
        }
    }
}

extension Snapshot {
    /// The journal of one try, in the order in which it was recorded.
    public func journal(taskInstanceID: Int64, tryNumber: Int) throws -> [JournalEntry] {
        try journals(of: [(taskInstanceID, tryNumber)])[0]
    }

    /// The journals of several tries, each in the order in which it was recorded.
    func journals(of tries: [(taskInstanceID: Int64, tryNumber: Int)]) throws -> [[JournalEntry]] {
        try rows(
            """
            SELECT key, kind, position, payload, outcome, recorded_at, fired_at, is_kept FROM journal
            WHERE ti_id = :1 AND try_number = :2 ORDER BY position, key
            """, forEach: tries.map { [.integer($0.taskInstanceID), .integer(Int64($0.tryNumber))] }
        ) { try JournalEntry($0) }
    }

    /// The waits in the journal of one try, in the order in which they were recorded.
    public func journalledWaits(taskInstanceID: Int64, tryNumber: Int) throws -> [JournalEntry] {
        try rows(
            """
            SELECT key, kind, position, payload, outcome, recorded_at, fired_at, is_kept FROM journal
            WHERE ti_id = :1 AND try_number = :2 AND kind = 'wait' ORDER BY position, key
            """, taskInstanceID, tryNumber
        ) { try JournalEntry($0) }
    }

    /// Entries of the journal of one try, behind a position, in the order in which they were recorded: at most so many, and
    /// as many as have about so many bytes together, one at least. Values of others are not read.
    public func journal(
        taskInstanceID: Int64, tryNumber: Int, after position: Int64, limit: Int, bytes: Int
    ) throws -> (entries: [JournalEntry], hasMore: Bool) {
        let sizes = try rows(
            """
            SELECT position, LENGTH(payload) + COALESCE(LENGTH(outcome), 0) FROM journal
            WHERE ti_id = :1 AND try_number = :2 AND position > :3 ORDER BY position LIMIT :4
            """, taskInstanceID, tryNumber, position, limit + 1
        ) { (position: $0.int64(0), size: $0.int(1)) }
        var (count, size) = (0, 0)
        for entry in sizes.prefix(limit) {
            size += entry.size
            guard count == 0 || size <= bytes else { break }
            count += 1
        }
        guard count > 0 else { return ([], false) }
        let entries = try rows(
            """
            SELECT key, kind, position, payload, outcome, recorded_at, fired_at, is_kept FROM journal
            WHERE ti_id = :1 AND try_number = :2 AND position > :3 AND position <= :4 ORDER BY position
            """, taskInstanceID, tryNumber, position, sizes[count - 1].position
        ) { try JournalEntry($0) }
        return (entries, sizes.count > count)
    }
}

extension JournalEntry {
    fileprivate init(_ row: borrowing SQLRow) throws {
        self.init(
            key: row.text(0), kind: try row.name(1), position: row.int(2), payload: row.text(3),
            outcome: row.optionalText(4), recordedAt: row.time(5), firedAt: row.optionalTime(6), isKept: row.bool(7))
    }
}
