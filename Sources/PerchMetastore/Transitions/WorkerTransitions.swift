// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Records a worker before it takes anything; gives its id, under which it holds its dispatches.
    public func registerWorker(_ identity: ProcessIdentity, terms: WorkerTerms, lease: TimeSpan) throws -> Int64 {
        let worker = try registerProcess(
            role: WorkerRow.role, pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
            host: identity.host, lease: lease)
        try run(
            "INSERT INTO worker (process_id, queues, slots, bundle) VALUES (:1, :2, :3, :4)", worker,
            terms.queues?.joined(separator: ","), terms.slots, terms.bundle)
        ring(.owners)
        return worker
    }

    /// Notes why the bundle of a worker does not come up, or, without words, that it does.
    public func noteTrouble(_ words: String?, count: Int, worker: Int64) throws {
        try run(
            """
            UPDATE worker SET trouble = :2, trouble_count = :3, trouble_since = CASE
                WHEN CAST(:2 AS TEXT) IS NULL THEN NULL ELSE COALESCE(trouble_since, :4) END WHERE process_id = :1
            """, worker, words, count, now)
        ring(.owners)
    }

    /// Forgets workers, and queues again what is held by workers that are not recorded: in one transaction, so that what
    /// another worker takes meanwhile is not mistaken for theirs.
    ///
    /// - Parameters:
    ///   - ended: Workers that are certainly gone.
    ///   - overdue: Workers that are forgotten if their leases have still ended.
    /// - Returns: How many dispatches were queued again.
    public func forgetWorkers(ended: [Int64], overdue: [Int64]) throws -> Int {
        for worker in ended { try removeProcess(worker) }
        for worker in overdue where try !isLeaseHeld(by: worker) { try removeProcess(worker) }
        let orphans = try rows(
            """
            SELECT ti_id, dispatch_id FROM task_instance
            WHERE state = 'running' AND worker IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM process p WHERE p.process_id = task_instance.worker)
            ORDER BY ti_id
            """
        ) { ($0.int64(0), $0.int64(1)) }
        try requeue(orphans, asSuspects: false)
        return orphans.count
    }
}

extension Snapshot {
    /// Whether a process is recorded: one that is not was taken for dead, and holds nothing any more.
    public func isRecorded(process: Int64) throws -> Bool {
        try number("SELECT 1 FROM process WHERE process_id = :1", process) != nil
    }

    /// The workers that take tasks of other bundles.
    public func workers(besidesBundle bundle: String) throws -> Set<Int64> {
        Set(try rows("SELECT process_id FROM worker WHERE bundle <> :1 ORDER BY process_id", bundle) { $0.int64(0) })
    }

    /// Which bundle each worker is of, and whether that comes up.
    public func workerBundles() throws -> [(worker: Int64, bundle: String, isUp: Bool)] {
        try rows("SELECT process_id, bundle, trouble FROM worker ORDER BY process_id") {
            ($0.int64(0), $0.text(1), $0.isNull(2))
        }
    }

    /// Recorded workers, in the order in which they were recorded.
    public func workers() throws -> [WorkerRow] {
        let known = Dictionary(
            try rows("SELECT process_id, queues, slots, bundle, trouble, trouble_count, trouble_since FROM worker") {
                row in
                let queues = row.optionalText(1)?.split(separator: ",").map(String.init)
                let trouble = row.optionalText(4).map { words in
                    BundleTrouble(words: words, count: row.int(5), since: row.optionalTime(6) ?? now)
                }
                return (
                    row.int64(0),
                    (terms: WorkerTerms(queues: queues, slots: row.int(2), bundle: row.text(3)), trouble: trouble)
                )
            }, uniquingKeysWith: { $1 })
        let running = Dictionary(
            try rows("SELECT worker, COUNT(*) FROM task_instance WHERE state = 'running' GROUP BY worker") {
                ($0.optionalInt64(0) ?? 0, $0.int(1))
            }, uniquingKeysWith: +)
        return try processes(role: WorkerRow.role).map { process in
            WorkerRow(
                process: process, terms: known[process.processID]?.terms ?? WorkerTerms(),
                running: running[process.processID] ?? 0, trouble: known[process.processID]?.trouble)
        }
    }
}
