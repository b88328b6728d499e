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
        try run("DELETE FROM worker WHERE process_id = :1", processID)
        try forgetVersion(of: processID)
        leaseholders.remove(processID)
    }

    /// Forgets processes that hold nothing: schedulers and API servers.
    ///
    /// - Parameters:
    ///   - ended: Processes that are certainly gone.
    ///   - overdue: Processes that are forgotten if their leases have still ended.
    /// - Returns: How many were forgotten.
    public func forgetListed(ended: [Int64], overdue: [Int64]) throws -> Int {
        var count = 0
        for (processes, deadline) in [(ended, Timestamp(microseconds: .max)), (overdue, now)] {
            for process in processes {
                let forgotten = try run(
                    "DELETE FROM process WHERE process_id = :1 AND role IN (:2, :3) AND lease_until <= :4", process,
                    SchedulerRow.role, APIServerRow.role, deadline)
                guard forgotten > 0 else { continue }
                try forgetVersion(of: process)
                count += forgotten
            }
        }
        return count
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
