// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Sets when an instance has waited for its turn too long; nil: it has had it.
    func setQueueDeadline(_ deadline: Timestamp?, of instance: Instance) throws {
        try run("UPDATE task_instance SET queue_deadline = :2 WHERE ti_id = :1", instance.id, deadline)
        // The scheduler minds it.
        if deadline != nil { ring(.runs) }
    }

    /// A pause stops the time, and its end starts it anew.
    func resetQueueDeadlines(runKey: Int64, isPaused: Bool) throws {
        for (index, task) in try facts(ofRun: runKey).version.tasks.enumerated() {
            guard let timeout = task.queuedTimeout else { continue }
            try run(
                """
                UPDATE task_instance SET queue_deadline = :3
                WHERE run_key = :1 AND task_index = :2 AND state = 'scheduled' AND queue_class = 2
                """, runKey, index, isPaused ? nil : now + timeout)
        }
        ring(.runs)
    }

    /// Fails the tries that have waited for their turn for longer than they may. True where more is left.
    public func failOverdueInQueue(limit: Int) throws -> Bool {
        let overdue = try rows(
            """
            SELECT ti_id, run_key, task_index, map_index, try_number, first_try, state, dispatch_id, pool
            FROM task_instance WHERE queue_deadline IS NOT NULL AND queue_deadline <= :1
            ORDER BY queue_deadline, ti_id LIMIT :2
            """, now, limit
        ) { row in
            (
                instance: Instance(
                    id: row.int64(0), runKey: row.int64(1), taskIndex: row.int(2), mapIndex: row.int(3),
                    tryNumber: row.int(4)),
                firstTry: row.int(5), state: try row.name(6, as: TaskState.self), dispatchID: row.int64(7),
                gate: row.text(8)
            )
        }
        let settlement = Settlement()
        for entry in overdue {
            try setQueueDeadline(nil, of: entry.instance)
            // What was cancelled meanwhile has ended.
            guard entry.state == .scheduled || entry.state == .queued else { continue }
            let task = try facts(ofRun: entry.instance.runKey).version.tasks[entry.instance.taskIndex]
            try releaseSlot(dispatchID: entry.dispatchID)
            let what =
                entry.state == .queued
                ? "no worker took it"
                : TaskDefinition.isLimit(entry.gate)
                    ? "the limit '\(entry.gate)' was full" : "the pool '\(entry.gate)' had no room"
            let time = task.queuedTimeout.map { " within \($0)" } ?? ""
            try fail(
                entry.instance, message: "it did not have its turn\(time): \(what)", isRetryable: true,
                firstTry: entry.firstTry, in: settlement)
        }
        try settle(settlement)
        return overdue.count == limit
    }
}

extension Snapshot {
    /// When the next try has waited for its turn for too long.
    public func nextQueueDeadline() throws -> Timestamp? {
        try number("SELECT MIN(queue_deadline) FROM task_instance WHERE queue_deadline IS NOT NULL").map(
            Timestamp.init(microseconds:))
    }
}
