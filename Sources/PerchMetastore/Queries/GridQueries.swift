// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// How a task of a run stands, as a table of many runs shows it.
package struct GridCell: Sendable, Hashable {
    /// Of a mapped task: how many instances it has, and how they stand.
    package struct Mapped: Sendable, Hashable {
        package var length: Int
        package var unfinished: Int
        package var failed: Int
        package var skipped: Int

        package var ended: Int { length - unfinished }
    }

    package var state: TaskState
    /// Nil where the task is mapped.
    package var taskInstanceID: Int64?
    package var mapped: Mapped?
}

extension Snapshot {
    /// How each task of a run stands, by its place in the definition; tasks of which no instance is there are left out. Of a
    /// mapped task its counters are read, however many instances it has.
    package func standings(of run: RunRow) throws -> [Int: GridCell] {
        var standings: [Int: GridCell] = [:]
        let version = try version(run.versionID)
        let last = version.tasks.count - version.callbacks.count
        // Tasks beside one another that are not mapped are read together; instances of a mapped one are not passed over.
        var first: Int?
        for index in 0...last {
            if index < last, version.tasks[index].mappedOver == nil {
                if first == nil { first = index }
                continue
            }
            guard let begin = first else { continue }
            first = nil
            try each(
                """
                SELECT task_index, ti_id, state FROM task_instance
                WHERE run_key = :1 AND task_index >= :2 AND task_index < :3
                """, run.runKey, begin, index
            ) { row in
                standings[row.int(0)] = GridCell(state: try row.name(2), taskInstanceID: row.int64(1))
            }
        }
        try each(
            """
            SELECT task_index, length, unfinished, failed, skipped FROM mapped_task WHERE run_key = :1
            """, run.runKey
        ) { row in
            let mapped = GridCell.Mapped(
                length: row.int(1), unfinished: row.int(2), failed: row.int(3), skipped: row.int(4))
            let state: TaskState =
                mapped.unfinished > 0
                ? .running
                : mapped.failed > 0
                    ? .failed : mapped.length > 0 && mapped.skipped == mapped.length ? .skipped : .success
            standings[row.int(0)] = GridCell(state: state, mapped: mapped)
        }
        // A mapped task that is not expanded has one row at most, which says why.
        for index in 0..<last where version.tasks[index].mappedOver != nil && standings[index] == nil {
            standings[index] = try self.first(
                "SELECT ti_id, state FROM task_instance WHERE run_key = :1 AND task_index = :2 LIMIT 1", run.runKey,
                index
            ) { GridCell(state: try $0.name(1), taskInstanceID: $0.int64(0)) }
        }
        return standings
    }

    /// When each of some task instances has waited, in the order of the waits: from when, and until when; nil: it still does. At
    /// most so many of each.
    package func waitSpans(
        of taskInstanceIDs: [Int64], limit: Int
    ) throws -> [[(from: Timestamp, to: Timestamp?)]] {
        try rows(
            """
            SELECT recorded_at, fired_at FROM journal WHERE ti_id = :1 AND kind = 'wait' ORDER BY recorded_at LIMIT :2
            """, forEach: taskInstanceIDs.map { [.integer($0), .integer(Int64(limit))] }
        ) { ($0.time(0), $0.optionalTime(1)) }
    }

    /// How many runs of a DAG each day of a span had, by their logical dates, and how they stand; at most so many runs are
    /// looked at, the newest.
    package func dailyRuns(
        dagID: String, from: Timestamp, atMost bound: Int
    ) throws -> [(day: Int64, state: RunState, count: Int)] {
        try rows(
            """
            SELECT day, state, COUNT(*) FROM (
                SELECT logical_date / 86400000000 AS day, state FROM dag_run
                WHERE dag_id = :1 AND logical_date >= :2 ORDER BY logical_date DESC LIMIT :3) AS few
            GROUP BY day, state ORDER BY day, state
            """, dagID, from, bound
        ) { ($0.int64(0), try $0.name(1), $0.int(2)) }
    }

    /// One task instance by its own number; nil where it is not there any more.
    package func taskInstance(id: Int64) throws -> TaskInstanceRow? {
        try first(
            """
            SELECT t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at,
                t.start_date, t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key WHERE t.ti_id = :1
            """, id
        ) { try taskInstance($0) }
    }
}
