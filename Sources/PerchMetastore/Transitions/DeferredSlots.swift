// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What tasks hold while they wait, in pools that count them: slots of the pool itself, or places of its limit of waiting
/// tasks. A task that has not begun waits before such a pool for room to wait; one that goes over to waiting in the middle of
/// its code is let past, for it cannot be called back.
extension Transaction {
    /// The name of the limit of waiting tasks of a pool.
    static func deferredLimit(of pool: String) -> String { "deferred:\(pool)" }

    /// What a wait of a task takes; nothing in most pools.
    func deferredHolds(of task: TaskDefinition) throws -> [Hold] {
        guard try countsDeferred(), let pool = try gate(task.pool) else { return [] }
        var holds: [Hold] = []
        if pool.includesDeferred { holds.append(Hold(gate: task.pool, slots: task.poolSlots, capacity: nil)) }
        if let most = pool.mostDeferred {
            holds.append(Hold(gate: Self.deferredLimit(of: task.pool), slots: 1, capacity: most))
        }
        return holds
    }

    /// Whether any pool counts tasks that wait; most homes have none, and many waits a transaction.
    private func countsDeferred() throws -> Bool {
        if let known = poolsCountDeferred { return known }
        let counts =
            try number("SELECT 1 FROM pool WHERE include_deferred = 1 OR max_deferred IS NOT NULL LIMIT 1") != nil
        poolsCountDeferred = counts
        return counts
    }

    /// Stores what a wait holds, whether there is room or not.
    func hold(_ holds: [Hold], forWait waitID: Int64) throws {
        for hold in holds {
            try run("INSERT INTO wait_slot (wait_id, gate, slots) VALUES (:1, :2, :3)", waitID, hold.gate, hold.slots)
            count(hold)
        }
    }

    /// Gives back what waits held that are over.
    func releaseSlots(ofWait waitID: Int64) throws {
        let held = try rows("DELETE FROM wait_slot WHERE wait_id = :1 RETURNING gate, slots", waitID) {
            (gate: $0.text(0), slots: $0.int(1))
        }
        for hold in held.sorted(by: { $0.gate < $1.gate }) { try freed(hold.slots, of: hold.gate) }
    }

    /// Begins the wait with which a try starts, of an instance whose row says so already: at once or, before a gate that has
    /// no room for one more that waits, when that has.
    func beginWaiting(
        _ instance: Instance, task: TaskDefinition, deadline: Timestamp?, before obstacle: Obstacle?,
        in settlement: Settlement
    ) throws {
        guard let obstacle else {
            return try beginFirstWait(instance, task: task, deadline: deadline, in: settlement)
        }
        let facts = try facts(ofRun: instance.runKey)
        try run(
            """
            UPDATE task_instance SET queue_class = :2, is_held = :3, queued_at = :4, fair_at = :5, pool = :6
            WHERE ti_id = :1
            """, instance.id, QueueClass.waiting, kept(before: obstacle, isPaused: facts.isPaused), now,
            try nextTurn(of: facts.row.dagID), obstacle.gate)
    }

    /// scheduled → deferred: there is room for one more that waits.
    func goOnWaiting(_ instance: Instance, task: TaskDefinition, in settlement: Settlement) throws {
        let deadline = try first(
            "UPDATE task_instance SET state = 'deferred', start_date = :2 WHERE ti_id = :1 RETURNING task_deadline",
            instance.id, now
        ) { $0.optionalTime(0) }
        try beginFirstWait(instance, task: task, deadline: deadline ?? nil, in: settlement)
    }
}
