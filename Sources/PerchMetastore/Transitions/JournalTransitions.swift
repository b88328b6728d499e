// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Journals step results. For each: whether its dispatch is the current one. A key that is recorded already stays as it
    /// is, and counts as accepted: the record came twice.
    public func recordSteps(_ records: [StepRecord]) throws -> [Bool] {
        try records.map { record in
            let tryNumber = try number(
                """
                SELECT try_number FROM task_instance
                WHERE ti_id = :1 AND state = 'running' AND dispatch_id = :2 {for_update}
                """, record.taskInstanceID, record.dispatchID)
            guard let tryNumber else { return false }
            try run(
                """
                INSERT INTO journal (ti_id, try_number, key, kind, position, payload, is_kept, dispatch_id, recorded_at)
                SELECT :1, :2, :3, 'step', COALESCE(MAX(position), -1) + 1, :4, :5, :6, :7
                FROM journal WHERE ti_id = :1 AND try_number = :2
                ON CONFLICT (ti_id, try_number, key) DO NOTHING
                """, record.taskInstanceID, tryNumber, record.key, record.payload, record.keepAcrossRetries,
                record.dispatchID, now)
            return true
        }
    }
}

extension Snapshot {
    /// The journal of one try, in the order in which it was recorded.
    public func journal(taskInstanceID: Int64, tryNumber: Int) throws -> [JournalEntry] {
        try rows(
            """
            SELECT key, kind, position, payload, outcome, recorded_at, fired_at, is_kept FROM journal
            WHERE ti_id = :1 AND try_number = :2 ORDER BY position, key
            """, taskInstanceID, tryNumber
        ) { row in
            JournalEntry(
                key: row.text(0), kind: try row.name(1), position: row.int(2), payload: row.text(3),
                outcome: row.optionalText(4), recordedAt: row.time(5), firedAt: row.optionalTime(6), isKept: row.bool(7)
            )
        }
    }
}
