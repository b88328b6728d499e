// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A log that stands in the metastore although its try is over.
public struct LeftLog: Sendable, Hashable {
    public var log: LogID
    public var key: TaskInstanceKey
}

extension Snapshot {
    /// Logs of tries that are over, and not only just, which nobody has moved out of the metastore: in order, behind one; so many
    /// at most.
    ///
    /// - Parameter instant: Where a try has an end, it lies before this.
    public func leftLogs(endedBefore instant: Timestamp, after last: LogID?, limit: Int) throws -> [LeftLog] {
        let found = try rows(
            """
            SELECT DISTINCT c.ti_id, c.try_number, r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index
            FROM log_chunk c JOIN task_instance t ON t.ti_id = c.ti_id JOIN dag_run r ON r.run_key = t.run_key
            WHERE c.content IS NOT NULL AND (c.ti_id > :1 OR (c.ti_id = :1 AND c.try_number > :2))
                AND (c.try_number < t.try_number
                    OR t.state IN ('success', 'failed', 'skipped', 'upstream_failed', 'removed', 'up_for_retry'))
                AND (t.end_date IS NULL OR t.end_date < :3)
            ORDER BY c.ti_id, c.try_number LIMIT :4
            """, last?.taskInstanceID ?? -1, last?.tryNumber ?? 0, instant, limit
        ) { row in
            (
                log: LogID(taskInstanceID: row.int64(0), tryNumber: row.int(1)), dagID: row.text(2), runID: row.text(3),
                versionID: row.int64(4), taskIndex: row.int(5), mapIndex: row.int(6)
            )
        }
        return try found.map { row in
            let task = try version(row.versionID).tasks[row.taskIndex]
            return LeftLog(
                log: row.log,
                key: TaskInstanceKey(dagID: row.dagID, runID: row.runID, taskID: task.taskID, mapIndex: row.mapIndex))
        }
    }
}
