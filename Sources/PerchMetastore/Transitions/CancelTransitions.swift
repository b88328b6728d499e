// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Cancels one instance: commits the intended final state with reason and who. A pure sensor, a task without
    /// `onKill` and one that has not begun end in this transaction; a running one when its worker says so; a waiting
    /// one with `onKill` is dispatched once more to clean up. False where it had ended already.
    /// - Throws: `notFound` where there is no such instance.
    public func cancelTask(_ key: TaskInstanceKey, intent: CancelIntent) throws -> Bool {
        guard let row = try taskInstance(key) else {
            throw PerchError(
                .notFound,
                "the run '\(key.runID)' of '\(key.dagID)' has no task instance '\(key.taskID)' [\(key.mapIndex)]")
        }
        let settlement = Settlement()
        let isCancelled = try cancel(row.instance, state: row.state, dispatchID: row.dispatchID, intent, in: settlement)
        try settle(settlement)
        return isCancelled
    }

    func cancel(
        _ instance: Instance, state: TaskState, dispatchID: Int64, _ intent: CancelIntent, in settlement: Settlement
    ) throws -> Bool {
        let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
        if try isLeaving(instance) { return false }
        switch state {
        case .success, .failed, .skipped, .upstreamFailed, .removed:
            return false
        case .none, .scheduled, .upForRetry, .queued:
            let hasBegun =
                try number(
                    "SELECT 1 FROM journal WHERE ti_id = :1 AND try_number = :2 LIMIT 1", instance.id,
                    instance.tryNumber) != nil
            if state != .none, state != .upForRetry, hasBegun, task.hasOnKill {
                try releaseSlot(dispatchID: dispatchID)
                try store(intent, of: instance)
                try enqueue(instance, task: task, as: .cancelling, in: settlement)
            } else {
                try releaseSlot(dispatchID: dispatchID)
                try endCancelled(instance, as: intent.finalState, reason: intent.reason, in: settlement)
            }
        case .deferred:
            guard let waitID = try number("SELECT wait_id FROM wait WHERE ti_id = :1", instance.id) else {
                throw PerchError(.metastore, "task instance \(instance.id) is deferred, but has no wait")
            }
            try removeWait(waitID, of: instance, intent)
            try endWaiting(instance, task: task, intent, in: settlement)
        case .running:
            try store(intent, of: instance)
            ring(.cancels)
        }
        return true
    }

    /// The end of an instance whose wait a cancel has removed: at once, or after one more dispatch that cleans up.
    func endWaiting(
        _ instance: Instance, task: TaskDefinition, _ intent: CancelIntent, in settlement: Settlement
    ) throws {
        if task.hasOnKill, case .code = task.kind {
            try store(intent, of: instance)
            try enqueue(instance, task: task, as: .cancelling, in: settlement)
        } else {
            try endCancelled(instance, as: intent.finalState, reason: intent.reason, in: settlement)
        }
    }

    private func store(_ intent: CancelIntent, of instance: Instance) throws {
        try run(
            "UPDATE task_instance SET cancel_state = :2, cancel_reason = :3, cancel_by = :4 WHERE ti_id = :1",
            instance.id,
            intent.finalState, intent.reason, intent.by)
    }

    private func removeWait(_ waitID: Int64, of instance: Instance, _ intent: CancelIntent) throws {
        let gone = try first(
            """
            DELETE FROM wait WHERE wait_id = :1
            RETURNING is_sensor, journal_key, since, kind, target, definition, queue, shard, held
            """, waitID
        ) { row in
            (
                isSensor: row.bool(0), key: row.text(1), since: row.time(2), kind: row.text(3), target: row.text(4),
                definition: row.optionalText(5), queue: row.text(6), shard: row.int(7), held: row.int(8)
            )
        }
        if let gone {
            tally.fired(kind: gone.kind, .cancelled(intent), due: nil)
            if tally.isTraced {
                tally.traced.append(
                    .wait(
                        JournalPlace(instance.id, instance.tryNumber, gone.key), kind: gone.kind, target: gone.target,
                        outcome: "cancelled", began: gone.since, ended: now))
            }
            if HostedKind.isHosted(gone.kind) { try removeHosted(waitID) }
            if gone.held > 0 { try releaseSlots(ofWait: waitID) }
        }
        let outcome = WaitOutcome.cancelled(intent).json.text
        if let gone, gone.isSensor {
            let end = SensorEnd(
                instance: instance, output: nil, journalKey: gone.key, since: gone.since,
                trigger: StoredJSON.triggerText(kind: gone.kind, target: gone.target, definition: gone.definition),
                outcome: outcome, eventSeq: nil, by: intent.by)
            try journal([end])
        } else {
            try run(
                """
                UPDATE journal SET outcome = :3, fired_at = :4, fired_by = :5
                WHERE ti_id = :1 AND try_number = :2 AND kind = 'wait' AND outcome IS NULL
                """, instance.id, instance.tryNumber, outcome, now, intent.by)
        }
        if let gone { try noteChange(of: waitID, queue: gone.queue, shard: gone.shard) }
    }

    /// The end of a cancel. `none` means that the instance was cleared while it ran: its next try follows, or is left
    /// to the clear that is under way. `removed`: what it was mapped over was cleared, and it goes.
    func endCancelled(
        _ instance: Instance, as intended: TaskState, reason: String?, in settlement: Settlement
    ) throws {
        if try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex].hasOnKill { try forgetKept(instance) }
        if intended == .removed { return try depart(instance, in: settlement) }
        guard intended == .none else {
            let reason = reason ?? "no reason given"
            let message = reason.hasPrefix(Self.marked) ? reason : "cancelled: \(reason)"
            try end(instance, as: intended, message: message, in: settlement)
            return
        }
        try run(
            """
            UPDATE task_instance SET state = 'none', dispatch_id = 0, worker = NULL, cancel_state = NULL, first_try = :2
            WHERE ti_id = :1
            """, instance.id, instance.tryNumber + 1)
        if settlement.isClearing { return }
        try resume(instance, in: settlement)
    }

    /// Cancels every unfinished instance of a run, which fails when they have ended. False where it had ended already.
    /// - Throws: `notFound` where there is no such run.
    public func cancelRun(dagID: String, runID: String, by: String) throws -> Bool {
        guard let row = try self.run(dagID: dagID, runID: runID) else {
            throw PerchError(.notFound, "the DAG '\(dagID)' has no run '\(runID)'")
        }
        switch row.state {
        case .success, .failed: return false
        case .queued:
            // Its instances are still to be created, should it be cleared.
            try run(
                """
                UPDATE dag_run SET state = 'failed', cancelled_by = :2, end_date = :3, start_date = :3
                WHERE run_key = :1
                """, row.runKey, by, now)
            noteEnd(ofRun: row.runKey, .failed)
            let settlement = Settlement()
            try runEnded(row.runKey, of: dagID, as: .failed, in: settlement)
            settlement.runEnded(row.runKey, as: .failed)
            try settle(settlement)
        case .running:
            try run("UPDATE dag_run SET cancelled_by = :2 WHERE run_key = :1", row.runKey, by)
            runs[row.runKey] = nil
            var left = 2_000
            try continueCancel(runKey: row.runKey, left: &left)
            ring(.runs)
        }
        return true
    }

    /// Cancels runs that are under way for longer than they may be.
    func timeOutRuns(_ left: inout Int) throws {
        let overdue = try rows(
            """
            SELECT dag_id, run_id, start_date FROM dag_run
            WHERE state = 'running' AND deadline <= :1 AND cancelled_by IS NULL ORDER BY deadline, run_key LIMIT 100
            """, now
        ) { (dagID: $0.text(0), runID: $0.text(1), start: $0.optionalTime(2)) }
        for run in overdue where left > 0 {
            _ = try cancelRun(dagID: run.dagID, runID: run.runID, by: Hindrance.runTimeout)
            left -= 2_000
        }
    }

    /// Goes on with cancels of runs that were too large for one transaction.
    func continueCancels(_ left: inout Int) throws {
        let cancelling = try rows(
            """
            SELECT run_key FROM dag_run WHERE state = 'running' AND cancelled_by IS NOT NULL ORDER BY run_key LIMIT 100
            """
        ) { $0.int64(0) }
        for runKey in cancelling where left > 0 {
            try continueCancel(runKey: runKey, left: &left)
        }
    }

    func continueCancel(runKey: Int64, left: inout Int) throws {
        let facts = try facts(ofRun: runKey)
        let by = facts.cancelledBy ?? "nobody"  // because only cancelled runs come here
        // What a setup has made is cleaned up in a cancelled run too.
        let teardowns = facts.version.tasks.indices.filter { facts.version.tasks[$0].teardown != nil }
        // Those whose cancel is under way have a cancel_state. From the last task to the first: what has not begun
        // ends as skipped before an upstream that fails could name it upstream_failed.
        let unfinished = try rows(
            """
            SELECT ti_id, run_key, task_index, map_index, state, try_number, dispatch_id FROM task_instance
            WHERE run_key = :1 AND cancel_state IS NULL AND is_callback = 0
                AND state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry')
            ORDER BY task_index DESC, map_index LIMIT :2
            """, runKey, max(left, 1) + teardowns.count
        ) { row in
            (
                Instance(
                    id: row.int64(0), runKey: row.int64(1), taskIndex: row.int(2), mapIndex: row.int(3),
                    tryNumber: row.int(5)),
                try row.name(4, as: TaskState.self), row.int64(6)
            )
        }
        let settlement = Settlement()
        for (instance, state, dispatchID) in unfinished where !teardowns.contains(instance.taskIndex) {
            let hasBegun = state == .running || state == .deferred || state == .upForRetry
            let intent = CancelIntent(
                finalState: hasBegun ? .failed : .skipped, reason: facts.whyCancelled, by: by)
            _ = try cancel(instance, state: state, dispatchID: dispatchID, intent, in: settlement)
            left -= 4
        }
        try settle(settlement)
    }
}

extension Snapshot {
    /// Running dispatches of a worker that are to be cancelled.
    public func cancelOrders(
        worker: Int64
    ) throws -> [(taskInstanceID: Int64, dispatchID: Int64, intent: CancelIntent)] {
        try rows(
            """
            SELECT ti_id, dispatch_id, cancel_state, cancel_reason, cancel_by FROM task_instance
            WHERE state = 'running' AND worker = :1 AND cancel_state IS NOT NULL ORDER BY ti_id
            """, worker
        ) { row in
            (
                row.int64(0), row.int64(1),
                CancelIntent(finalState: try row.name(2), reason: row.text(3), by: row.text(4))
            )
        }
    }
}

extension TaskInstanceRow {
    var instance: Instance {
        Instance(id: taskInstanceID, runKey: runKey, taskIndex: taskIndex, mapIndex: key.mapIndex, tryNumber: tryNumber)
    }
}
