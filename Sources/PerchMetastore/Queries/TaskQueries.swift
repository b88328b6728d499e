// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Snapshot {
    /// The task instances of a run, in the order of its tasks.
    public func taskInstances(runKey: Int64) throws -> [TaskInstanceRow] {
        try rows(
            """
            SELECT t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at,
                t.start_date, t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE t.run_key = :1 ORDER BY t.task_index, t.map_index
            """, runKey
        ) { try taskInstance($0) }
    }

    /// The task instances of a run, a page at a time, in the order of its tasks.
    ///
    /// - Parameters:
    ///   - after: The place of the last one of the page before.
    ///   - taskID: nil means every task of the run.
    public func taskInstances(
        of run: RunRow, taskID: String? = nil, state: TaskState? = nil,
        after place: (taskIndex: Int, mapIndex: Int)?, limit: Int
    ) throws -> [TaskInstanceRow] {
        var conditions = QueryConditions()
        conditions.add("t.run_key =", run.runKey)
        if let taskID {
            let index = try version(run.versionID).tasks.firstIndex { $0.taskID == taskID }
            conditions.add("t.task_index =", index ?? -1)
        }
        conditions.add("t.state =", state)
        if let place {
            let values = "(\(conditions.place(place.taskIndex)), \(conditions.place(place.mapIndex)))"
            conditions.texts.append("(t.task_index, t.map_index) > \(values)")
        }
        var found: [TaskInstanceRow] = []
        try connection.query(
            text: """
                SELECT \(TaskInstanceRow.columns)
                FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
                WHERE \(conditions.text) ORDER BY t.task_index, t.map_index LIMIT \(conditions.place(limit))
                """, conditions.values
        ) { row in found.append(try taskInstance(row)) }
        return found
    }

    /// The instances of one task of a run.
    func taskInstances(runKey: Int64, taskIndex: Int) throws -> [TaskInstanceRow] {
        try rows(
            """
            SELECT t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at,
                t.start_date, t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE t.run_key = :1 AND t.task_index = :2 ORDER BY t.map_index
            """, runKey, taskIndex
        ) { try taskInstance($0) }
    }

    /// The instances of one task of a run, by its id; empty where the run has no such task, or none are created.
    public func taskInstances(of run: RunRow, taskID: String) throws -> [TaskInstanceRow] {
        guard let index = try version(run.versionID).tasks.firstIndex(where: { $0.taskID == taskID }) else { return [] }
        return try taskInstances(runKey: run.runKey, taskIndex: index)
    }

    /// Over how many elements a task of a run is mapped; nil where that is not known yet, or it is not mapped.
    public func mappedLength(of key: TaskInstanceKey) throws -> Int? {
        guard let run = try run(dagID: key.dagID, runID: key.runID),
            let index = try version(run.versionID).tasks.firstIndex(where: { $0.taskID == key.taskID })
        else { return nil }
        return try number(
            "SELECT length FROM mapped_task WHERE run_key = :1 AND task_index = :2", run.runKey, index
        ).map { Int($0) }
    }

    /// One task instance; nil where the run, the task or the map index does not exist.
    public func taskInstance(_ key: TaskInstanceKey) throws -> TaskInstanceRow? {
        guard let run = try run(dagID: key.dagID, runID: key.runID),
            let index = try version(run.versionID).tasks.firstIndex(where: { $0.taskID == key.taskID })
        else { return nil }
        return try taskInstance(runKey: run.runKey, taskIndex: index, mapIndex: key.mapIndex)
    }

    /// One instance by its place.
    func taskInstance(runKey: Int64, taskIndex: Int, mapIndex: Int) throws -> TaskInstanceRow? {
        try first(
            """
            SELECT t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at,
                t.start_date, t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE t.run_key = :1 AND t.task_index = :2 AND t.map_index = :3
            """, runKey, taskIndex, mapIndex
        ) { try taskInstance($0) }
    }

    /// The first instances of a run, or of one task of it, in one state, in the order of its tasks.
    func taskInstances(_ run: RunRow, taskIndex: Int?, in state: TaskState, limit: Int) throws -> [TaskInstanceRow] {
        try rows(
            """
            SELECT t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at,
                t.start_date, t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
            FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
            WHERE t.run_key = :1 AND (CAST(:2 AS BIGINT) IS NULL OR t.task_index = :2) AND t.state = :3
            ORDER BY t.task_index, t.map_index LIMIT :4
            """, run.runKey, taskIndex, state, limit
        ) { try taskInstance($0) }
    }

    /// When the next run is overdue that is still under way.
    public func nextRunDeadline() throws -> Timestamp? {
        try number(
            "SELECT MIN(deadline) FROM dag_run WHERE deadline IS NOT NULL AND state = 'running' AND cancelled_by IS NULL"
        ).map(Timestamp.init(microseconds:))
    }

    /// When the next try of a failed task is due.
    public func nextRetryInstant() throws -> Timestamp? {
        try number("SELECT MIN(retry_at) FROM task_instance WHERE state = 'up_for_retry'")
            .map(Timestamp.init(microseconds:))
    }

    /// How many task instances are in a state that is not final.
    public func openTaskCounts() throws -> [(state: TaskState, count: Int)] {
        let states: [(TaskState, Int64?)] = [
            (.scheduled, try number("SELECT COUNT(*) FROM task_instance WHERE state = 'scheduled' AND is_held = 0")),
            (.queued, try queuedCount()),
            (.running, try number("SELECT COUNT(*) FROM task_instance WHERE state = 'running'")),
            (.upForRetry, try number("SELECT COUNT(*) FROM task_instance WHERE state = 'up_for_retry'")),
            (.deferred, try number("SELECT COUNT(*) FROM wait")),
        ]
        return states.map { ($0, Int($1 ?? 0)) }
    }

    /// Counted by its two indexes, which together are no longer than the queue.
    private func queuedCount() throws -> Int64 {
        let usual = try number("SELECT COUNT(*) FROM task_instance WHERE state = 'queued' AND queue = 'default'")
        let others = try number("SELECT COUNT(*) FROM task_instance WHERE state = 'queued' AND queue <> 'default'")
        return (usual ?? 0) + (others ?? 0)
    }

    func taskInstance(_ row: borrowing SQLRow) throws -> TaskInstanceRow {
        let index = row.int(2)
        let task = try version(row.int64(16)).tasks[index]
        return TaskInstanceRow(
            taskInstanceID: row.int64(0), runKey: row.int64(1),
            key: TaskInstanceKey(dagID: row.text(14), runID: row.text(15), taskID: task.taskID, mapIndex: row.int(3)),
            taskIndex: index, state: try row.name(4), tryNumber: row.int(5), dispatchID: row.int64(6),
            queuedAt: row.optionalTime(7), startDate: row.optionalTime(8), endDate: row.optionalTime(9),
            retryAt: row.optionalTime(10), message: row.optionalText(11), output: row.optionalText(12),
            cancelState: try row.optionalName(13))
    }
}

extension TaskInstanceRow {
    /// What `Snapshot.taskInstance` reads, where a statement is put together.
    static let columns = """
        t.ti_id, t.run_key, t.task_index, t.map_index, t.state, t.try_number, t.dispatch_id, t.queued_at, t.start_date,
        t.end_date, t.retry_at, t.message, t.output, t.cancel_state, r.dag_id, r.run_id, r.version_id
        """
}
