// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A task that is queued, as a worker finds it.
struct QueuedTask {
    var instance: Instance
    var dispatchID: Int64
    var executionLeft: TimeSpan?
    var cancel: CancelIntent?
    var isSuspect: Bool
    var fairAt: Int64
    /// Whether code of it has run, in this try or in one before it since it was cleared.
    var hasBegun: Bool
    var queueClass: Int64
    var priority: Int64

    fileprivate init(_ row: borrowing SQLRow) throws {
        instance = Instance(
            id: row.int64(0), runKey: row.int64(1), taskIndex: row.int(2), mapIndex: row.int(3),
            tryNumber: row.int(4))
        dispatchID = row.int64(5)
        executionLeft = row.optionalSpan(6)
        cancel = try row.optionalName(7, as: TaskState.self).map {
            CancelIntent(finalState: $0, reason: row.text(8), by: row.text(9))
        }
        isSuspect = row.bool(10)
        fairAt = row.int64(11)
        hasBegun = !row.isNull(12) || row.int(4) > row.int(13)
        queueClass = row.int64(14)
        priority = row.int64(15)
    }

    /// In which order the queue is worked off.
    fileprivate static func goesFirst(_ left: QueuedTask, _ right: QueuedTask) -> Bool {
        (left.queueClass, -left.priority, left.fairAt, left.dispatchID)
            < (right.queueClass, -right.priority, right.fairAt, right.dispatchID)
    }
}

extension Transaction {
    /// What a worker takes next, in the order in which it is to go.
    func nextQueued(limit: Int, of queues: [String]?, _ bundle: BundleQueue) throws -> [QueuedTask] {
        var queued: [QueuedTask] = []
        var found = 0
        let wanted =
            try queues.map { $0.map(bundle.stored) } ?? [bundle.stored(TaskDefinition.defaultQueue)]
            + others(of: bundle)
        for queue in wanted {
            let more = try self.queued(in: queue, limit: limit)
            if more.isEmpty { continue }
            queued += more
            found += 1
        }
        if found > 1 { queued = Array(queued.sorted(by: QueuedTask.goesFirst).prefix(limit)) }
        try claimed(turn: queued.map(\.fairAt).max() ?? 0)
        return queued
    }

    /// Other queues of a bundle than its default one in which something is; there are few, so each is looked for behind the one
    /// before.
    private func others(of bundle: BundleQueue) throws -> [String] {
        var names: [String] = []
        while true {
            let next = try first(
                """
                SELECT queue FROM task_instance WHERE state = 'queued' AND queue <> 'default' AND queue > :1 AND queue < :2
                ORDER BY queue LIMIT 1
                """, names.last ?? bundle.othersBehind, bundle.othersBefore
            ) { $0.text(0) }
            guard let next else { return names }
            names.append(next)
        }
    }

    private func queued(in queue: String, limit: Int) throws -> [QueuedTask] {
        guard queue != TaskDefinition.defaultQueue else {
            return try rows(
                """
                SELECT ti_id, run_key, task_index, map_index, try_number, dispatch_id, execution_left, cancel_state,
                    cancel_reason, cancel_by, is_suspect, fair_at, start_date, first_try, queue_class, priority
                FROM task_instance WHERE state = 'queued' AND queue = 'default'
                ORDER BY queue_class, priority DESC, fair_at, dispatch_id LIMIT :1 {skip_locked}
                """, limit
            ) { try QueuedTask($0) }
        }
        return try rows(
            """
            SELECT ti_id, run_key, task_index, map_index, try_number, dispatch_id, execution_left, cancel_state,
                cancel_reason, cancel_by, is_suspect, fair_at, start_date, first_try, queue_class, priority
            FROM task_instance WHERE state = 'queued' AND queue <> 'default' AND queue = :2
            ORDER BY queue_class, priority DESC, fair_at, dispatch_id LIMIT :1 {skip_locked}
            """, limit, queue
        ) { try QueuedTask($0) }
    }
}
