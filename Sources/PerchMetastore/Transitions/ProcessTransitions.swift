// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Records a process before it is used; gives its id.
    public func registerProcess(
        role: String, pid: Int32, startTime: Int64, bootID: String, host: String, lease: TimeSpan
    ) throws -> Int64 {
        let processID = try nextID()
        try run(
            """
            INSERT INTO process (process_id, role, pid, start_time, boot_id, host, started_at, lease_until)
            VALUES (:1, :2, :3, :4, :5, :6, :7, :8)
            """, processID, role, pid, startTime, bootID, host, now, now + lease)
        return processID
    }

    /// Holds a process's leases so much longer. False where it is not recorded any more: it must stop at once.
    public func renewLease(_ processID: Int64, lease: TimeSpan) throws -> Bool {
        try run("UPDATE process SET lease_until = :2 WHERE process_id = :1", processID, now + lease) == 1
    }

    /// Forgets a process; its leases are free.
    public func removeProcess(_ processID: Int64) throws {
        try run("DELETE FROM process WHERE process_id = :1", processID)
    }

    /// Takes every shard whose owner is not alive. Gives the epoch under which they are held.
    ///
    /// Owners are rows in `process`: one whose lease has ended, or that is gone, is dead. The epoch grows with every change
    /// of an owner, so that a triggerer that was stopped for a while finds itself fenced.
    public func acquireShards(owner: Int64) throws -> Int64 {
        let highest = try number("SELECT MAX(epoch) FROM shard") ?? 0
        let epoch = highest + 1
        let known = try number("SELECT COUNT(*) FROM shard") ?? 0
        if known == 0 {
            for shard in 0..<ShardKey.count {
                try run("INSERT INTO shard (shard, owner, epoch) VALUES (:1, :2, :3)", shard, owner, epoch)
            }
            return epoch
        }
        try run(
            """
            UPDATE shard SET owner = :1, epoch = :2 WHERE owner = :1 OR NOT EXISTS
                (SELECT 1 FROM process p WHERE p.process_id = shard.owner AND p.lease_until > :3)
            """, owner, epoch, now)
        return epoch
    }

    /// Throws `conflict` unless the owner holds its shards under this epoch and its own lease has not ended.
    func checkLease(owner: Int64, epoch: Int64) throws {
        let isAlive =
            try number(
                "SELECT 1 FROM process WHERE process_id = :1 AND lease_until > :2", owner, now) != nil
        let holds =
            try number(
                "SELECT 1 FROM shard WHERE owner = :1 AND epoch = :2 LIMIT 1", owner, epoch) != nil
        guard isAlive, holds else {
            throw PerchError(.conflict, "triggerer \(owner) does not hold its shards any more (epoch \(epoch))")
        }
    }
}

extension Snapshot {
    /// Recorded processes, of one role or of all, in the order in which they were recorded.
    public func processes(role: String?) throws -> [ProcessRow] {
        try rows(
            """
            SELECT process_id, role, pid, start_time, boot_id, host, started_at, lease_until FROM process
            WHERE CAST(:1 AS TEXT) IS NULL OR role = :1 ORDER BY process_id
            """, role
        ) { row in
            ProcessRow(
                processID: row.int64(0), role: row.text(1), pid: Int32(truncatingIfNeeded: row.int64(2)),
                startTime: row.int64(3), bootID: row.text(4), host: row.text(5), startedAt: row.time(6),
                leaseUntil: row.time(7))
        }
    }
}
