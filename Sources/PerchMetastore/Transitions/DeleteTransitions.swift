// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What a DAG has that goes with it.
public struct DAGBelongings: Sendable, Hashable {
    public var runs = 0
    /// Runs that have not ended.
    public var unfinished = 0
    /// Waits of its tasks.
    public var waits = 0
    public var versions = 0
}

/// How far the removal of a DAG has come.
public enum DAGRemoval: Sendable, Hashable {
    /// Something was removed, and there is more.
    case goesOn(runsRemoved: Int)
    /// Nothing can be removed before these runs have ended: their tasks clean up, or their callbacks are called still.
    case waitsFor(runs: [String])
    case done
}

extension Snapshot {
    /// What goes with a DAG.
    public func belongings(ofDAG dagID: String) throws -> DAGBelongings {
        func count(_ sql: StaticString) throws -> Int { Int(try number(sql, dagID) ?? 0) }
        return DAGBelongings(
            runs: try count("SELECT COUNT(*) FROM dag_run WHERE dag_id = :1"),
            unfinished: try count("SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state IN ('queued', 'running')"),
            waits: try count(
                """
                SELECT COUNT(*) FROM dag_run r JOIN task_instance t ON t.run_key = r.run_key
                    JOIN wait w ON w.ti_id = t.ti_id
                WHERE r.dag_id = :1 AND r.state = 'running' AND t.state = 'deferred'
                """),
            versions: try count("SELECT COUNT(*) FROM dag_version WHERE dag_id = :1"))
    }
}

extension Transaction {
    /// Begins to remove a DAG: nothing of it is started any more, whatever its bundle says, until it is described again.
    /// - Throws: `notFound` for an unknown DAG.
    public func beginRemoval(ofDAG dagID: String) throws {
        // Not paused: what its runs have set up is to be torn down.
        guard try run("UPDATE dag SET is_active = 0, start_floor = NULL WHERE dag_id = :1", dagID) == 1 else {
            throw PerchError(.notFound, "there is no DAG '\(dagID)'")
        }
        ring(.runs)
    }

    /// Goes on removing a DAG: cancels its runs, takes away those that have ended, then the DAG with its versions. Bounded:
    /// to be called until it is done.
    public func removeDAG(_ dagID: String, by: String, limit: Int) throws -> DAGRemoval {
        var left = limit
        let cancelled = try cancelRuns(of: dagID, by: by, &left)
        // What is not created yet ends as it is created; there may be no engine that would do it.
        try createInstances(&left)
        let ended = try rows(
            """
            SELECT run_key FROM dag_run WHERE dag_id = :1 AND end_date IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.run_key = dag_run.run_key AND t.is_callback = 1
                    AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
            ORDER BY run_key LIMIT :2
            """, dagID, max(0, left / 4)
        ) { $0.int64(0) }
        for runKey in ended where left > 0 { try removeRun(runKey, &left) }
        try cleanRemovedRuns(&left)
        if left <= 0 || cancelled > 0 || !ended.isEmpty { return .goesOn(runsRemoved: ended.count) }
        let unfinished = try rows(
            "SELECT run_id FROM dag_run WHERE dag_id = :1 ORDER BY run_key LIMIT 100", dagID
        ) { $0.text(0) }
        guard unfinished.isEmpty else { return .waitsFor(runs: unfinished) }
        let sources = Set(
            try rows(
                """
                SELECT source_hash FROM dag_version WHERE dag_id = :1 AND source_hash IS NOT NULL
                ORDER BY version_id LIMIT :2
                """, dagID, limit
            ) { $0.text(0) })
        let versions = try run(
            """
            DELETE FROM dag_version WHERE version_id IN (
                SELECT version_id FROM dag_version WHERE dag_id = :1 ORDER BY version_id LIMIT :2)
            """, dagID, limit)
        try dropSources(sources)
        if versions >= limit { return .goesOn(runsRemoved: 0) }
        try run("DELETE FROM event_start WHERE dag_id = :1 AND run_key IS NULL AND reason IS NULL", dagID)
        try run("DELETE FROM event_batch WHERE dag_id = :1", dagID)
        try run("DELETE FROM backfill WHERE dag_id = :1", dagID)
        try run("DELETE FROM dag_follower WHERE dag_id = :1", dagID)
        try deleteTicks(of: dagID)
        try run("DELETE FROM dag WHERE dag_id = :1", dagID)
        catalog.forget()
        ring(.runs)
        return .done
    }

    /// Cancels runs that have not ended, and goes on with cancels under way. Gives how many instances and runs that changed.
    private func cancelRuns(of dagID: String, by: String, _ left: inout Int) throws -> Int {
        let unfinished = try rows(
            """
            SELECT run_key, run_id, cancelled_by FROM dag_run
            WHERE dag_id = :1 AND state IN ('queued', 'running') ORDER BY run_key LIMIT :2
            """, dagID, max(1, left / 4)
        ) { (runKey: $0.int64(0), runID: $0.text(1), isCancelled: !$0.isNull(2)) }
        var changed = 0
        for run in unfinished where left > 0 {
            let before = left
            if run.isCancelled {
                try continueCancel(runKey: run.runKey, left: &left)
            } else if try cancelRun(dagID: dagID, runID: run.runID, by: by) {
                left -= 2_000
            }
            changed += before - left
        }
        return changed
    }
}
