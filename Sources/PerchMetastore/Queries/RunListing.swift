// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Which runs a listing shows.
public struct RunFilter: Sendable {
    public var dagID: String
    public var state: RunState?
    public var type: RunType?
    /// The first logical date.
    public var from: Timestamp?
    /// The last logical date.
    public var to: Timestamp?
    public var limit = 100

    /// Runs of a DAG.
    public init(dagID: String) { self.dagID = dagID }
}

/// What can be said of all runs of a DAG.
public struct RunReportRow: Sendable, Hashable {
    public var dagID: String
    public var runs = 0
    public var queued = 0
    public var running = 0
    public var success = 0
    public var failed = 0
    /// From the start to the end, of runs that have ended.
    public var durationP50: TimeSpan?
    public var durationP95: TimeSpan?
    public var durationMax: TimeSpan?
    /// From when a run was queued until it started.
    public var meanWait: TimeSpan?
    public var lastRunID: String?
    public var lastState: RunState?
    public var lastStart: Timestamp?
}

extension Snapshot {
    /// Runs of a DAG, the newest logical date first.
    public func runs(_ filter: RunFilter) throws -> [RunRow] {
        try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end, params,
                queued_at, start_date, end_date, event_floor
            FROM dag_run
            WHERE dag_id = :1 AND (CAST(:2 AS TEXT) IS NULL OR state = :2)
                AND (CAST(:3 AS TEXT) IS NULL OR run_type = :3)
                AND (CAST(:4 AS BIGINT) IS NULL OR logical_date >= :4)
                AND (CAST(:5 AS BIGINT) IS NULL OR logical_date <= :5)
            ORDER BY logical_date DESC, run_key DESC LIMIT :6
            """, filter.dagID, filter.state, filter.type, filter.from, filter.to, filter.limit
        ) { try RunRow($0) }
    }

    /// How many instances of each task of a run are in each state; tasks of which none are created are not there.
    public func stateCounts(runKey: Int64) throws -> [Int: [(state: TaskState, count: Int)]] {
        var counts: [Int: [(state: TaskState, count: Int)]] = [:]
        try each(
            """
            SELECT task_index, state, COUNT(*) FROM task_instance WHERE run_key = :1
            GROUP BY task_index, state ORDER BY task_index, state
            """, runKey
        ) { row in counts[row.int(0), default: []].append((try row.name(1, as: TaskState.self), row.int(2))) }
        return counts
    }

    /// What can be said of the runs of a DAG that were created since an instant, or of all. Everything is counted by the
    /// database.
    public func runReport(dagID: String, since: Timestamp?) throws -> RunReportRow {
        var report = RunReportRow(dagID: dagID)
        let since = since ?? Timestamp(microseconds: .min)
        try each(
            """
            SELECT state, COUNT(*) FROM dag_run WHERE dag_id = :1 AND queued_at >= :2 GROUP BY state ORDER BY state
            """, dagID, since
        ) { row in
            let count = row.int(1)
            report.runs += count
            switch try row.name(0, as: RunState.self) {
            case .queued: report.queued = count
            case .running: report.running = count
            case .success: report.success = count
            case .failed: report.failed = count
            }
        }
        let ended = Int(
            try number(
                """
                SELECT COUNT(*) FROM dag_run
                WHERE dag_id = :1 AND queued_at >= :2 AND start_date IS NOT NULL AND end_date IS NOT NULL
                """, dagID, since) ?? 0)
        if ended > 0 {
            // Nearest rank: the smallest duration that so many in a hundred do not exceed.
            report.durationP50 = try duration(dagID, since, rank: (ended * 50 + 99) / 100)
            report.durationP95 = try duration(dagID, since, rank: (ended * 95 + 99) / 100)
            report.durationMax = try duration(dagID, since, rank: ended)
        }
        report.meanWait =
            try first(
                """
                SELECT CAST(AVG(start_date - queued_at) AS BIGINT) FROM dag_run
                WHERE dag_id = :1 AND queued_at >= :2 AND start_date IS NOT NULL
                """, dagID, since
            ) { $0.optionalSpan(0) } ?? nil
        let last = try first(
            """
            SELECT run_id, state, start_date FROM dag_run WHERE dag_id = :1 AND queued_at >= :2
            ORDER BY run_key DESC LIMIT 1
            """, dagID, since
        ) { (runID: $0.text(0), state: try $0.name(1, as: RunState.self), start: $0.optionalTime(2)) }
        if let last { (report.lastRunID, report.lastState, report.lastStart) = last }
        return report
    }

    private func duration(_ dagID: String, _ since: Timestamp, rank: Int) throws -> TimeSpan? {
        try first(
            """
            SELECT end_date - start_date AS duration FROM dag_run
            WHERE dag_id = :1 AND queued_at >= :2 AND start_date IS NOT NULL AND end_date IS NOT NULL
            ORDER BY duration LIMIT 1 OFFSET :3
            """, dagID, since, rank - 1
        ) { $0.optionalSpan(0) } ?? nil
    }
}
