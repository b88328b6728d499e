// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What the transitions of one transaction need to know of a run; read once. A class, for it is looked at with every row.
final class RunFacts {
    let row: RunRow
    let version: DAGVersion
    let isPaused: Bool
    let cancelledBy: String?
    let toCreate: Int
    /// The newest version of the DAG: the one that its bundle has the code of.
    let newestVersionID: Int64
    /// With which version of the bundle its code began, where its DAG is pinned.
    var bundleVersion: String?
    /// The queues of the DAG's bundle.
    let queues: BundleQueue

    /// Whether no task of the run can have left its DAG.
    var isNewest: Bool { newestVersionID == row.versionID }

    init(
        row: RunRow, version: DAGVersion, isPaused: Bool, cancelledBy: String?, toCreate: Int, newestVersionID: Int64,
        bundleVersion: String?, bundle: String
    ) {
        self.row = row
        self.version = version
        self.isPaused = isPaused
        self.cancelledBy = cancelledBy
        self.toCreate = toCreate
        self.newestVersionID = newestVersionID
        self.bundleVersion = bundleVersion
        queues = BundleQueue(of: bundle)
    }
}

extension RunFacts {
    /// Why what has not ended in a cancelled run ends.
    var whyCancelled: String {
        guard cancelledBy == Hindrance.runTimeout else { return "the run was cancelled" }
        let span = version.definition.runTimeout.map { " of \($0)" } ?? ""
        return "the run's timeout\(span) ended it"
    }
}

extension Transaction {
    func facts(ofRun runKey: Int64) throws -> RunFacts {
        if let known = runs[runKey] { return known }
        let found = try first(
            """
            SELECT r.run_key, r.dag_id, r.run_id, r.version_id, r.run_type, r.state, r.logical_date, r.interval_start,
                r.interval_end, r.params, r.queued_at, r.start_date, r.end_date, r.event_floor,
                d.is_paused, r.cancelled_by, r.to_create, d.version_id, r.bundle_version, d.bundle, r.traceparent
            FROM dag_run r JOIN dag d ON d.dag_id = r.dag_id
            WHERE r.run_key = :1
            """, runKey
        ) { row in
            var run = try RunRow(row)
            run.traceparent = row.optionalText(20)
            return (
                run, row.bool(14), row.optionalText(15), row.int(16), row.int64(17), row.optionalText(18), row.text(19)
            )
        }
        guard let (row, isPaused, cancelledBy, toCreate, newest, bundleVersion, bundle) = found else {
            throw PerchError(.metastore, "the metastore has no run \(runKey), though its tasks are there")
        }
        let facts = RunFacts(
            row: row, version: try version(row.versionID), isPaused: isPaused, cancelledBy: cancelledBy,
            toCreate: toCreate, newestVersionID: newest, bundleVersion: bundleVersion, bundle: bundle)
        runs[runKey] = facts
        return facts
    }
}

extension RunRow {
    /// The columns run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
    /// params, queued_at, start_date, end_date, event_floor, in this order.
    init(_ row: borrowing SQLRow) throws {
        self.init(
            runKey: row.int64(0), dagID: row.text(1), runID: row.text(2), versionID: row.int64(3),
            type: try row.name(4), state: try row.name(5), logicalDate: row.time(6), dataIntervalStart: row.time(7),
            dataIntervalEnd: row.time(8), params: try row.json(9), queuedAt: row.time(10),
            startDate: row.optionalTime(11), endDate: row.optionalTime(12), eventFloor: row.int64(13))
    }

    /// The names and dates of one attempt in this run.
    func attemptFacts(taskID: String, mapIndex: Int, tryNumber: Int) -> AttemptFacts {
        AttemptFacts(
            dagID: dagID, runID: runID, taskID: taskID, mapIndex: mapIndex, tryNumber: tryNumber,
            logicalDate: logicalDate, dataIntervalStart: dataIntervalStart, dataIntervalEnd: dataIntervalEnd,
            params: params, runType: type)
    }
}

extension Snapshot {
    func version(_ versionID: Int64) throws -> DAGVersion {
        try catalog.version(versionID) {
            let text = try first("SELECT definition FROM dag_version WHERE version_id = :1", versionID) { $0.text(0) }
            guard let text else { throw PerchError(.metastore, "the metastore has no DAG version \(versionID)") }
            return try DAGDefinition(parsing: text)
        }
    }
}
