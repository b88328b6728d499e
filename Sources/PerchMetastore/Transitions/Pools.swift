// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What a transaction knows of a pool: how many slots are free, and whether anything waits for one.
struct PoolRoom {
    var free: Int
    var hasBacklog: Bool
    /// Whether slots came free in this transaction, so that what waits may go ahead.
    var isRefillDue: Bool
}

/// In which order the queue is worked off.
enum QueueClass: Int64, SQLConvertible {
    /// Cleans up after a cancel: past pools, pause and limits.
    case cancelling = 0
    /// Goes on after a wait: ahead of new work.
    case resumed = 1
    case new = 2

    var sqlValue: SQLValue { .integer(rawValue) }
}

extension Transaction {
    private func room(inPool name: String) throws -> PoolRoom? {
        if let known = pools[name] { return known }
        let row = try first("SELECT slots, used FROM pool WHERE name = :1 {for_update}", name) {
            (slots: $0.int(0), used: $0.int(1))
        }
        guard let row else { return nil }
        let backlog = try number(
            "SELECT ti_id FROM task_instance WHERE state = 'scheduled' AND is_held = 0 AND pool = :1 LIMIT 1", name)
        let free = row.slots - row.used - slotChanges[name, default: 0]
        let room = PoolRoom(free: free, hasBacklog: backlog != nil, isRefillDue: false)
        pools[name] = room
        return room
    }

    /// Puts an instance into the queue, or, where its pool is full or its DAG paused, before it.
    func enqueue(_ instance: Instance, task: TaskDefinition, as queueClass: QueueClass) throws {
        if queueClass == .cancelling {
            try queue(id: instance.id, dispatchID: nextID(), queueClass)
            return
        }
        let isPaused = try facts(ofRun: instance.runKey).isPaused
        if !isPaused, var room = try room(inPool: task.pool), room.free >= task.poolSlots,
            queueClass == .resumed || !room.hasBacklog
        {
            room.free -= task.poolSlots
            pools[task.pool] = room
            try queueWithSlot(id: instance.id, pool: task.pool, slots: task.poolSlots, queueClass)
            return
        }
        try run(
            """
            UPDATE task_instance SET state = 'scheduled', dispatch_id = 0, worker = NULL, queue_class = :2, is_held = :3,
                queued_at = :4 WHERE ti_id = :1
            """, instance.id, queueClass, isPaused, now)
        if !isPaused { pools[task.pool]?.hasBacklog = true }
    }

    private func queueWithSlot(id: Int64, pool: String, slots: Int, _ queueClass: QueueClass) throws {
        let dispatchID = try nextID()
        try queue(id: id, dispatchID: dispatchID, queueClass)
        try run(
            "INSERT INTO pool_slot (dispatch_id, pool, ti_id, slots) VALUES (:1, :2, :3, :4)", dispatchID, pool, id,
            slots)
        slotChanges[pool, default: 0] += slots
    }

    private func queue(id: Int64, dispatchID: Int64, _ queueClass: QueueClass) throws {
        try run(
            """
            UPDATE task_instance SET state = 'queued', dispatch_id = :2, worker = NULL, queue_class = :3, queued_at = :4
            WHERE ti_id = :1
            """, id, dispatchID, queueClass, now)
        tally.entered(.queued)
        ring(.queue)
    }

    /// Gives the slot of a dispatch back.
    func releaseSlot(dispatchID: Int64) throws {
        let freed = try first(
            "DELETE FROM pool_slot WHERE dispatch_id = :1 RETURNING pool, slots", dispatchID
        ) { (pool: $0.text(0), slots: $0.int(1)) }
        guard let freed else { return }
        slotChanges[freed.pool, default: 0] -= freed.slots
        if pools[freed.pool] == nil {
            // Read after the DELETE: the slot is counted as free already.
            _ = try room(inPool: freed.pool)
        } else {
            pools[freed.pool]?.free += freed.slots
        }
        pools[freed.pool]?.isRefillDue = true
    }

    /// Counts what the transaction has taken and given back of each pool.
    func storeSlotChanges() throws {
        for (name, change) in slotChanges.sorted(by: { $0.key < $1.key }) where change != 0 {
            try run("UPDATE pool SET used = used + :2 WHERE name = :1", name, change)
        }
        slotChanges = [:]
    }

    /// What waits for a slot of a pool in which slots came free goes ahead, by class, priority and age.
    func refillPools() throws {
        for name in pools.keys.sorted() {
            guard let room = pools[name], room.isRefillDue else { continue }
            pools[name]?.isRefillDue = false
            if room.hasBacklog { _ = try fill(pool: name, limit: 1_000) }
        }
    }

    /// scheduled → queued in one pool. True where the limit ended it.
    private func fill(pool name: String, limit: Int) throws -> Bool {
        guard var room = try room(inPool: name), room.free > 0 else { return false }
        let waiting = try rows(
            """
            SELECT ti_id, run_key, task_index, queue_class FROM task_instance
            WHERE state = 'scheduled' AND is_held = 0 AND pool = :1
            ORDER BY queue_class, priority DESC, ti_id LIMIT :2
            """, name, min(limit, room.free)
        ) { ($0.int64(0), $0.int64(1), $0.int(2), $0.int64(3)) }
        for (id, runKey, index, queueClass) in waiting {
            let slots = try facts(ofRun: runKey).version.tasks[index].poolSlots
            guard slots <= room.free else { break }
            room.free -= slots
            // because only these are stored
            try queueWithSlot(
                id: id, pool: name, slots: slots, QueueClass(rawValue: queueClass) ?? .new)
        }
        let rest = try number(
            "SELECT ti_id FROM task_instance WHERE state = 'scheduled' AND is_held = 0 AND pool = :1 LIMIT 1", name)
        room.hasBacklog = rest != nil
        pools[name] = room
        return waiting.count == limit
    }

    /// Creates a pool or changes its size. Slots that are held stay held: a pool that shrinks has none to give until enough
    /// came back.
    package func setPool(_ name: String, slots: Int) throws {
        try run(
            """
            INSERT INTO pool (name, slots, include_deferred, used) VALUES (:1, :2, 0, 0)
            ON CONFLICT (name) DO UPDATE SET slots = excluded.slots
            """, name, slots)
        pools[name] = nil
        ring(.runs)
    }

    /// scheduled → queued, where pools have room and the DAG is not paused. True where more is left to do.
    public func promoteScheduled(limit: Int) throws -> Bool {
        var isMore = false
        let names = try rows("SELECT name FROM pool ORDER BY name") { $0.text(0) }
        for name in names where try fill(pool: name, limit: limit) { isMore = true }
        return isMore
    }
}
