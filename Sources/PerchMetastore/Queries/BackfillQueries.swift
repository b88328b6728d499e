// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Snapshot {
    /// Backfills, the newest first; of one DAG or all, those that are not completed or all, only those before an id.
    public func backfills(
        dagID: String? = nil, onlyOpen: Bool = false, before backfillID: Int64 = .max, limit: Int
    ) throws -> [BackfillRow] {
        try rows(
            """
            SELECT b.backfill_id, b.dag_id, b.from_date, b.to_date, b.is_reverse, b.reprocess, b.max_active_runs, b.params,
                b.is_paused, b.next_date, b.dates, b.created, b.cleared, b.skipped, b.created_by, b.created_at,
                b.cancelled_by, b.completed_at,
                (SELECT COUNT(*) FROM dag_run r WHERE r.backfill_id = b.backfill_id AND r.end_date IS NULL)
            FROM backfill b
            WHERE b.backfill_id < :3 AND (CAST(:1 AS TEXT) IS NULL OR b.dag_id = :1)
                AND (:2 = 0 OR b.completed_at IS NULL)
            ORDER BY b.backfill_id DESC LIMIT :4
            """, dagID, onlyOpen, backfillID, limit
        ) { try BackfillRow($0) }
    }

    /// One backfill; nil where there is none of this id.
    public func backfill(_ backfillID: Int64) throws -> BackfillRow? {
        try first(
            """
            SELECT b.backfill_id, b.dag_id, b.from_date, b.to_date, b.is_reverse, b.reprocess, b.max_active_runs, b.params,
                b.is_paused, b.next_date, b.dates, b.created, b.cleared, b.skipped, b.created_by, b.created_at,
                b.cancelled_by, b.completed_at,
                (SELECT COUNT(*) FROM dag_run r WHERE r.backfill_id = b.backfill_id AND r.end_date IS NULL)
            FROM backfill b
            WHERE b.backfill_id = :1
            """, backfillID
        ) { try BackfillRow($0) }
    }

    /// What a backfill would do with each date, in its order.
    /// - Throws: `notFound` for an unknown DAG; `invalid` where there is nothing to be done, or too much at once.
    public func plan(_ request: BackfillRequest) throws -> [BackfillDate] {
        try dates(of: request).map { try planned($0, of: request.dagID, request.reprocess) }
    }

    /// The dates of a backfill, in its order.
    func dates(of request: BackfillRequest) throws -> [Timestamp] {
        guard request.from <= request.to else {
            throw PerchError(.invalid, "the backfill begins at \(request.from), after its end, \(request.to)")
        }
        guard request.to <= now else {
            throw PerchError(
                .invalid, "the backfill ends at \(request.to), which is still to come: its schedule runs what comes")
        }
        guard request.maxActiveRuns >= 1 else {
            throw PerchError(.invalid, "a backfill has \(request.maxActiveRuns) runs at a time; it is 1 at least")
        }
        guard case .object(let given) = request.params else {
            throw PerchError(.invalid, "the params of a run are a JSON object, not \(request.params.text)")
        }
        if let dag = try dag(request.dagID) {
            let definition = try version(dag.versionID).definition
            let params = definition.params.merging(given) { _, new in new }
            if let problem = definition.problem(ofParams: params) { throw PerchError(.invalid, problem) }
        }
        let ticks = try backfillTicks(of: request.dagID)
        var dates: [Timestamp] = []
        var next = ticks.next(after: request.from + TimeSpan(microseconds: -1))
        while let date = next, date <= request.to {
            guard dates.count < Self.mostBackfillDates else {
                throw PerchError(
                    .invalid,
                    "the schedule has more than \(Self.mostBackfillDates) dates from \(request.from) to \(request.to): do it in parts"
                )
            }
            dates.append(date)
            next = ticks.next(after: date)
        }
        guard !dates.isEmpty else {
            throw PerchError(
                .invalid, "the schedule of '\(request.dagID)' has no date from \(request.from) to \(request.to)")
        }
        return request.isReverse ? dates.reversed() : dates
    }

    func backfillTicks(of dagID: String) throws -> ScheduleTicks {
        guard let dag = try dag(dagID), dag.isActive else {
            throw PerchError(.notFound, "there is no DAG '\(dagID)'")
        }
        let definition = try version(dag.versionID).definition
        guard let ticks = try ticks(of: definition) else {
            throw PerchError(
                .invalid, "runs of '\(dagID)' are not created by time: there are no dates that could be filled")
        }
        return ticks
    }

    func planned(_ date: Timestamp, of dagID: String, _ reprocess: BackfillReprocess) throws -> BackfillDate {
        let name = try first(
            """
            SELECT run_id FROM dag_run
            WHERE dag_id = :1 AND logical_date = :2 AND run_type IN ('scheduled', 'backfill')
            """, dagID, date
        ) { $0.text(0) }
        guard let name, let run = try run(dagID: dagID, runID: name) else {
            return BackfillDate(logicalDate: date, action: .create)
        }
        let isCleared =
            switch reprocess {
            case .none: false
            case .failed: run.state == .failed
            case .completed: run.state.isFinished
            }
        return BackfillDate(logicalDate: date, action: isCleared ? .clear : .skip, run: run)
    }

    /// Dates are counted before a backfill begins.
    private static var mostBackfillDates: Int { 100_000 }
}

extension BackfillRow {
    init(_ row: borrowing SQLRow) throws {
        self.init(
            backfillID: row.int64(0), dagID: row.text(1), from: row.time(2), to: row.time(3), isReverse: row.bool(4),
            reprocess: try row.name(5), maxActiveRuns: row.int(6), params: try row.json(7), isPaused: row.bool(8),
            nextDate: row.optionalTime(9), dates: row.int(10), created: row.int(11), cleared: row.int(12),
            skipped: row.int(13), createdBy: row.text(14), createdAt: row.time(15), cancelledBy: row.optionalText(16),
            completedAt: row.optionalTime(17), unfinished: row.int(18))
    }
}
