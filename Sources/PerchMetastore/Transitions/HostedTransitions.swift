// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits that code of a bundle watches for. The worker that hosts one holds it by its own row among the processes:
/// what it stores or fires counts only as long as the wait's row names it.
extension Transaction {
    /// A wait of a hosted kind was registered.
    func addHosted(_ waitID: Int64, of runKey: Int64) throws {
        try run(
            "INSERT INTO hosted_wait (wait_id, worker, failures, offences, bundle) VALUES (:1, 0, 0, 0, :2)", waitID,
            try facts(ofRun: runKey).queues.bundle)
        ring(.hosted)
    }

    /// A wait of a hosted kind is gone: whoever hosts it ends its code.
    func removeHosted(_ waitID: Int64) throws {
        try run("DELETE FROM hosted_wait WHERE wait_id = :1", waitID)
        ring(.hosted)
    }

    /// Takes waits of a bundle that nobody hosts, the oldest first, and with `orphans` those whose worker is not alive.
    ///
    /// Nothing where the worker itself is not recorded any more.
    public func claimHosted(
        worker: Int64, bundle: String = WorkerTerms.defaultBundle, orphans: Bool, limit: Int
    ) throws -> [HostedWait] {
        guard limit > 0, try number("SELECT 1 FROM process WHERE process_id = :1", worker) != nil else { return [] }
        if orphans {
            try run(
                """
                UPDATE hosted_wait SET worker = 0 WHERE worker <> 0 AND NOT EXISTS
                    (SELECT 1 FROM process p WHERE p.process_id = hosted_wait.worker AND p.lease_until > :1)
                """, now)
        }
        let taken = try rows(
            """
            SELECT wait_id, failures, offences, retry_at FROM hosted_wait WHERE worker = 0 AND bundle = :2
            ORDER BY wait_id LIMIT :1
            """, limit, bundle
        ) { (waitID: $0.int64(0), failures: $0.int(1), offences: $0.int(2), retryAt: $0.optionalTime(3)) }
        var claimed: [HostedWait] = []
        for row in taken {
            try run("UPDATE hosted_wait SET worker = :2 WHERE wait_id = :1", row.waitID, worker)
            guard let wait = try wait(row.waitID) else { continue }
            let journal =
                wait.isSensor ? [] : try journal(taskInstanceID: wait.taskInstanceID, tryNumber: wait.tryNumber)
            claimed.append(
                HostedWait(
                    wait: wait, journal: journal, failures: row.failures, offences: row.offences, retryAt: row.retryAt))
        }
        return claimed
    }

    /// Gives waits back that a worker hosts, so that another one may take them at once.
    public func releaseHosted(worker: Int64) throws {
        if try run("UPDATE hosted_wait SET worker = 0 WHERE worker = :1", worker) > 0 { ring(.hosted) }
    }

    /// Stores what the next run of a wait must know. For each: whether the worker still hosts it.
    public func storeHostedProgress(
        _ progress: [(waitID: Int64, progress: JSONValue)], worker: Int64
    ) throws -> [Bool] {
        try progress.map { entry in
            try run(
                """
                UPDATE wait SET progress = :3 WHERE wait_id = :1
                    AND EXISTS (SELECT 1 FROM hosted_wait h WHERE h.wait_id = :1 AND h.worker = :2)
                """, entry.waitID, worker, entry.progress.text) == 1
        }
    }

    /// Stores how hosted waits stand.
    public func noteHosted(_ notes: [HostedNote], worker: Int64) throws {
        for note in notes {
            try run(
                """
                UPDATE hosted_wait SET failures = :3, offences = :4, retry_at = :5, words = :6, words_at = :7
                WHERE wait_id = :1 AND worker = :2
                """, note.waitID, worker, note.failures, note.offences, note.retryAt, note.words, now)
        }
    }

    /// Fires waits that a worker hosts. For each: whether it won; one that it hosts no more, or that is gone, it does
    /// not.
    public func fireHosted(_ firings: [Firing], worker: Int64) throws -> [Bool] {
        let settlement = Settlement()
        let won = try firings.map { firing in
            let isHost =
                try number("SELECT 1 FROM hosted_wait WHERE wait_id = :1 AND worker = :2", firing.waitID, worker) != nil
            return try isHost && fire(firing, isByOwner: false, in: settlement)
        }
        try settle(settlement)
        return won
    }
}

extension Snapshot {
    /// The waits that a worker hosts, in the order of their ids.
    public func hostedWaits(of worker: Int64) throws -> [Int64] {
        try rows("SELECT wait_id FROM hosted_wait WHERE worker = :1 ORDER BY wait_id", worker) { $0.int64(0) }
    }

    /// Who hosts a wait and how it went so far, in sentences for people. None for kinds that the engine watches itself.
    public func hostedSentences(_ wait: WaitRow) throws -> [String] {
        guard HostedKind.isHosted(wait.kind) else { return [] }
        let found = try first(
            """
            SELECT h.worker, h.failures, h.offences, h.retry_at, h.words, h.words_at, p.host, p.pid
            FROM hosted_wait h LEFT JOIN process p ON p.process_id = h.worker WHERE h.wait_id = :1
            """, wait.waitID
        ) { row in
            (
                failures: row.int(1), offences: row.int(2), retryAt: row.optionalTime(3), words: row.optionalText(4),
                wordsAt: row.optionalTime(5), host: row.optionalText(6), pid: row.isNull(7) ? 0 : row.int64(7)
            )
        }
        var sentences = ["Code of the bundle watches for it: the trigger '\(HostedKind.name(of: wait.kind))'."]
        guard let found else { return sentences }
        sentences.append(
            found.host.map { "The worker \($0):\(found.pid) hosts it." } ?? "No worker hosts it at this moment.")
        if found.failures > 0 { sentences.append("Runs of it that failed: \(found.failures).") }
        if found.offences > 0 {
            sentences.append("Times that it held its thread or ended its process: \(found.offences).")
        }
        if let words = found.words {
            sentences.append("What was last said of it\(found.wordsAt.map { ", at \($0)" } ?? ""): \(words).")
        }
        if let retryAt = found.retryAt, retryAt > now { sentences.append("It runs again at \(retryAt).") }
        if let progress = wait.progress {
            sentences.append("Its last checkpoint: \(progress.shown(200)).")
        }
        return sentences
    }
}
