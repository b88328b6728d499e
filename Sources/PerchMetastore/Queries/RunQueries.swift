// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Snapshot {
    /// One run; nil where there is none.
    public func run(dagID: String, runID: String) throws -> RunRow? {
        try first(
            """
            SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end, params,
                queued_at, start_date, end_date, event_floor
            FROM dag_run WHERE dag_id = :1 AND run_id = :2
            """, dagID, runID
        ) { try RunRow($0) }
    }

    /// The run that was asked for by a key; nil where there is none.
    public func run(dagID: String, askedBy key: String) throws -> RunRow? {
        try first(
            """
            SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end, params,
                queued_at, start_date, end_date, event_floor
            FROM dag_run WHERE dag_id = :1 AND event_id = :2
            """, dagID, RunRequest.mark(ofKey: key)
        ) { try RunRow($0) }
    }

    /// Runs, the newest first, of one DAG or all, in one state or all.
    public func runs(dagID: String?, state: RunState?, limit: Int) throws -> [RunRow] {
        try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end, params,
                queued_at, start_date, end_date, event_floor
            FROM dag_run
            WHERE (CAST(:1 AS TEXT) IS NULL OR dag_id = :1) AND (CAST(:2 AS TEXT) IS NULL OR state = :2)
            ORDER BY run_key DESC LIMIT :3
            """, dagID, state, limit
        ) { try RunRow($0) }
    }

    /// How many runs of a DAG have not ended, beside those of a backfill, which has a bound of its own.
    public func activeRuns(dagID: String) throws -> Int {
        let queued = try number(
            "SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state = 'queued' AND backfill_id IS NULL", dagID)
        let running = try number(
            "SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state = 'running' AND backfill_id IS NULL", dagID)
        return Int((queued ?? 0) + (running ?? 0))
    }

    /// How many runs there are in each state.
    public func runCounts() throws -> [(state: RunState, count: Int)] {
        try rows("SELECT state, COUNT(*) FROM dag_run GROUP BY state ORDER BY state") { (try $0.name(0), $0.int(1)) }
    }
}

extension RunRequest {
    /// What stands for a key where else the event stands that started the run. No event has an id with a line's end in it.
    static func mark(ofKey key: String) -> String { "key\n" + key }
}
