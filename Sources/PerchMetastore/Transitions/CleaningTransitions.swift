// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What is to be cleaned away. Unfinished runs and live waits never are.
public struct CleaningRequest: Sendable {
    /// Finished runs that ended before.
    public var runsBefore: Timestamp?
    /// Events that came before.
    public var eventsBefore: Timestamp?
    /// Entries of the audit log that were recorded before.
    public var auditBefore: Timestamp?
    /// Only runs of this DAG.
    public var dagID: String?
    /// Only runs that were created before this one.
    public var beforeRunKey = Int64.max
    /// Only events up to this one.
    public var upToEvent = Int64.max

    /// Nothing yet.
    public init(runsBefore: Timestamp? = nil, eventsBefore: Timestamp? = nil, dagID: String? = nil) {
        self.runsBefore = runsBefore
        self.eventsBefore = eventsBefore
        self.dagID = dagID
    }
}

/// What one transaction has cleaned away.
public struct CleaningStep: Sendable {
    public var runs = 0
    public var events = 0
    public var auditEntries = 0
    /// Whether there is more.
    public var isMore = false
}

extension Transaction {
    /// Removes finished runs, events and probe rows older than these instants; never anything that a live wait or an
    /// unfinished run needs. Bounded; true where more is left.
    public func clean(runsBefore: Timestamp?, eventsBefore: Timestamp?, limit: Int) throws -> Bool {
        try clean(CleaningRequest(runsBefore: runsBefore, eventsBefore: eventsBefore), limit: limit).isMore
    }

    /// Removes a part of what is asked for, within a bound of rows.
    public func clean(_ request: CleaningRequest, limit: Int) throws -> CleaningStep {
        var left = limit
        var step = CleaningStep()
        if let runsBefore = request.runsBefore {
            step.runs = try cleanRuns(before: runsBefore, request, &left)
        }
        if let eventsBefore = request.eventsBefore, left > 0 {
            try forgetAnswers()
            step.events = try cleanEvents(before: eventsBefore, upTo: request.upToEvent, limit: left)
            left -= step.events
            left -= try run(
                """
                DELETE FROM probe WHERE as_of < :1 AND NOT EXISTS
                    (SELECT 1 FROM wait w WHERE w.due_at IS NULL AND w.target_key = probe.target_key)
                """, eventsBefore)
        }
        if let auditBefore = request.auditBefore, left > 0 {
            step.auditEntries = try cleanAudit(before: auditBefore, limit: left)
            left -= step.auditEntries
        }
        step.isMore = left <= 0
        return step
    }

    /// They were recorded in the order of their ids: where the oldest are young, nothing else is looked at.
    private func cleanAudit(before instant: Timestamp, limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM audit_log WHERE audit_id IN (SELECT audit_id FROM
                (SELECT audit_id, at FROM audit_log ORDER BY audit_id LIMIT :2) AS oldest WHERE at < :1)
            """, instant, limit)
    }

    /// Who took an event, and what it started, is forgotten with it, and never before it.
    private func cleanEvents(before instant: Timestamp, upTo last: Int64, limit: Int) throws -> Int {
        try run(
            """
            DELETE FROM event_claim WHERE seq IN (
                SELECT seq FROM event WHERE received_at < :1 AND seq <= :3 ORDER BY received_at, seq LIMIT :2)
            """, instant, limit, last)
        try run(
            """
            DELETE FROM event_start WHERE seq IN (
                SELECT seq FROM event WHERE received_at < :1 AND seq <= :3 ORDER BY received_at, seq LIMIT :2)
            """, instant, limit, last)
        return try run(
            """
            DELETE FROM event WHERE seq IN (
                SELECT seq FROM event WHERE received_at < :1 AND seq <= :3 ORDER BY received_at, seq LIMIT :2)
            """, instant, limit, last)
    }

    /// A run goes first and whole: from then on nobody sees it, and nobody can clear what is half there. What hung on it
    /// goes after it, in as many transactions as it takes.
    private func cleanRuns(before instant: Timestamp, _ request: CleaningRequest, _ left: inout Int) throws -> Int {
        let old = try rows(
            """
            SELECT run_key FROM dag_run WHERE end_date IS NOT NULL AND end_date < :1
                AND NOT EXISTS (SELECT 1 FROM task_instance t WHERE t.run_key = dag_run.run_key AND t.is_callback = 1
                    AND t.state IN ('none', 'scheduled', 'queued', 'running', 'deferred', 'up_for_retry'))
                AND (CAST(:3 AS TEXT) IS NULL OR dag_id = :3) AND run_key < :4
            ORDER BY end_date LIMIT :2
            """, instant, max(1, left / 4), request.dagID, request.beforeRunKey
        ) { $0.int64(0) }
        var count = 0
        for runKey in old where left > 0 {
            try removeRun(runKey, &left)
            count += 1
        }
        left -= try run(
            "DELETE FROM backfill WHERE completed_at < :1 AND (CAST(:2 AS TEXT) IS NULL OR dag_id = :2)", instant,
            request.dagID)
        try cleanRemovedRuns(&left)
        return count
    }

    /// Takes a finished run away; what hung on it follows.
    func removeRun(_ runKey: Int64, _ left: inout Int) throws {
        left -= try run("INSERT INTO removed_run (run_key) VALUES (:1)", runKey)
        left -= try run("DELETE FROM mapped_task WHERE run_key = :1", runKey)
        left -= try run("DELETE FROM dag_run WHERE run_key = :1", runKey)
    }

    /// Goes on with what hung on runs that were removed.
    func cleanRemovedRuns(_ left: inout Int) throws {
        guard left > 0 else { return }
        let removed = try rows("SELECT run_key FROM removed_run ORDER BY run_key LIMIT :1", left) { $0.int64(0) }
        if removed.isEmpty { return }
        // Only a metastore that machines share holds logs and outputs, and not every one has tasks with templates.
        let hasLogs = try number("SELECT 1 FROM log_chunk LIMIT 1") != nil
        let hasOutputs = try number("SELECT 1 FROM output_chunk LIMIT 1") != nil
        let hasRendered = try number("SELECT 1 FROM rendered_field LIMIT 1") != nil
        for runKey in removed {
            let instances = try rows(
                "SELECT ti_id FROM task_instance WHERE run_key = :1 LIMIT :2", runKey, left
            ) { $0.int64(0) }
            for id in instances where left > 0 {
                left -= try run("DELETE FROM journal WHERE ti_id = :1", id)
                left -= try run("DELETE FROM output_item WHERE ti_id = :1", id)
                if hasRendered { left -= try run("DELETE FROM rendered_field WHERE ti_id = :1", id) }
                if hasLogs { left -= try run("DELETE FROM log_chunk WHERE ti_id = :1", id) }
                if hasOutputs { left -= try run("DELETE FROM output_chunk WHERE ti_id = :1", id) }
                left -= try run("DELETE FROM callback_cause WHERE ti_id = :1", id)
                left -= try run("DELETE FROM task_instance WHERE ti_id = :1", id)
            }
            guard left > 0 else { return }
            left -= try run("DELETE FROM removed_run WHERE run_key = :1", runKey)
        }
    }
}

extension Snapshot {
    /// How many runs and events a cleaning would take away.
    public func cleanable(_ request: CleaningRequest) throws -> (runs: Int, events: Int) {
        let runs = try request.runsBefore.flatMap { instant in
            try number(
                """
                SELECT COUNT(*) FROM dag_run WHERE end_date IS NOT NULL AND end_date < :1
                    AND (CAST(:2 AS TEXT) IS NULL OR dag_id = :2) AND run_key < :3
                """, instant, request.dagID, request.beforeRunKey)
        }
        let events = try request.eventsBefore.flatMap { instant in
            try number("SELECT COUNT(*) FROM event WHERE received_at < :1 AND seq <= :2", instant, request.upToEvent)
        }
        return (Int(runs ?? 0), Int(events ?? 0))
    }

    /// The first of the newest runs of a DAG, so many of them; nil where it has no more than these.
    public func runKey(ofNewest count: Int, dagID: String) throws -> Int64? {
        guard count > 0 else { return nil }
        return try number(
            "SELECT run_key FROM dag_run WHERE dag_id = :1 ORDER BY run_key DESC LIMIT 1 OFFSET :2", dagID, count - 1)
    }

    /// The last event that nothing can need any more: every wait, every unfinished run and every DAG that events start looks
    /// at later ones alone.
    public func lastNeedlessEvent() throws -> Int64 {
        let floors: [Int64?] = [
            try number("SELECT MIN(event_floor) FROM wait"),
            try number("SELECT MIN(event_floor) FROM dag_run WHERE state = 'queued'"),
            try number("SELECT MIN(event_floor) FROM dag_run WHERE state = 'running'"),
            try number(
                """
                SELECT value FROM counter WHERE name = 'start_cursor'
                    AND EXISTS (SELECT 1 FROM dag WHERE start_floor IS NOT NULL AND is_active = 1)
                """),
            try number("SELECT MIN(seq) - 1 FROM event_start WHERE run_key IS NULL AND reason IS NULL"),
        ]
        return floors.compactMap(\.self).min() ?? .max
    }
}
