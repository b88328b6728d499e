// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Which runs a listing shows.
public struct RunFilter: Sendable {
    /// Nil: of every DAG.
    public var dagID: String?
    /// Only runs of one of these; nil: of any.
    package var dagIDs: [String]?
    public var state: RunState?
    public var type: RunType?
    /// The first logical date.
    public var from: Timestamp?
    /// The last logical date.
    public var to: Timestamp?
    /// Page after this run, whether it is still there or not.
    public var after: RunPlace?
    public var limit = 100

    /// Runs of a DAG, or of all.
    public init(dagID: String? = nil) { self.dagID = dagID }
}

/// Where a run stands in a listing.
public struct RunPlace: Sendable, Hashable {
    public var runKey: Int64
    public var logicalDate: Timestamp

    /// A place from its parts.
    public init(runKey: Int64, logicalDate: Timestamp) {
        self.runKey = runKey
        self.logicalDate = logicalDate
    }
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
    /// Runs, a page at a time: those of one DAG by their logical dates, the newest first; those of all by their creation, the
    /// newest first. A page costs no more than the rows that are looked at to fill it.
    public func runs(_ filter: RunFilter) throws -> [RunRow] {
        var conditions = QueryConditions()
        conditions.add("dag_id =", filter.dagID)
        conditions.add("dag_id", in: filter.dagIDs)
        conditions.add("state =", filter.state)
        conditions.add("run_type =", filter.type)
        conditions.add("logical_date >=", filter.from)
        conditions.add("logical_date <=", filter.to)
        let order: String
        if filter.dagID == nil {
            conditions.add("run_key <", filter.after?.runKey)
            order = "run_key DESC"
        } else {
            if let after = filter.after {
                let place = "(\(conditions.place(after.logicalDate)), \(conditions.place(after.runKey)))"
                conditions.texts.append("(logical_date, run_key) < \(place)")
            }
            order = "logical_date DESC, run_key DESC"
        }
        var found: [RunRow] = []
        try connection.query(
            text: """
                SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                    params, queued_at, start_date, end_date, event_floor
                FROM dag_run WHERE \(conditions.text) ORDER BY \(order) LIMIT \(conditions.place(filter.limit))
                """, conditions.values
        ) { row in found.append(try RunRow(row)) }
        return found
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
