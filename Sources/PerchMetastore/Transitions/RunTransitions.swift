// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Creates a queued run.
    /// - Throws: `notFound` for an unknown or inactive DAG; `conflict` where the run id, the scheduled instant or the event
    ///   has its run already; `invalid` for an ill-formed run id or params that the DAG does not take.
    public func createRun(_ request: RunRequest) throws -> RunRow {
        guard let dag = try dag(request.dagID), dag.isActive else {
            throw PerchError(.notFound, "there is no DAG '\(request.dagID)'")
        }
        guard case .object(let given) = request.params else {
            throw PerchError(.invalid, "the params of a run are a JSON object, not \(request.params.text)")
        }
        let version = try version(dag.versionID)
        let params = version.definition.params.merging(given) { _, new in new }
        let besides: Set = [InboxEvent.startingParam, InboxEvent.gatheredParam]
        if let problem = version.definition.problem(ofParams: params, besides: besides) {
            throw PerchError(.invalid, problem)
        }
        var logicalDate = request.logicalDate ?? now
        let runID: String
        if let named = request.runID {
            try Self.checkRunID(named)
            runID = named
        } else {
            // Two runs asked for in one microsecond get dates of their own.
            while request.logicalDate == nil,
                try self.run(dagID: request.dagID, runID: Self.runID(request.type, logicalDate)) != nil
            {
                logicalDate.microseconds += 1
            }
            runID = Self.runID(request.type, logicalDate)
        }
        let row = RunRow(
            runKey: try nextID(), dagID: request.dagID, runID: runID, versionID: dag.versionID, type: request.type,
            state: .queued, logicalDate: logicalDate, dataIntervalStart: request.dataIntervalStart ?? logicalDate,
            dataIntervalEnd: request.dataIntervalEnd ?? logicalDate, params: .object(params), queuedAt: now,
            startDate: nil, endDate: nil, eventFloor: try lastEventSeq())
        let inserted = try run(
            """
            INSERT INTO dag_run (run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start,
                interval_end, params, event_id, event_floor, to_create, unfinished, failed, queued_at, alert_at,
                traceparent)
            VALUES (:1, :2, :3, :4, :5, 'queued', :6, :7, :8, :9, :10, :11, :12, :12, 0, :13, :14, :15)
            ON CONFLICT DO NOTHING
            """, row.runKey, row.dagID, row.runID, row.versionID, row.type, row.logicalDate, row.dataIntervalStart,
            row.dataIntervalEnd, row.params.text, request.eventID ?? request.askedBy.map { RunRequest.mark(ofKey: $0) },
            row.eventFloor,
            version.tasks.count - version.callbacks.count, now, version.deadlines.first.map { now + $0 },
            request.traceparent.flatMap { TraceParent($0) }?.text)
        guard inserted == 1 else {
            let what =
                try self.run(dagID: row.dagID, runID: row.runID) != nil
                ? "a run '\(row.runID)'"
                : request.eventID.map { "a run for the event '\($0)'" } ?? "a run for that date"
            throw PerchError(.conflict, "the DAG '\(row.dagID)' has \(what) already")
        }
        ring(.runs)
        return row
    }

    private static func runID(_ type: RunType, _ logicalDate: Timestamp) -> String {
        "\(type.rawValue)__\(logicalDate.description)"
    }

    /// - Throws: `PerchError` (`invalid`) for an id that no run may have.
    package static func checkRunID(_ runID: String) throws {
        let isPlain = runID.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control && $0 != "/" }
        guard !runID.isEmpty, runID.utf8.count <= 250, isPlain, runID != ".", runID != ".." else {
            throw PerchError(
                .invalid, "the run id '\(runID)' is ill-formed: 1 to 250 bytes, no '/', no control characters")
        }
    }

    /// Starts queued runs of unpaused DAGs below their `max_active_runs`, creates task instances, expands mapped tasks and
    /// carries backfills, cancels and ends of runs on, within a budget of rows. True where more is left: call again in another transaction.
    public func advanceRuns(budget: Int) throws -> Bool {
        var left = budget
        try advanceBackfills(&left)
        try startRuns(&left)
        try createInstances(&left)
        try expandMappedTasks(&left)
        try timeOutRuns(&left)
        try callForDeadlines(&left)
        try continueCancels(&left)
        try continueRunEnds(&left)
        return left <= 0
    }

    private func startRuns(_ left: inout Int) throws {
        var previous = ""
        while left > 0 {
            let next = try first(
                """
                SELECT r.dag_id, d.is_paused, d.max_active_runs FROM dag_run r JOIN dag d ON d.dag_id = r.dag_id
                WHERE r.state = 'queued' AND r.dag_id > :1 ORDER BY r.dag_id LIMIT 1
                """, previous
            ) { (dagID: $0.text(0), isPaused: $0.bool(1), most: $0.int64(2)) }
            guard let next else { return }
            previous = next.dagID
            if next.isPaused { continue }
            for runKey in try runsToStart(of: next.dagID, most: next.most, limit: left) {
                let timeout = try facts(ofRun: runKey).version.definition.runTimeout
                try run(
                    "UPDATE dag_run SET state = 'running', start_date = :2, deadline = :3 WHERE run_key = :1", runKey,
                    now, timeout.map { now + $0 })
                runs[runKey] = nil
                left -= 1
                let settlement = Settlement()
                settlement.touch(runKey: runKey)
                try settle(settlement)
            }
        }
    }

    /// Queued runs that may begin, the oldest first. Those of a backfill may, for it has a bound of its own, by which it
    /// creates them.
    private func runsToStart(of dagID: String, most: Int64, limit: Int) throws -> [Int64] {
        var starting: [Int64] = []
        if try number("SELECT 1 FROM backfill WHERE dag_id = :1 AND completed_at IS NULL", dagID) != nil {
            starting = try rows(
                """
                SELECT run_key FROM dag_run WHERE dag_id = :1 AND state = 'queued' AND backfill_id IS NOT NULL
                ORDER BY run_key LIMIT :2
                """, dagID, limit
            ) { $0.int64(0) }
        }
        let running = try number(
            "SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state = 'running' AND backfill_id IS NULL", dagID)
        let free = min(most - (running ?? 0), Int64(limit - starting.count))
        guard free > 0 else { return starting }
        return try starting
            + rows(
                """
                SELECT run_key FROM dag_run WHERE dag_id = :1 AND state = 'queued' AND backfill_id IS NULL
                ORDER BY run_key LIMIT :2
                """, dagID, free
            ) { $0.int64(0) }
    }

    /// From the last task to the first: what comes after a task is there before the task can end.
    func createInstances(_ left: inout Int) throws {
        while left > 0 {
            let creating = try number(
                "SELECT run_key FROM dag_run WHERE state = 'running' AND to_create > 0 ORDER BY run_key LIMIT 1")
            guard let runKey = creating else { return }
            let facts = try facts(ofRun: runKey)
            var index = facts.toCreate
            let settlement = Settlement()
            var sensors = NewSensors()
            while index > 0, left > 0 {
                index -= 1
                left -= 2
                let task = facts.version.tasks[index]
                let pending = task.upstream.count
                let isReady = task.upstream.isEmpty || (task.triggerRule == .always && task.alignedWith.isEmpty)
                let isCancelled = facts.cancelledBy != nil && task.teardown == nil
                if isReady, !isCancelled, facts.isNewest, case .sensor(let sensor) = task.kind, task.mappedOver == nil {
                    let instance = Instance(
                        id: try nextID(), runKey: runKey, taskIndex: index, mapIndex: -1, tryNumber: 0)
                    if try begin(instance, task: task, with: sensor, pending: pending, among: &sensors) { continue }
                }
                if isReady, !isCancelled, facts.isNewest, task.isQueuedAtOnce, task.mappedOver == nil {
                    let instance = Instance(
                        id: try nextID(), runKey: runKey, taskIndex: index, mapIndex: -1, tryNumber: 0)
                    try beginCode(instance, task: task, pending: pending, in: settlement)
                    continue
                }
                let instance = try insertInstance(
                    runKey: runKey, taskIndex: index, mapIndex: -1, task: task, pending: pending)
                if isCancelled {
                    try end(instance, as: .skipped, message: facts.whyCancelled, in: settlement)
                } else if isReady {
                    try makeReady(instance, in: settlement)
                }
            }
            try storeSensors(&sensors)
            try run("UPDATE dag_run SET to_create = :2 WHERE run_key = :1", runKey, index)
            runs[runKey] = nil
            try settle(settlement)
        }
    }

    func insertInstance(
        runKey: Int64, taskIndex: Int, mapIndex: Int, task: TaskDefinition, pending: Int, tryNumber: Int = 0
    ) throws -> Instance {
        let instance = Instance(
            id: try nextID(), runKey: runKey, taskIndex: taskIndex, mapIndex: mapIndex, tryNumber: tryNumber)
        try insert(instance, task: task, pending: pending)
        return instance
    }

    /// Makes the row of an instance that has not begun.
    func insert(_ instance: Instance, task: TaskDefinition, pending: Int) throws {
        try post(
            """
            INSERT INTO task_instance (ti_id, run_key, task_index, map_index, state, try_number, first_try, dispatch_id,
                pending, upstream_failed, upstream_skipped, pool, priority, queue_class, is_held, is_suspect, is_callback,
                queue)
            VALUES (:1, :2, :3, :4, 'none', :5, :6, 0, :7, 0, 0, :8, :9, 2, 0, 0, :10, :11)
            """, instance.id, instance.runKey, instance.taskIndex, instance.mapIndex, instance.tryNumber,
            instance.tryNumber + 1, pending, task.pool, task.priority, task.callback != nil,
            try facts(ofRun: instance.runKey).queues.stored(task.queue))
    }
}
