// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// running → deferred: wait row, journal, deadline, slot released and state in one transaction. Where a cancel is
    /// pending, straight back into the queue to clean up. For each: whether its dispatch was the current one.
    ///
    /// A trigger whose instant cannot be read fails the try instead.
    public func deferTasks(_ deferrals: [Deferral]) throws -> [Bool] {
        let settlement = Settlement()
        let accepted = try deferrals.map { try deferTask($0, in: settlement) }
        try settle(settlement)
        return accepted
    }

    private func deferTask(_ deferral: Deferral, in settlement: Settlement) throws -> Bool {
        let found = try first(
            """
            SELECT run_key, task_index, map_index, try_number, first_try, task_deadline, cancel_state, cancel_reason
            FROM task_instance WHERE ti_id = :1 AND state = 'running' AND dispatch_id = :2 {for_update}
            """, deferral.taskInstanceID, deferral.dispatchID
        ) { row in
            (
                instance: Instance(
                    id: deferral.taskInstanceID, runKey: row.int64(0), taskIndex: row.int(1), mapIndex: row.int(2),
                    tryNumber: row.int(3)),
                firstTry: row.int(4), deadline: row.optionalTime(5),
                cancel: try row.optionalName(6, as: TaskState.self),
                reason: row.optionalText(7)
            )
        }
        guard let found else { return false }
        let instance = found.instance
        let facts = try facts(ofRun: instance.runKey)
        let task = facts.version.tasks[instance.taskIndex]
        try releaseSlot(dispatchID: deferral.dispatchID)
        if let cancel = found.cancel {
            if task.hasOnKill {
                try enqueue(instance, task: task, as: .cancelling, in: settlement)
            } else {
                try endCancelled(instance, as: cancel, reason: found.reason, in: settlement)
            }
            return true
        }
        if try isRecorded(deferral.key, of: instance) {
            try fail(
                instance, message: "the wait '\(deferral.key)' was recorded before and must not be waited for again",
                isRetryable: false, firstTry: found.firstTry, in: settlement)
            return true
        }
        let targetKey = ContentHash.targetKey(kind: deferral.trigger.kind, target: deferral.trigger.target)
        // A later wait of the same target in a try looks after the event that the earlier one received.
        let received = try number(
            """
            SELECT MAX(event_seq) FROM journal
            WHERE ti_id = :1 AND try_number = :2 AND target_key = :3 AND event_seq IS NOT NULL
            """, instance.id, instance.tryNumber, targetKey)
        let wait = NewWait(
            instance: instance, journalKey: deferral.key, trigger: deferral.trigger,
            deadline: earliest(found.deadline, deferral.timeout.map { now + $0 }), isSensor: false,
            eventFloor: max(facts.row.eventFloor, received ?? 0), received: received,
            holds: try deferredHolds(of: task),
            queue: task.queue)
        do {
            try register(wait, in: settlement)
        } catch let error as PerchError where error.code == .invalid {
            try fail(instance, message: error.message, isRetryable: false, firstTry: found.firstTry, in: settlement)
            return true
        }
        try run(
            """
            INSERT INTO journal (ti_id, try_number, key, kind, position, payload, target_key, is_kept, dispatch_id,
                recorded_at)
            VALUES (:1, :2, :3, 'wait', :4, :5, :6, 0, :7, :8)
            """, instance.id, instance.tryNumber, deferral.key, try nextPosition(instance),
            deferral.trigger.text, targetKey, deferral.dispatchID, now)
        try run(
            """
            UPDATE task_instance SET state = 'deferred', dispatch_id = 0, worker = NULL, is_suspect = 0,
                execution_left = CASE WHEN execution_left IS NULL THEN NULL
                    WHEN execution_left > :2 THEN execution_left - :2 ELSE 0 END
            WHERE ti_id = :1
            """, instance.id, deferral.ranFor)
        tally.entered(.deferred)
        try callBack(.deferred, of: instance, .deferred, message: deferral.trigger.target, in: settlement)
        return true
    }

    private func isRecorded(_ key: String, of instance: Instance) throws -> Bool {
        try number(
            "SELECT 1 FROM journal WHERE ti_id = :1 AND try_number = :2 AND key = :3", instance.id, instance.tryNumber,
            key)
            != nil
    }

    func nextPosition(_ instance: Instance) throws -> Int64 {
        try number(
            "SELECT COALESCE(MAX(position), -1) + 1 FROM journal WHERE ti_id = :1 AND try_number = :2", instance.id,
            instance.tryNumber) ?? 0
    }

    /// Fires waits: each row leaves, its outcome is journalled, its task moves on. For each: whether it won; a wait
    /// that is gone was won by another.
    ///
    /// `lease` is the triggerer's process. Without one, a fire by hand or a cancel, the triggerer is left a note that the
    /// wait is gone.
    ///
    /// `noted` is the last note that the triggerer has read. A timeout does not win where a later note is about its
    /// wait: its deadline was moved, and the triggerer does not know the new one yet.
    /// - Throws: `conflict` where the lease is not held any more; then nothing was fired.
    public func fire(
        _ firings: [Firing], lease owner: Int64?, noted: Int64 = .max
    ) throws -> [Bool] {
        try fireWaits(firings, lease: owner, noted: noted).map { $0 == .won }
    }

    /// `fire`, which also tells of the waits whose event was another's.
    public func fireWaits(
        _ firings: [Firing], lease owner: Int64?, noted: Int64 = .max
    ) throws -> [FireResult] {
        if let owner { try checkLease(of: owner) }
        let changed =
            firings.contains { $0.outcome == .timeout }
            ? Set(try rows("SELECT wait_id FROM wait_removal WHERE seq > :1", noted) { $0.int64(0) }) : []
        // A wait that claims an event stands where the event is another's.
        let standing = firings.filter { !$0.claims && ($0.outcome != .timeout || !changed.contains($0.waitID)) }
        var taken = try takeWaits(standing.map(\.waitID))
        let settlement = Settlement()
        settlement.gathers = firings.count >= IDChunk.size
        let results = try firings.map { firing -> FireResult in
            if firing.outcome == .timeout, changed.contains(firing.waitID) { return .lost }
            if firing.claims {
                guard try claimEvent(of: firing) else { return .taken }
                return try fire(firing, isByOwner: owner != nil, in: settlement) ? .won : .lost
            }
            guard let gone = taken.removeValue(forKey: firing.waitID) else { return .lost }
            return try fire(firing, of: gone, isByOwner: owner != nil, in: settlement) ? .won : .lost
        }
        try settle(settlement)
        return results
    }

    /// Whether the deadline of a wait has passed: what is received now comes too late for it.
    public func isOverdue(wait waitID: Int64) throws -> Bool {
        try number("SELECT 1 FROM wait WHERE wait_id = :1 AND deadline < :2", waitID, now) != nil
    }

    func fire(_ firing: Firing, isByOwner: Bool, in settlement: Settlement) throws -> Bool {
        guard let gone = try takeWaits([firing.waitID])[firing.waitID] else { return false }
        return try fire(firing, of: gone, isByOwner: isByOwner, in: settlement)
    }

    private func fire(
        _ firing: Firing, of gone: TakenWait, isByOwner: Bool, in settlement: Settlement
    ) throws -> Bool {
        if !isByOwner { try noteChange(of: firing.waitID, queue: gone.queue, shard: gone.shard) }
        if HostedKind.isHosted(gone.kind) { try removeHosted(firing.waitID) }
        // A wait without its task is a contradiction that `db check` names; it must not hold up the others of its group.
        guard let found = gone.task else { return false }
        let instance = Instance(
            id: gone.id, runKey: found.runKey, taskIndex: found.taskIndex, mapIndex: found.mapIndex,
            tryNumber: gone.tryNumber)
        tally.fired(kind: gone.kind, firing.outcome, due: gone.due)
        if tally.isTraced {
            tally.traced.append(
                .wait(
                    JournalPlace(gone.id, gone.tryNumber, gone.key), kind: gone.kind, target: gone.target,
                    outcome: firing.outcome.name, began: gone.since, ended: now))
        }
        let payload: String? = if case .event(let payload) = firing.outcome { payload.text } else { nil }
        let outcome = StoredJSON.text(of: firing.outcome, payload: payload)
        if gone.isSensor {
            let end = SensorEnd(
                instance: instance, output: payload, journalKey: gone.key, since: gone.since,
                trigger: StoredJSON.triggerText(kind: gone.kind, target: gone.target, definition: gone.definition),
                outcome: outcome, eventSeq: firing.eventSeq, by: firing.by)
            if case .event = firing.outcome {
                settlement.met(end)
                tally.entered(.success)
                try ended(instance, as: .success, message: nil, in: settlement)
            } else {
                try journal([end])
                try settleSensor(instance, firing.outcome, firstTry: found.firstTry, in: settlement)
            }
        } else {
            let end = EndedWait(
                instance: instance, journalKey: gone.key, outcome: outcome, eventSeq: firing.eventSeq, by: firing.by)
            let goesOn =
                switch firing.outcome {
                case .event, .timeout: true
                case .broken, .cancelled: false
                }
            if goesOn, settlement.gathers { settlement.ended(end) } else { try store([end]) }
            let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
            switch firing.outcome {
            case .broken(let message):
                try fail(instance, message: message, isRetryable: false, firstTry: found.firstTry, in: settlement)
            case .cancelled(let intent): try endWaiting(instance, task: task, intent, in: settlement)
            case .event, .timeout: try enqueue(instance, task: task, as: .resumed, in: settlement)
            }
        }
        return true
    }

    private func settleSensor(
        _ instance: Instance, _ outcome: WaitOutcome, firstTry: Int, in settlement: Settlement
    ) throws {
        switch outcome {
        // Those that have got what they waited for are stored together.
        case .event: break
        case .timeout:
            let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
            guard case .sensor(let sensor) = task.kind else { return }
            let message = "timed out"
            if sensor.softFail {
                try end(instance, as: .skipped, message: message, in: settlement)
            } else {
                try fail(instance, message: message, isRetryable: true, firstTry: firstTry, in: settlement)
            }
        case .broken(let message):
            try fail(instance, message: message, isRetryable: false, firstTry: firstTry, in: settlement)
        case .cancelled(let intent):
            try endCancelled(instance, as: intent.finalState, reason: intent.reason, in: settlement)
        }
    }

    /// Leaves the triggerer a note that a wait is not what it was: gone, or with another deadline.
    func noteChange(of waitID: Int64, queue: String, shard: Int) throws {
        let seq = try advanceCounter("removal_seq", by: 1)
        try run(
            "INSERT INTO wait_removal (seq, wait_id, queue, shard) VALUES (:1, :2, :3, :4)", seq, waitID, queue, shard)
        ring(.waits)
    }

    /// Stores what must outlive a restart about waits that are still there.
    public func storeProgress(_ progress: [(waitID: Int64, progress: JSONValue)]) throws {
        for entry in progress {
            try run("UPDATE wait SET progress = :2 WHERE wait_id = :1", entry.waitID, entry.progress.text)
        }
    }

    /// Stores how probes stand, one row for each owner and target.
    public func storeProbes(_ probes: [ProbeState], owner: Int64) throws {
        for probe in probes {
            try run(
                """
                INSERT INTO probe (owner, target_key, kind, target, last_probe_at, next_probe_at, last_result, probes, as_of)
                VALUES (:1, :2, :3, :4, :5, :6, :7, :8, :9)
                ON CONFLICT (target_key, owner) DO UPDATE SET last_probe_at = excluded.last_probe_at,
                    next_probe_at = excluded.next_probe_at, last_result = excluded.last_result, probes = excluded.probes,
                    as_of = excluded.as_of
                """, owner, ContentHash.targetKey(kind: probe.kind, target: probe.target), probe.kind, probe.target,
                probe.lastProbeAt, probe.nextProbeAt, probe.lastResult, probe.probes, now)
        }
    }

    /// Removes the notes about waits of its shards that a triggerer has read.
    public func forgetWaitNotes(upTo seq: Int64, of owner: Int64) throws {
        try run(
            """
            DELETE FROM wait_removal WHERE seq <= :1 AND EXISTS (SELECT 1 FROM shard s
                WHERE s.queue = wait_removal.queue AND s.shard = wait_removal.shard AND s.owner = :2)
            """, seq, owner)
    }
}
