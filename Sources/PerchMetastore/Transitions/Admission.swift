// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Something that admits so many dispatches at a time: a pool, or a limit of a DAG, of tasks or of a key.
struct Gate {
    /// A pool's slots; nil for a limit, whose tasks say how many it admits.
    var capacity: Int?
    var used: Int
    /// Of a pool: whether tasks that wait keep their slots.
    var includesDeferred = false
    /// Of a pool: how many tasks may wait; nil: any number.
    var mostDeferred: Int?
    /// Whether anything waits before it.
    var hasBacklog: Bool
    /// How many slots came free in this transaction, so that what waits may go ahead.
    var freed = 0
}

/// What one dispatch takes of a gate.
struct Hold {
    var gate: String
    var slots: Int
    /// How many a limit admits; nil for a pool.
    var capacity: Int?
}

/// What keeps a dispatch from being admitted.
struct Obstacle {
    var gate: String
    /// It has fewer slots in all than the dispatch takes: only another size of the pool helps, so nobody waits behind it.
    var isTooSmall = false
}

/// Whether what is scheduled is passed over when room comes free.
enum SetAside: Int64, SQLConvertible {
    case no = 0
    case byPause = 1
    /// It takes more slots than its pool has in all.
    case byPoolSize = 2

    var sqlValue: SQLValue { .integer(rawValue) }
}

/// In which order the queue is worked off.
enum QueueClass: Int64, SQLConvertible {
    /// Cleans up after a cancel: past pools, limits and pause.
    case cancelling = 0
    /// Goes on after a wait: ahead of new work.
    case resumed = 1
    case new = 2
    /// Begins with a wait, in a pool that counts those that wait: goes over to waiting, not into the queue.
    case waiting = 3

    var sqlValue: SQLValue { .integer(rawValue) }
}

/// A dispatch is admitted when every gate before it has room: then it holds a slot of each. Else it waits before the first
/// that has none, and is looked at again when that one has: what waits elsewhere costs nothing.
extension Transaction {
    func gate(_ name: String) throws -> Gate? {
        if let known = gates[name] { return known }
        var gate: Gate
        if TaskDefinition.isLimit(name) {
            let used = try number("SELECT used FROM task_limit WHERE name = :1 {for_update}", name)
            gate = Gate(capacity: nil, used: Int(used ?? 0), hasBacklog: try hasWaiting(before: name))
        } else {
            let row = try first(
                """
                SELECT slots, used, include_deferred, max_deferred,
                    EXISTS (SELECT 1 FROM task_instance WHERE state = 'scheduled' AND is_held = 0 AND pool = :1)
                FROM pool WHERE name = :1 {for_update}
                """, name
            ) {
                Gate(
                    capacity: $0.int(0), used: $0.int(1), includesDeferred: $0.bool(2),
                    mostDeferred: $0.isNull(3) ? nil : $0.int(3), hasBacklog: $0.bool(4))
            }
            guard let row else { return nil }
            gate = row
        }
        gate.used += slotChanges[name, default: 0]
        gates[name] = gate
        return gate
    }

    private func hasWaiting(before gate: String) throws -> Bool {
        try number(
            "SELECT ti_id FROM task_instance WHERE state = 'scheduled' AND is_held = 0 AND pool = :1 LIMIT 1", gate)
            != nil
    }

    private func holds(of instance: Instance, task: TaskDefinition) throws -> [Hold] {
        var holds = [Hold(gate: task.pool, slots: task.poolSlots, capacity: nil)]
        for limit in task.limits {
            let name =
                limit.holdsTemplates
                ? try limit.name(with: scope(of: instance, task: task)) : limit.name
            holds.append(Hold(gate: name, slots: 1, capacity: limit.slots))
        }
        return holds
    }

    /// The first gate without room; nil where there is room before all of them. Nobody overtakes what waits before a gate,
    /// but what resumes.
    func firstFull(_ holds: [Hold], overtaking: Bool) throws -> Obstacle? {
        for hold in holds {
            guard let gate = try gate(hold.gate), let capacity = hold.capacity ?? gate.capacity else {
                return Obstacle(gate: hold.gate)
            }
            if hold.capacity == nil, capacity < hold.slots { return Obstacle(gate: hold.gate, isTooSmall: true) }
            if capacity - gate.used < hold.slots || (gate.hasBacklog && !overtaking) {
                return Obstacle(gate: hold.gate)
            }
        }
        return nil
    }

    /// How an instance is kept that waits before a gate; one that is not set aside is its backlog.
    func kept(before obstacle: Obstacle, isPaused: Bool) -> SetAside {
        let kept: SetAside = isPaused ? .byPause : obstacle.isTooSmall ? .byPoolSize : .no
        if kept == .no { gates[obstacle.gate]?.hasBacklog = true }
        return kept
    }

    /// Puts an instance into the queue, or, where a gate is full or its DAG paused, before it.
    /// - Throws: `invalid` where the name of a limit cannot be made: the instance's fault.
    private func admit(
        _ instance: Instance, task: TaskDefinition, as queueClass: QueueClass, beginning: TryBeginning?,
        making pending: Int?, in settlement: Settlement
    ) throws {
        let facts = try facts(ofRun: instance.runKey)
        let fairAt = try nextTurn(of: facts.row.dagID)
        if queueClass == .new, let timeout = task.queuedTimeout, !facts.isPaused {
            try setQueueDeadline(now + timeout, of: instance)
        }
        let holds = try holds(of: instance, task: task)
        // A pause holds the DAG's steps; who is to be told of something is told.
        let isPaused = facts.isPaused && task.callback == nil
        let obstacle =
            isPaused ? Obstacle(gate: task.pool) : try firstFull(holds, overtaking: queueClass == .resumed)
        guard let obstacle else {
            return try queue(
                instance, holding: holds, queueClass, fairAt: fairAt, beginning: beginning, making: pending,
                in: settlement)
        }
        if let pending { try insertUnbegun(instance, task: task, pending: pending) }
        if let beginning { try store(beginning, of: instance) }
        // How its wait has ended is journalled before its row says that it waits no more.
        try store(settlement.takeWaits())
        try post(
            """
            UPDATE task_instance SET state = 'scheduled', dispatch_id = 0, worker = NULL, queue_class = :2, is_held = :3,
                queued_at = :4, fair_at = :5, pool = :6 WHERE ti_id = :1
            """, instance.id, queueClass, kept(before: obstacle, isPaused: isPaused), now, fairAt, obstacle.gate)
    }

    /// Puts an instance into the queue, before a gate that is full, or, where its limits cannot be named, to its end.
    ///
    /// - Parameters:
    ///   - beginning: Of a try that begins with this: what its row does not say yet.
    ///   - pending: How many tasks before it have not ended, where its row is made with this; else nil.
    func enqueue(
        _ instance: Instance, task: TaskDefinition, as queueClass: QueueClass, beginning: TryBeginning? = nil,
        making pending: Int? = nil, in settlement: Settlement
    ) throws {
        if queueClass == .cancelling {
            try storeQueued(instance, pool: task.pool, dispatchID: nextID(), queueClass, fairAt: 0)
            tally.entered(.queued)
            ring(try facts(ofRun: instance.runKey).queues.bell)
            return
        }
        do {
            try admit(instance, task: task, as: queueClass, beginning: beginning, making: pending, in: settlement)
        } catch let error as PerchError where error.code == .invalid {
            if let pending { try insertUnbegun(instance, task: task, pending: pending) }
            if let beginning { try store(beginning, of: instance) }
            try store(settlement.takeWaits())
            try end(instance, as: .failed, message: error.message, in: settlement)
        }
    }

    /// Makes the row of an instance whose first try begins with this, where that is not queued in one statement.
    private func insertUnbegun(_ instance: Instance, task: TaskDefinition, pending: Int) throws {
        var instance = instance
        instance.tryNumber -= 1
        try insert(instance, task: task, pending: pending)
    }

    /// Puts an instance into the queue: at once or, where many go there together, when the settlement is settled.
    private func queue(
        _ instance: Instance, holding holds: [Hold], _ queueClass: QueueClass, fairAt: Int64,
        beginning: TryBeginning? = nil, making pending: Int? = nil, in settlement: Settlement
    ) throws {
        guard let pool = holds.first else { return }
        let row = Queueing(
            instance: instance, dispatchID: try nextID(), queueClass: queueClass, fairAt: fairAt, pool: pool,
            limits: holds.count - 1)
        if beginning == nil, settlement.gathers {
            settlement.queue(row)
        } else {
            try storeQueued(
                instance, pool: pool.gate, dispatchID: row.dispatchID, queueClass, fairAt: fairAt,
                beginning: beginning, making: pending)
            try storeSlots(of: [row])
        }
        try take(holds, for: row.dispatchID)
        tally.entered(.queued)
        ring(try facts(ofRun: instance.runKey).queues.bell)
    }

    /// Counts what a dispatch holds, and stores what it holds of limits.
    private func take(_ holds: [Hold], for dispatchID: Int64) throws {
        for limit in holds.dropFirst() {
            try post("INSERT INTO limit_slot (dispatch_id, name) VALUES (:1, :2)", dispatchID, limit.gate)
        }
        for hold in holds { count(hold) }
    }

    /// Counts what is held from now on.
    func count(_ hold: Hold) {
        slotChanges[hold.gate, default: 0] += hold.slots
        gates[hold.gate]?.used += hold.slots
    }

    /// Has the row of an instance say that it is in the queue.
    func storeQueued(
        _ instance: Instance, pool: String, dispatchID: Int64, _ queueClass: QueueClass, fairAt: Int64,
        beginning: TryBeginning? = nil, making pending: Int? = nil
    ) throws {
        if let beginning, let pending {
            let facts = try facts(ofRun: instance.runKey)
            let task = facts.version.tasks[instance.taskIndex]
            try post(
                """
                INSERT INTO task_instance (ti_id, run_key, task_index, map_index, state, try_number, first_try,
                    dispatch_id, pending, upstream_failed, upstream_skipped, pool, priority, queue_class, is_held,
                    is_suspect, is_callback, queued_at, fair_at, task_deadline, execution_left, queue)
                VALUES (:1, :2, :3, :4, 'queued', :5, :5, :6, :7, 0, 0, :8, :9, :10, 0, 0, 0, :11, :12, :13, :14, :15)
                """, instance.id, instance.runKey, instance.taskIndex, instance.mapIndex, instance.tryNumber,
                dispatchID, pending, pool, task.priority, queueClass, now, fairAt, beginning.deadline,
                beginning.executionLeft, facts.queues.stored(task.queue))
        } else if let beginning {
            // One statement for both: a task instance has many columns, and each is written anew with every change.
            try post(
                """
                UPDATE task_instance SET state = 'queued', dispatch_id = :2, worker = NULL, queue_class = :3,
                    queued_at = :4, fair_at = :5, pool = :6, try_number = :7, start_date = NULL, end_date = NULL,
                    retry_at = NULL, task_deadline = :8, execution_left = :9, message = NULL, output = NULL,
                    is_suspect = 0
                WHERE ti_id = :1
                """, instance.id, dispatchID, queueClass, now, fairAt, pool, instance.tryNumber, beginning.deadline,
                beginning.executionLeft)
        } else {
            try post(
                """
                UPDATE task_instance SET state = 'queued', dispatch_id = :2, worker = NULL, queue_class = :3,
                    queued_at = :4, fair_at = :5, pool = :6
                WHERE ti_id = :1
                """, instance.id, dispatchID, queueClass, now, fairAt, pool)
        }
    }

    /// What waits before a gate of which slots came free goes ahead, by class, priority and turn.
    func refillGates() throws {
        for name in gates.keys.sorted() {
            guard let gate = gates[name], gate.freed > 0 else { continue }
            gates[name]?.freed = 0
            if gate.hasBacklog { _ = try fill(name, expecting: gate.freed, limit: 1_000) }
        }
    }

    /// scheduled → queued for what waits before one gate; what meets another that is full waits before that one. True where
    /// the limit ended it.
    private func fill(_ name: String, expecting count: Int, limit: Int) throws -> Bool {
        var left = limit
        let settlement = Settlement()
        var hasBegun = false
        while left > 0, let gate = try gate(name) {
            let room = gate.capacity.map { $0 - gate.used } ?? count
            guard room > 0 else { break }
            let size = min(left, room)
            let waiting = try rows(
                """
                SELECT ti_id, run_key, task_index, map_index, try_number, queue_class, fair_at FROM task_instance
                WHERE state = 'scheduled' AND is_held = 0 AND pool = :1
                ORDER BY queue_class, priority DESC, fair_at, ti_id LIMIT :2
                """, name, size
            ) { row in
                (
                    Instance(
                        id: row.int64(0), runKey: row.int64(1), taskIndex: row.int(2), mapIndex: row.int(3),
                        tryNumber: row.int(4)),
                    row.int64(5), row.int64(6)
                )
            }
            var isFull = false
            for (instance, queueClass, fairAt) in waiting {
                let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
                // because only these are stored
                let queueClass = QueueClass(rawValue: queueClass) ?? .new
                let holds = try queueClass == .waiting ? deferredHolds(of: task) : holds(of: instance, task: task)
                let obstacle = try firstFull(holds, overtaking: true)
                if let obstacle, obstacle.gate == name, !obstacle.isTooSmall {
                    isFull = true
                    break
                }
                if let obstacle {
                    try run(
                        "UPDATE task_instance SET pool = :2, is_held = :3 WHERE ti_id = :1", instance.id,
                        obstacle.gate, kept(before: obstacle, isPaused: false))
                } else if queueClass == .waiting {
                    try goOnWaiting(instance, task: task, in: settlement)
                    hasBegun = true
                } else {
                    try queue(instance, holding: holds, queueClass, fairAt: fairAt, in: settlement)
                }
                left -= 1
            }
            if isFull || waiting.count < size { break }
        }
        gates[name]?.hasBacklog = try hasWaiting(before: name)
        // A wait may be over before it has begun, as one for a run that has ended.
        if hasBegun { try settle(settlement) }
        return left <= 0
    }

    /// scheduled → queued, where gates have room and the DAG is not paused. True where more is left to do.
    public func promoteScheduled(limit: Int) throws -> Bool {
        var isMore = false
        var previous = ""
        while true {
            let next = try first(
                """
                SELECT pool FROM task_instance WHERE state = 'scheduled' AND is_held = 0 AND pool > :1
                ORDER BY pool LIMIT 1
                """, previous
            ) { $0.text(0) }
            guard let next else { return isMore }
            previous = next
            if try fill(next, expecting: limit, limit: limit) { isMore = true }
        }
    }
}
