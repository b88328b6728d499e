// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Snapshot {
    /// Waits of some shards that were registered after a wait, up to another one, in the order of their commits.
    ///
    /// `limit` counts those of other shards too, which are looked at and passed over.
    public func waitsToArm(
        after waitID: Int64, upTo last: Int64 = .max, of shards: ShardSet, limit: Int
    ) throws -> (waits: [WaitToArm], last: Int64, isComplete: Bool) {
        var lookedAt = 0
        var reached = waitID
        var waits: [WaitToArm] = []
        try each(
            """
            SELECT wait_id, kind, target, due_at, deadline, since, definition, progress, event_floor, queue, shard
            FROM wait WHERE wait_id > :1 AND wait_id <= :2 ORDER BY wait_id LIMIT :3
            """, waitID, last, limit
        ) { row in
            lookedAt += 1
            reached = row.int64(0)
            let (queue, shard) = (row.text(9), row.int(10))
            guard shards.contains(queue: queue, shard: shard) else { return }
            waits.append(
                WaitToArm(
                    waitID: reached, kind: row.text(1), target: row.text(2), due: row.optionalTime(3),
                    deadline: row.optionalTime(4), since: row.time(5), definition: row.optionalText(6),
                    progress: row.optionalText(7), eventFloor: row.int64(8), queue: queue, shard: shard))
        }
        return (waits, reached, lookedAt < limit)
    }

    /// Waits that somebody else than their triggerer has ended or changed, after a note.
    public func waitNotes(after seq: Int64, limit: Int) throws -> [WaitNote] {
        try rows(
            """
            SELECT n.seq, n.wait_id, w.kind, w.target, w.due_at, w.deadline, w.since, w.definition, w.progress,
                w.event_floor, n.queue, n.shard
            FROM wait_removal n LEFT JOIN wait w ON w.wait_id = n.wait_id
            WHERE n.seq > :1 ORDER BY n.seq LIMIT :2
            """, seq, limit
        ) { row in
            let kind = row.optionalText(2)
            let (queue, shard) = (row.text(10), row.int(11))
            let wait = kind.map { kind in
                WaitToArm(
                    waitID: row.int64(1), kind: kind, target: row.text(3), due: row.optionalTime(4),
                    deadline: row.optionalTime(5), since: row.time(6), definition: row.optionalText(7),
                    progress: row.optionalText(8), eventFloor: row.int64(9), queue: queue, shard: shard)
            }
            return WaitNote(seq: row.int64(0), waitID: row.int64(1), queue: queue, shard: shard, wait: wait)
        }
    }

    /// One wait; nil where it has fired or never was.
    public func wait(_ waitID: Int64) throws -> WaitRow? {
        try first(
            """
            SELECT w.wait_id, w.ti_id, r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index, w.try_number,
                w.journal_key, w.kind, w.target, w.due_at, w.deadline, w.since, w.is_sensor, w.shard, w.host, w.queue,
                w.definition, w.progress, w.event_floor
            FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id JOIN dag_run r ON r.run_key = t.run_key
            WHERE w.wait_id = :1
            """, waitID
        ) { try waitRow($0) }
    }

    /// Whether there ever was a wait of this id.
    public func wasRegistered(_ waitID: Int64) throws -> Bool {
        let last = try number("SELECT value FROM counter WHERE name = 'wait_id'") ?? 0
        return (1...max(1, last)).contains(waitID) && last > 0
    }

    func waitRow(_ row: borrowing SQLRow) throws -> WaitRow {
        let task = try version(row.int64(4)).tasks[row.int(5)]
        return WaitRow(
            waitID: row.int64(0), taskInstanceID: row.int64(1),
            key: TaskInstanceKey(dagID: row.text(2), runID: row.text(3), taskID: task.taskID, mapIndex: row.int(6)),
            tryNumber: row.int(7), journalKey: row.text(8), kind: row.text(9), target: row.text(10),
            due: row.optionalTime(11), deadline: row.optionalTime(12), since: row.time(13), isSensor: row.bool(14),
            shard: row.int(15), host: row.optionalText(16), queue: row.text(17), definition: row.optionalText(18),
            progress: row.optionalText(19), eventFloor: row.int64(20))
    }

    /// How many waits are for this target.
    public func sharing(kind: String, target: String) throws -> Int {
        Int(
            try number(
                "SELECT COUNT(*) FROM wait WHERE due_at IS NULL AND target_key = :1",
                ContentHash.targetKey(kind: kind, target: target)) ?? 0)
    }

    /// How the probe for a target stood when it was last stored; nil where there is none.
    public func probe(kind: String, target: String) throws -> ProbeRow? {
        try first(
            """
            SELECT owner, kind, target, last_probe_at, next_probe_at, last_result, probes, as_of FROM probe
            WHERE target_key = :1 ORDER BY as_of DESC LIMIT 1
            """, ContentHash.targetKey(kind: kind, target: target)
        ) { row in
            ProbeRow(
                owner: row.text(0),
                state: ProbeState(
                    kind: row.text(1), target: row.text(2), lastProbeAt: row.optionalTime(3),
                    nextProbeAt: row.optionalTime(4), lastResult: row.text(5), probes: row.int64(6)),
                asOf: row.time(7))
        }
    }

    /// How many waits there are.
    public func waitCount() throws -> Int {
        Int(try number("SELECT COUNT(*) FROM wait") ?? 0)
    }
}
