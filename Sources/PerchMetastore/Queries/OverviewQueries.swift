// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// How much is under way, for people. Each count stops at a bound, so that none takes longer than a page may.
package struct Overview: Sendable, Hashable {
    package var runsQueued = 0
    package var runsRunning = 0
    package var tasksScheduled = 0
    package var tasksQueued = 0
    package var tasksRunning = 0
    package var tasksUpForRetry = 0
    package var waits = 0
}

/// What ended in a span of time, from its start up to, and not at, its end.
package struct EndedCount: Sendable, Hashable {
    package var from: Timestamp
    package var runsSucceeded = 0
    package var runsFailed = 0
    package var tasksSucceeded = 0
    package var tasksFailed = 0
    /// Skipped, upstream_failed, removed.
    package var tasksOther = 0
}

extension Snapshot {
    /// How much is under way; a count that is at the bound may be larger.
    package func overview(atMost bound: Int) throws -> Overview {
        var overview = Overview()
        overview.runsQueued = try count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM dag_run WHERE state = 'queued' LIMIT :1) AS few", bound)
        overview.runsRunning = try count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM dag_run WHERE state = 'running' LIMIT :1) AS few", bound)
        overview.tasksScheduled = try count(
            """
            SELECT COUNT(*) FROM
                (SELECT 1 FROM task_instance WHERE state = 'scheduled' AND is_held = 0 LIMIT :1) AS few
            """, bound)
        // Its two indexes.
        overview.tasksQueued = min(
            bound,
            try count(
                """
                SELECT COUNT(*) FROM
                    (SELECT 1 FROM task_instance WHERE state = 'queued' AND queue = 'default' LIMIT :1) AS few
                """, bound)
                + count(
                    """
                    SELECT COUNT(*) FROM
                        (SELECT 1 FROM task_instance WHERE state = 'queued' AND queue <> 'default' LIMIT :1) AS few
                    """, bound))
        overview.tasksRunning = try count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM task_instance WHERE state = 'running' LIMIT :1) AS few", bound)
        overview.tasksUpForRetry = try count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM task_instance WHERE state = 'up_for_retry' LIMIT :1) AS few", bound)
        overview.waits = try count("SELECT COUNT(*) FROM (SELECT 1 FROM wait LIMIT :1) AS few", bound)
        return overview
    }

    private func count(_ sql: StaticString, _ bound: Int) throws -> Int { Int(try number(sql, bound) ?? 0) }

    /// What has ended since an instant, in so many equal spans up to now; at most so many tasks are counted, those of the
    /// newest ends.
    package func endedCounts(since: Timestamp, spans: Int, atMost bound: Int) throws -> [EndedCount] {
        let width = max(1, (now - since).microseconds / Int64(max(1, spans)) + 1)
        var counts = (0..<spans).map { EndedCount(from: since + TimeSpan(microseconds: width * Int64($0))) }
        try each(
            """
            SELECT (end_date - :1) / :2 AS place, state, COUNT(*) FROM dag_run
            WHERE end_date IS NOT NULL AND end_date >= :1 GROUP BY place, state
            """, since, width
        ) { row in
            let place = row.int(0)
            guard counts.indices.contains(place) else { return }
            switch try row.name(1, as: RunState.self) {
            case .success: counts[place].runsSucceeded += row.int(2)
            case .failed: counts[place].runsFailed += row.int(2)
            case .queued, .running: break
            }
        }
        func add(_ row: borrowing SQLRow) throws {
            let place = row.int(0)
            guard counts.indices.contains(place) else { return }
            switch try row.name(1, as: TaskState.self) {
            case .success: counts[place].tasksSucceeded += row.int(2)
            case .failed: counts[place].tasksFailed += row.int(2)
            case .skipped, .upstreamFailed, .removed: counts[place].tasksOther += row.int(2)
            default: break
            }
        }
        try each(
            """
            SELECT place, state, COUNT(*) FROM (
                SELECT (t.end_date - :1) / :2 AS place, t.state AS state
                FROM dag_run r JOIN task_instance t ON t.run_key = r.run_key
                WHERE r.end_date IS NOT NULL AND r.end_date >= :1 AND t.end_date >= :1
                ORDER BY r.end_date DESC LIMIT :3) AS ends
            GROUP BY place, state
            """, since, width, bound, do: add)
        try each(
            """
            SELECT place, state, COUNT(*) FROM (
                SELECT (t.end_date - :1) / :2 AS place, t.state AS state
                FROM dag_run r JOIN task_instance t ON t.run_key = r.run_key
                WHERE r.state = 'running' AND t.end_date >= :1 LIMIT :3) AS ends
            GROUP BY place, state
            """, since, width, bound, do: add)
        return counts
    }

    /// Runs of all DAGs in a state, found by its index: those under way by DAG, those that have ended from the newest end on.
    ///
    /// - Parameters:
    ///   - since: Of runs that have ended, only those that ended since.
    ///   - skipping: So many of the first are passed over.
    package func runs(in state: RunState, since: Timestamp, skipping: Int, limit: Int) throws -> [RunRow] {
        switch state {
        case .queued:
            try rows(
                """
                SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                    params, queued_at, start_date, end_date, event_floor
                FROM dag_run WHERE state = 'queued' ORDER BY dag_id, run_key LIMIT :1 OFFSET :2
                """, limit, skipping
            ) { try RunRow($0) }
        case .running:
            try rows(
                """
                SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                    params, queued_at, start_date, end_date, event_floor
                FROM dag_run WHERE state = 'running' ORDER BY dag_id, run_key LIMIT :1 OFFSET :2
                """, limit, skipping
            ) { try RunRow($0) }
        case .success, .failed:
            try rows(
                """
                SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                    params, queued_at, start_date, end_date, event_floor
                FROM dag_run WHERE end_date IS NOT NULL AND end_date >= :1 AND state = :2
                ORDER BY end_date DESC LIMIT :3 OFFSET :4
                """, since, state, limit, skipping
            ) { try RunRow($0) }
        }
    }

    /// Task instances of all DAGs that run, are queued, wait for room, or are to be tried again; found by the indexes of these
    /// states, in their order. None for every other state.
    package func taskInstances(in state: TaskState, skipping: Int, limit: Int) throws -> [TaskInstanceRow] {
        switch state {
        case .running: return try instances("t.state = 'running'", by: "t.worker", skipping, limit)
        case .queued: return try queuedInstances(skipping, limit)
        case .scheduled: return try instances("t.state = 'scheduled' AND t.is_held = 0", by: "t.pool", skipping, limit)
        case .upForRetry: return try instances("t.state = 'up_for_retry'", by: "t.retry_at", skipping, limit)
        default: return []
        }
    }

    /// Those of the default queue first: each of the two has an index of its own.
    private func queuedInstances(_ skipping: Int, _ limit: Int) throws -> [TaskInstanceRow] {
        let order = "t.queue_class, t.priority DESC"
        var found = try instances("t.state = 'queued' AND t.queue = 'default'", by: order, skipping, limit)
        guard found.count < limit else { return found }
        let first =
            found.isEmpty
            ? try number("SELECT COUNT(*) FROM task_instance WHERE state = 'queued' AND queue = 'default'") ?? 0
            : Int64(skipping + found.count)
        found += try instances(
            "t.state = 'queued' AND t.queue <> 'default'", by: "t.queue, \(order)", max(0, skipping - Int(first)),
            limit - found.count)
        return found
    }

    private func instances(
        _ condition: String, by order: String, _ skipping: Int, _ limit: Int
    ) throws -> [TaskInstanceRow] {
        var found: [TaskInstanceRow] = []
        try connection.query(
            text: """
                SELECT \(TaskInstanceRow.columns)
                FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
                WHERE \(condition) ORDER BY \(order) LIMIT :1 OFFSET :2
                """, [.integer(Int64(limit)), .integer(Int64(skipping))]
        ) { row in found.append(try taskInstance(row)) }
        return found
    }
}
