// SPDX-License-Identifier: Apache-2.0

import PerchOutputs
import PerchSDK

extension Transaction {
    /// queued → running for one worker: clean-ups after a cancel first, then what resumes, then what is new, each by
    /// priority, and DAGs of one priority in turn. What is queued of tasks that have left their DAG ends instead.
    ///
    /// - Parameters:
    ///   - queues: The queues whose tasks it takes; nil: every queue.
    ///   - bundle: The bundle whose tasks it takes.
    ///   - bundleVersion: What the worker would begin them with: runs of pinned DAGs are pinned to it.
    public func claim(
        limit: Int, worker: Int64, queues: [String]? = nil, bundle: String = WorkerTerms.defaultBundle,
        bundleVersion: String? = nil
    ) throws -> [ClaimedTask] {
        var claimed: [ClaimedTask] = []
        var gone = 0
        let bundle = BundleQueue(of: bundle)
        while claimed.count < limit {
            let queued = try nextQueued(limit: limit - claimed.count, of: queues, bundle)
            let settlement = Settlement()
            let there = try queued.filter { entry in
                let isGone =
                    try entry.cancel == nil
                    && endGone(entry.instance, dispatchID: entry.dispatchID, hasBegun: entry.hasBegun, in: settlement)
                return !isGone
            }
            claimed += try claim(there, worker: worker, bundleVersion)
            let ended = queued.count - there.count
            if ended == 0 { break }
            try settle(settlement)
            gone += ended
            // The rest is left to another transaction.
            if gone > 2_000 {
                ring(bundle.bell)
                return claimed
            }
        }
        // Who takes from every queue, and could have taken more, has left nothing that another worker is to be woken for. The
        // other bundle's bell is all other bundles' alike.
        if queues == nil, claimed.count < limit, bundle.bell == .queue { answer(.queue) }
        return claimed
    }

    private func claim(_ entries: [QueuedTask], worker: Int64, _ bundleVersion: String?) throws -> [ClaimedTask] {
        let journals = try journals(of: entries.map { ($0.instance.id, $0.instance.tryNumber) })
        let elements = try elements(of: entries.map(\.instance))
        // The state is compared with a value, not with a word: an empty table's plan, which a server keeps, would take a word for
        // rare, and look through all instances for those few.
        try updateMany(
            """
            UPDATE task_instance SET state = 'running', worker = v.column2, start_date = COALESCE(start_date, v.column3)
            FROM (VALUES (CAST(:1 AS {int64}), CAST(:2 AS {int64}), CAST(:3 AS {int64}), :4)) AS v
            WHERE ti_id = v.column1 AND state = v.column4
            """,
            one: """
                UPDATE task_instance SET state = 'running', worker = :2, start_date = COALESCE(start_date, :3)
                WHERE ti_id = :1 AND state = :4
                """,
            entries.flatMap {
                [.integer($0.instance.id), .integer(worker), now.sqlValue, TaskState.queued.rawValue.sqlValue]
            }, width: 4)
        return try zip(entries, journals).map { entry, journal in
            var task = try claimed(entry, journal: journal, element: elements[entry.instance.id])
            task.bundleVersion = try pin(entry.instance.runKey, to: bundleVersion)
            return task
        }
    }

    /// With which version of the bundle the code of a run goes on; nil: with any.
    private func pin(_ runKey: Int64, to current: String?) throws -> String? {
        let facts = try facts(ofRun: runKey)
        guard facts.version.definition.versioning == .pinned else { return nil }
        if facts.bundleVersion == nil, let current {
            try run(
                "UPDATE dag_run SET bundle_version = :2 WHERE run_key = :1 AND bundle_version IS NULL", runKey, current)
            facts.bundleVersion = current
        }
        return facts.bundleVersion
    }

    /// What mapped instances are for that are over the output of a task, by their ids.
    private func elements(of instances: [Instance]) throws -> [Int64: String] {
        let places = try instances.compactMap { instance -> (instance: Instance, source: Int)? in
            let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
            guard instance.mapIndex >= 0, task.callback == nil, let source = task.mappedOver else { return nil }
            return (instance, source)
        }
        var elements: [Int64: String] = [:]
        for (place, element) in zip(places, try self.elements(at: places)) { elements[place.instance.id] = element }
        return elements
    }

    /// A task that is its worker's now, with what that needs.
    private func claimed(_ entry: QueuedTask, journal: [JournalEntry], element: String?) throws -> ClaimedTask {
        let instance = entry.instance
        tally.entered(.running)
        let facts = try facts(ofRun: instance.runKey)
        let task = facts.version.tasks[instance.taskIndex]
        if task.queuedTimeout != nil { try setQueueDeadline(nil, of: instance) }
        let kept = try keptForCleanUp(instance, task: task, entry.cancel)
        return ClaimedTask(
            taskInstanceID: instance.id, dispatchID: entry.dispatchID,
            key: TaskInstanceKey(
                dagID: facts.row.dagID, runID: facts.row.runID, taskID: task.taskID, mapIndex: instance.mapIndex),
            run: facts.row, taskIndex: instance.taskIndex, definition: task,
            tryNumber: instance.tryNumber,
            journal: journal,
            inputs: try kept?.inputs ?? inputs(of: instance, task: task, facts.version),
            mapElement: try kept.map(\.element) ?? element ?? mapElement(of: instance, task: task),
            executionLeft: entry.executionLeft,
            cancel: entry.cancel, isSuspect: entry.isSuspect)
    }

    /// Ends dispatches. For each report, whether it was accepted; false: its dispatch is not the current one, and nothing
    /// has changed. What comes after is resolved, slots are freed and filled again, runs end, all in this transaction.
    public func finish(_ reports: [TaskReport]) throws -> [Bool] {
        var found = try running(reports)
        // The first report of a dispatch ends it.
        var ended: Set<Int64> = []
        for place in found.indices {
            if let dispatch = found[place], !ended.insert(dispatch.instance.id).inserted { found[place] = nil }
        }
        try releaseSlots(dispatchIDs: zip(reports, found).compactMap { $1 == nil ? nil : $0.dispatchID })
        let settlement = Settlement()
        var successes: [Success] = []
        for (report, dispatch) in zip(reports, found) {
            if let dispatch { try finish(report, of: dispatch, among: &successes, in: settlement) }
        }
        try store(successes)
        try settle(settlement)
        return found.map { $0 != nil }
    }

    /// A dispatch that a worker has, as its row says.
    private struct RunningDispatch {
        var instance: Instance
        var firstTry: Int
        var cancel: TaskState?
        var reason: String?
    }

    /// The dispatches that reports are of; nil where it is not the current one.
    private func running(_ reports: [TaskReport]) throws -> [RunningDispatch?] {
        func dispatch(_ row: borrowing SQLRow) throws -> RunningDispatch {
            RunningDispatch(
                instance: Instance(
                    id: row.int64(0), runKey: row.int64(2), taskIndex: row.int(3), mapIndex: row.int(4),
                    tryNumber: row.int(5)),
                firstTry: row.int(6), cancel: try row.optionalName(7, as: TaskState.self), reason: row.optionalText(8))
        }
        if reports.count == 1 {
            let (id, dispatchID) = (reports[0].taskInstanceID, reports[0].dispatchID)
            return [try first(Self.findRunning, id, dispatchID) { try dispatch($0) }]
        }
        var running: [Int64: (dispatchID: Int64, dispatch: RunningDispatch)] = [:]
        let lists = IDChunk.lists(reports.map(\.taskInstanceID)).map { $0 + [TaskState.running.rawValue.sqlValue] }
        try connection.query(Self.findManyRunning, forEach: lists) { _, row in
            running[row.int64(0)] = (row.int64(1), try dispatch(row))
        }
        return reports.map { report in
            let found = running[report.taskInstanceID]
            return found?.dispatchID == report.dispatchID ? found?.dispatch : nil
        }
    }

    private static let findRunning: StaticString = """
        SELECT ti_id, dispatch_id, run_key, task_index, map_index, try_number, first_try, cancel_state, cancel_reason
        FROM task_instance WHERE ti_id = :1 AND dispatch_id = :2 AND state = 'running' {for_update}
        """

    /// The state is a value, as in a claim.
    private static let findManyRunning: StaticString = """
        SELECT ti_id, dispatch_id, run_key, task_index, map_index, try_number, first_try, cancel_state, cancel_reason
        FROM task_instance WHERE ti_id IN ({ids}) AND state = :33 {for_update}
        """

    private func finish(
        _ report: TaskReport, of found: RunningDispatch, among successes: inout [Success], in settlement: Settlement
    ) throws {
        if let intended = found.cancel {
            return try endCancelled(found.instance, as: intended, reason: found.reason, in: settlement)
        }
        switch report.outcome {
        case .success(let reported, let items):
            let output: String
            do {
                output = try inlined(reported, of: found.instance)
            } catch let error as PerchError where error.code == .unavailable {
                return try fail(
                    found.instance, message: "what it gave cannot be read: \(error.message)", isRetryable: true,
                    firstTry: found.firstTry, in: settlement)
            }
            if items != nil { try post("DELETE FROM output_item WHERE ti_id = :1", report.taskInstanceID) }
            for (position, item) in (items ?? []).enumerated() {
                try post(
                    "INSERT INTO output_item (ti_id, position, value) VALUES (:1, :2, :3)", report.taskInstanceID,
                    position, item)
            }
            successes.append(Success(instanceID: found.instance.id, output: output))
            try ended(found.instance, as: .success, message: nil, in: settlement)
        case .skipped(let message):
            try end(found.instance, as: .skipped, message: message, in: settlement)
        case .failure(let message, let isRetryable, let delay):
            try fail(
                found.instance, message: message, isRetryable: isRetryable, delay: delay, firstTry: found.firstTry,
                in: settlement)
        case .cancelled:
            try end(found.instance, as: .failed, message: "cancelled by its worker", in: settlement)
        }
    }

    /// An output as its row holds it: where it decides what comes next, the value itself, whatever its length.
    private func inlined(_ output: String, of instance: Instance) throws -> String {
        guard OutputText.isMarked(output),
            try facts(ofRun: instance.runKey).version.deciding.contains(instance.taskIndex)
        else { return output }
        return try value(ofOutput: output)
    }

    /// A try has failed: `up_for_retry` while there are retries left, else `failed`.
    func fail(
        _ instance: Instance, message: String, isRetryable: Bool, delay: TimeSpan? = nil, firstTry: Int,
        in settlement: Settlement
    ) throws {
        let facts = try facts(ofRun: instance.runKey)
        let task = facts.version.tasks[instance.taskIndex]
        let triesSinceClear = instance.tryNumber - firstTry + 1
        let isOver = facts.cancelledBy != nil && task.callback == nil
        guard isRetryable, triesSinceClear <= task.retries, !isOver else {
            try end(instance, as: .failed, message: message, in: settlement)
            return
        }
        if tally.isTraced {
            // The next try may have begun before anybody looks.
            let began = try number("SELECT start_date FROM task_instance WHERE ti_id = :1", instance.id)
            noteEnd(of: instance, .upForRetry, began: began.map { Timestamp(microseconds: $0) })
        }
        try run(
            """
            UPDATE task_instance SET state = 'up_for_retry', dispatch_id = 0, worker = NULL, end_date = :2, retry_at = :3,
                message = :4 WHERE ti_id = :1
            """, instance.id, now, now + (delay ?? task.retryDelay(afterTry: triesSinceClear)), message)
        tally.entered(.upForRetry)
        ring(.runs)
        try callBack(.retry, of: instance, .upForRetry, message: message, in: settlement)
    }

    /// up_for_retry → the next try, where due. Steps declared to be kept are inherited. True where more is left.
    public func retryDue(limit: Int) throws -> Bool {
        let due = try rows(
            """
            SELECT ti_id, run_key, task_index, map_index, try_number FROM task_instance
            WHERE state = 'up_for_retry' AND retry_at <= :1 ORDER BY retry_at, ti_id LIMIT :2
            """, now, limit
        ) { row in
            Instance(
                id: row.int64(0), runKey: row.int64(1), taskIndex: row.int(2), mapIndex: row.int(3),
                tryNumber: row.int(4))
        }
        let settlement = Settlement()
        for instance in due {
            if let sentence = try departure(of: instance.taskIndex, facts(ofRun: instance.runKey)) {
                try end(instance, as: .failed, message: Self.cannotGoOn(sentence), in: settlement)
                continue
            }
            try run(
                """
                INSERT INTO journal (ti_id, try_number, key, kind, position, payload, is_kept, dispatch_id, recorded_at)
                SELECT ti_id, try_number + 1, key, kind, position, payload, is_kept, dispatch_id, recorded_at FROM journal
                WHERE ti_id = :1 AND try_number = :2 AND is_kept = 1
                """, instance.id, instance.tryNumber)
            try beginTry(instance, in: settlement)
        }
        try settle(settlement)
        return due.count == limit
    }

    /// running → queued with a fresh dispatch: the journal is kept and no retry spent. What a lost worker or a bundle
    /// process that died costs its attempts. Dispatches that are not current are ignored.
    public func requeue(_ dispatches: [(taskInstanceID: Int64, dispatchID: Int64)], asSuspects: Bool) throws {
        let settlement = Settlement()
        for dispatch in dispatches {
            let found = try first(
                """
                SELECT run_key, task_index, map_index, try_number, cancel_state, cancel_reason FROM task_instance
                WHERE ti_id = :1 AND state = 'running' AND dispatch_id = :2 {for_update}
                """, dispatch.taskInstanceID, dispatch.dispatchID
            ) { row in
                (
                    Instance(
                        id: dispatch.taskInstanceID, runKey: row.int64(0), taskIndex: row.int(1), mapIndex: row.int(2),
                        tryNumber: row.int(3)),
                    try row.optionalName(4, as: TaskState.self), row.optionalText(5)
                )
            }
            guard let (instance, cancel, reason) = found else { continue }
            try releaseSlot(dispatchID: dispatch.dispatchID)
            if asSuspects { try run("UPDATE task_instance SET is_suspect = 1 WHERE ti_id = :1", instance.id) }
            let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
            if let cancel, !task.hasOnKill {
                try endCancelled(instance, as: cancel, reason: reason, in: settlement)
            } else {
                try enqueue(instance, task: task, as: cancel == nil ? .resumed : .cancelling, in: settlement)
            }
        }
        try settle(settlement)
    }
}
