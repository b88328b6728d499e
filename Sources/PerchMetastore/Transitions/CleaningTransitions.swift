// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Removes finished runs, events and probe rows older than these instants; never anything that a live wait or an
    /// unfinished run needs. Bounded; true where more is left.
    public func clean(runsBefore: Timestamp?, eventsBefore: Timestamp?, limit: Int) throws -> Bool {
        var left = limit
        if let runsBefore { try cleanRuns(before: runsBefore, &left) }
        if let eventsBefore, left > 0 {
            // Who took an event, and what it started, is forgotten with it, and never before it.
            try run(
                """
                DELETE FROM event_claim WHERE seq IN (
                    SELECT seq FROM event WHERE received_at < :1 ORDER BY received_at, seq LIMIT :2)
                """, eventsBefore, left)
            try run(
                """
                DELETE FROM event_start WHERE seq IN (
                    SELECT seq FROM event WHERE received_at < :1 ORDER BY received_at, seq LIMIT :2)
                """, eventsBefore, left)
            left -= try run(
                """
                DELETE FROM event WHERE seq IN (
                    SELECT seq FROM event WHERE received_at < :1 ORDER BY received_at, seq LIMIT :2)
                """, eventsBefore, left)
            left -= try run(
                """
                DELETE FROM probe WHERE as_of < :1 AND NOT EXISTS
                    (SELECT 1 FROM wait w WHERE w.due_at IS NULL AND w.target_key = probe.target_key)
                """, eventsBefore)
        }
        return left <= 0
    }

    /// A run goes first and whole: from then on nobody sees it, and nobody can clear what is half there. What hung on it
    /// goes after it, in as many transactions as it takes.
    private func cleanRuns(before instant: Timestamp, _ left: inout Int) throws {
        let old = try rows(
            """
            SELECT run_key FROM dag_run WHERE end_date IS NOT NULL AND end_date < :1
                AND NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.run_key = dag_run.run_key AND t.is_callback = 1
                    AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
            ORDER BY end_date LIMIT :2
            """, instant, max(1, left / 4)
        ) { $0.int64(0) }
        for runKey in old where left > 0 {
            left -= try run("INSERT INTO removed_run (run_key) VALUES (:1)", runKey)
            left -= try run("DELETE FROM mapped_task WHERE run_key = :1", runKey)
            left -= try run("DELETE FROM dag_run WHERE run_key = :1", runKey)
        }
        left -= try run("DELETE FROM backfill WHERE completed_at < :1", instant)
        guard left > 0 else { return }
        let removed = try rows("SELECT run_key FROM removed_run ORDER BY run_key LIMIT :1", left) { $0.int64(0) }
        for runKey in removed {
            let instances = try rows(
                "SELECT ti_id FROM task_instance WHERE run_key = :1 LIMIT :2", runKey, left
            ) { $0.int64(0) }
            for id in instances where left > 0 {
                left -= try run("DELETE FROM journal WHERE ti_id = :1", id)
                left -= try run("DELETE FROM output_item WHERE ti_id = :1", id)
                left -= try run("DELETE FROM callback_cause WHERE ti_id = :1", id)
                left -= try run("DELETE FROM task_instance WHERE ti_id = :1", id)
            }
            guard left > 0 else { return }
            left -= try run("DELETE FROM removed_run WHERE run_key = :1", runKey)
        }
    }
}
