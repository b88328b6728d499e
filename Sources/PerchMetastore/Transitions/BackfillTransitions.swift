// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Begins a backfill: the scheduler creates its runs, so many at a time.
    /// - Throws: as `plan` does; `conflict` where another backfill of the DAG is not completed.
    public func createBackfill(_ request: BackfillRequest, by: String) throws -> BackfillRow {
        let dates = try dates(of: request)
        if let open = try backfills(dagID: request.dagID, onlyOpen: true, limit: 1).first {
            throw PerchError(
                .conflict,
                "the backfill \(open.backfillID) of '\(request.dagID)' is \(open.state.rawValue): wait for it or cancel it"
            )
        }
        let id = try nextID()
        try run(
            """
            INSERT INTO backfill (backfill_id, dag_id, from_date, to_date, is_reverse, reprocess, max_active_runs, params,
                is_paused, next_date, dates, created, cleared, skipped, created_by, created_at)
            VALUES (:1, :2, :3, :4, :5, :6, :7, :8, 0, :9, :10, 0, 0, 0, :11, :12)
            """, id, request.dagID, request.from, request.to, request.isReverse, request.reprocess.rawValue,
            request.maxActiveRuns, request.params.text, dates[0], dates.count, by, now)
        ring(.runs)
        return try known(id)
    }

    /// Holds a backfill, or lets it go on. Runs that it has created go on all the same.
    /// - Throws: `notFound` for an unknown one, `conflict` for one that has ended.
    public func setBackfillPaused(_ backfillID: Int64, _ isPaused: Bool) throws -> BackfillRow {
        let row = try known(backfillID)
        guard row.completedAt == nil, row.cancelledBy == nil else {
            throw PerchError(.conflict, "the backfill \(backfillID) of '\(row.dagID)' is \(row.state.rawValue)")
        }
        try run("UPDATE backfill SET is_paused = :2 WHERE backfill_id = :1", backfillID, isPaused)
        ring(.runs)
        return try known(backfillID)
    }

    /// Ends a backfill: it creates no more runs, and those of its runs that have not begun are cancelled. What runs goes on.
    /// - Throws: `notFound` for an unknown one, `conflict` for one that has ended.
    public func cancelBackfill(_ backfillID: Int64, by: String) throws -> BackfillRow {
        let row = try known(backfillID)
        guard row.completedAt == nil, row.cancelledBy == nil else {
            throw PerchError(.conflict, "the backfill \(backfillID) of '\(row.dagID)' is \(row.state.rawValue)")
        }
        try run("UPDATE backfill SET next_date = NULL, cancelled_by = :2 WHERE backfill_id = :1", backfillID, by)
        let queued = try rows(
            "SELECT run_id FROM dag_run WHERE backfill_id = :1 AND end_date IS NULL AND state = 'queued'", backfillID
        ) { $0.text(0) }
        for runID in queued { _ = try cancelRun(dagID: row.dagID, runID: runID, by: by) }
        ring(.runs)
        return try known(backfillID)
    }

    private func known(_ backfillID: Int64) throws -> BackfillRow {
        guard let row = try backfill(backfillID) else {
            throw PerchError(.notFound, "there is no backfill \(backfillID)")
        }
        return row
    }

    /// Creates what backfills may have under way; where all dates have been looked at and all runs have ended, the
    /// backfill has too.
    func advanceBackfills(_ left: inout Int) throws {
        let open = try rows(
            """
            SELECT b.backfill_id FROM backfill b JOIN dag d ON d.dag_id = b.dag_id
            WHERE b.completed_at IS NULL AND (b.next_date IS NULL OR (b.is_paused = 0 AND d.is_paused = 0 AND d.is_active = 1))
            ORDER BY b.backfill_id
            """
        ) { $0.int64(0) }
        for id in open where left > 0 { try advance(known(id), &left) }
    }

    private func advance(_ row: BackfillRow, _ left: inout Int) throws {
        var row = row
        let before = row
        if row.nextDate != nil, row.unfinished < row.maxActiveRuns {
            let ticks = try backfillTicks(of: row.dagID)
            while left > 0, row.unfinished < row.maxActiveRuns, let date = row.nextDate {
                left -= 1
                try fill(date, &row, &left)
                let next = row.isReverse ? ticks.previous(before: date) : ticks.next(after: date)
                row.nextDate = next.flatMap { row.from <= $0 && $0 <= row.to ? $0 : nil }
            }
        }
        if row.nextDate == nil, row.unfinished == 0 { row.completedAt = now }
        guard row != before else { return }
        try run(
            """
            UPDATE backfill SET next_date = :2, created = :3, cleared = :4, skipped = :5, completed_at = :6
            WHERE backfill_id = :1
            """, row.backfillID, row.nextDate, row.created, row.cleared, row.skipped, row.completedAt)
    }

    private func fill(_ date: Timestamp, _ row: inout BackfillRow, _ left: inout Int) throws {
        let planned = try planned(date, of: row.dagID, row.reprocess)
        let runID: String
        switch (planned.action, planned.run) {
        case (.clear, let run?):
            runID = run.runID
            let cleared = try clear(
                dagID: row.dagID, runID: runID, taskID: nil, mapIndex: nil, downstream: true, onlyFailed: false,
                by: row.createdBy)
            left -= cleared.count
            row.cleared += 1
        case (.create, _):
            var request = RunRequest(dagID: row.dagID, type: .backfill, params: row.params)
            let interval = try backfillTicks(of: row.dagID).dataInterval(endingAt: date)
            request.logicalDate = date
            request.dataIntervalStart = interval.start
            request.dataIntervalEnd = interval.end
            do {
                runID = try createRun(request).runID
            } catch let error as PerchError where error.code == .conflict || error.code == .invalid {
                // A run that was made by hand has the name, or the DAG takes other params by now.
                row.skipped += 1
                return
            }
            row.created += 1
        default:
            row.skipped += 1
            return
        }
        try run(
            "UPDATE dag_run SET backfill_id = :3 WHERE dag_id = :1 AND run_id = :2", row.dagID, runID, row.backfillID)
        row.unfinished += 1
    }
}
