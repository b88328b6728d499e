// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What the journal keeps of one try of a task instance.
package struct RecordedTry: Sendable, Hashable {
    package var tryNumber: Int
    package var steps: Int
    package var waits: Int
    /// When the first of its steps and waits was recorded, and when the last thing was.
    package var first: Timestamp
    package var last: Timestamp
    /// For how long its waits that have ended waited, one after another.
    package var waited: TimeSpan
}

extension Snapshot {
    /// The tries of a task instance of which anything is in the journal, the newest first, at most so many.
    package func recordedTries(of taskInstanceID: Int64, limit: Int) throws -> [RecordedTry] {
        try rows(
            """
            SELECT try_number, SUM(CASE WHEN kind = 'step' THEN 1 ELSE 0 END),
                SUM(CASE WHEN kind = 'wait' THEN 1 ELSE 0 END), MIN(recorded_at), MAX(COALESCE(fired_at, recorded_at)),
                CAST(SUM(CASE WHEN kind = 'wait' AND fired_at IS NOT NULL THEN fired_at - recorded_at ELSE 0 END) AS BIGINT)
            FROM journal WHERE ti_id = :1 GROUP BY try_number ORDER BY try_number DESC LIMIT :2
            """, taskInstanceID, limit
        ) { row in
            RecordedTry(
                tryNumber: row.int(0), steps: row.int(1), waits: row.int(2), first: row.time(3), last: row.time(4),
                waited: TimeSpan(microseconds: row.int64(5)))
        }
    }
}
