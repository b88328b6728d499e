// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What a dispatch holds of gates comes back, and what a transaction has taken and given back is counted at its end.
extension Transaction {
    /// Gives the slots of a dispatch back.
    func releaseSlot(dispatchID: Int64) throws { try releaseSlots(dispatchIDs: [dispatchID]) }

    /// Gives the slots of dispatches back.
    func releaseSlots(dispatchIDs: [Int64]) throws {
        var all: [Int64: (pool: String, slots: Int, limits: Int)] = [:]
        func take(_ row: borrowing SQLRow) { all[row.int64(0)] = (row.text(1), row.int(2), row.int(3)) }
        if dispatchIDs.count == 1 {
            try connection.query(
                "DELETE FROM pool_slot WHERE dispatch_id = :1 RETURNING dispatch_id, pool, slots, limits",
                [.integer(dispatchIDs[0])]
            ) { take($0) }
        } else {
            try connection.query(
                "DELETE FROM pool_slot WHERE dispatch_id IN ({ids}) RETURNING dispatch_id, pool, slots, limits",
                forEach: IDChunk.lists(dispatchIDs)
            ) { take($1) }
        }
        for dispatchID in dispatchIDs {
            guard let held = all.removeValue(forKey: dispatchID) else { continue }
            try freed(held.slots, of: held.pool)
            if held.limits > 0 { try releaseLimits(dispatchID: dispatchID) }
        }
    }

    private func releaseLimits(dispatchID: Int64) throws {
        let names = try rows("DELETE FROM limit_slot WHERE dispatch_id = :1 RETURNING name", dispatchID) { $0.text(0) }
        for name in names.sorted() { try freed(1, of: name) }
    }

    func freed(_ slots: Int, of name: String) throws {
        slotChanges[name, default: 0] -= slots
        if gates[name] == nil {
            // Read with the change: the slots are counted as free already.
            _ = try gate(name)
        } else {
            gates[name]?.used -= slots
        }
        gates[name]?.freed += slots
    }

    /// Takes the slots of what a run has in the queue, but of clean-ups after a cancel.
    func releaseQueuedSlots(runKey: Int64) throws {
        let held = try rows(
            """
            SELECT dispatch_id FROM task_instance
            WHERE run_key = :1 AND state = 'queued' AND queue_class > 0 AND is_callback = 0
            ORDER BY dispatch_id
            """, runKey
        ) { $0.int64(0) }
        try releaseSlots(dispatchIDs: held)
    }

    /// Counts what the transaction has taken and given back of each gate.
    func storeSlotChanges() throws {
        for (name, change) in slotChanges.sorted(by: { $0.key < $1.key }) where change != 0 {
            guard TaskDefinition.isLimit(name) else {
                try post("UPDATE pool SET used = used + :2 WHERE name = :1", name, change)
                continue
            }
            try post(
                """
                INSERT INTO task_limit (name, used) VALUES (:1, :2)
                ON CONFLICT (name) DO UPDATE SET used = task_limit.used + excluded.used
                """, name, change)
            // Keys come and go; there is no end to them.
            try post("DELETE FROM task_limit WHERE name = :1 AND used = 0", name)
        }
        slotChanges = [:]
    }
}
