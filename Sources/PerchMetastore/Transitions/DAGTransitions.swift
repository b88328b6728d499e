// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// Stores what a bundle describes: a new immutable version where the content changed. DAGs of the bundle that are not
    /// named any more become inactive; a run in progress keeps its version.
    ///
    /// A DAG that another bundle has stays that bundle's, as long as it has it: the second one is an import error. One that its
    /// bundle has no more moves to this one, with its runs.
    ///
    /// - Parameters:
    ///   - importErrors: What is wrong in the files from which the bundle reads DAGs.
    ///   - sources: The files that declare the DAGs, as far as there are texts of them.
    /// - Returns: What is wrong with DAGs that other bundles have.
    public func takeUpDAGs(
        _ definitions: [DAGDefinition], bundle: String, bundleVersion: String, importErrors: [DeclarationProblem] = [],
        sources: [DAGSourceText] = []
    ) throws -> [DeclarationProblem] {
        var sources = NewSources(sources)
        let active = Set(
            try rows("SELECT dag_id FROM dag WHERE bundle = :1 AND is_active = 1", bundle) { $0.text(0) })
        try run("UPDATE dag SET is_active = 0 WHERE bundle = :1", bundle)
        var clashes: [DeclarationProblem] = []
        for definition in definitions {
            if let clash = try clash(of: definition, in: bundle) {
                clashes.append(clash)
                continue
            }
            let isSameSchedule = try storeDAG(
                definition, bundle: bundle, bundleVersion: bundleVersion, &sources)
            try setStartFloor(of: definition, isKept: isSameSchedule && active.contains(definition.dagID))
        }
        try dropSources(sources)
        try storeImportErrors(importErrors + clashes, bundle: bundle)
        ring(.runs)
        // Another bundle may wait for what this one gave up.
        if !active.isSubset(of: definitions.map(\.dagID)) { ring(.bundles) }
        return clashes
    }

    /// The same, where nobody asks what other bundles have.
    public func storeDAGs(
        _ definitions: [DAGDefinition], bundle: String, bundleVersion: String, importErrors: [DeclarationProblem] = [],
        sources: [DAGSourceText] = []
    ) throws {
        _ = try takeUpDAGs(
            definitions, bundle: bundle, bundleVersion: bundleVersion, importErrors: importErrors, sources: sources)
    }

    /// What is wrong with a DAG that another bundle has. One that has it no more gives it up.
    private func clash(of definition: DAGDefinition, in bundle: String) throws -> DeclarationProblem? {
        let owner = try first("SELECT bundle, is_active FROM dag WHERE dag_id = :1", definition.dagID) {
            (bundle: $0.text(0), isActive: $0.bool(1))
        }
        guard let owner, owner.bundle != bundle else { return nil }
        guard owner.isActive else {
            try move(definition.dagID, to: bundle)
            return nil
        }
        return DeclarationProblem(
            file: "bundle \(bundle)", line: 1,
            message: """
                the DAG '\(definition.dagID)' is the bundle '\(owner.bundle)'s, and the bundle '\(bundle)' has one of the same id, \
                which is left out: rename one of them, or take it out of '\(owner.bundle)' first
                """)
    }

    /// Gives whether the DAG was there already, with the same schedule.
    private func storeDAG(
        _ definition: DAGDefinition, bundle: String, bundleVersion: String, _ sources: inout NewSources
    ) throws -> Bool {
        let text = definition.text
        let hash = ContentHash.text(of: text)
        let known = try first(
            """
            SELECT d.version_id, d.version_number, v.content_hash, d.bundle_version, v.source_hash, v.source_path
            FROM dag d JOIN dag_version v ON v.version_id = d.version_id
            WHERE d.dag_id = :1
            """, definition.dagID
        ) { row in
            (
                versionID: row.int64(0), number: row.int(1), hash: row.text(2), bundleVersion: row.text(3),
                source: row.optionalText(4).map { (hash: $0, path: row.optionalText(5) ?? "") }
            )
        }

        if let known {
            if case .timetable = definition.schedule, known.bundleVersion != bundleVersion {
                try forgetTicks(of: definition.dagID)
            }
            if known.hash == hash {
                try run(
                    "UPDATE dag SET is_active = 1, bundle_version = :2 WHERE dag_id = :1", definition.dagID,
                    bundleVersion)
                try setSource(
                    of: known.versionID, dagID: definition.dagID, from: known.source,
                    isSameBundle: known.bundleVersion == bundleVersion, in: &sources)
                catalog.keep(definition, as: known.versionID)
                return true
            }
            let previous = try version(known.versionID).definition
            if case .timetable = previous.schedule, previous.schedule != definition.schedule {
                try deleteTicks(of: definition.dagID)
            }
            let isSameSchedule =
                previous.schedule == definition.schedule && previous.calendar == definition.calendar
                && previous.jitter == definition.jitter && previous.start == definition.start
                && previous.end == definition.end && previous.catchup == definition.catchup
            let versionID = try storeVersion(
                definition, text: text, hash: hash, number: known.number + 1, bundleVersion: bundleVersion, &sources)
            // One without a next run may have been given up, and be right by now.
            try run(
                """
                UPDATE dag SET is_active = 1, version_id = :2, version_number = :3, bundle_version = :4,
                    max_active_runs = :5, is_scheduled = CASE WHEN :6 = 1 AND is_scheduled = 1
                        AND next_run_at IS NOT NULL THEN 1 ELSE 0 END,
                    next_run_at = CASE WHEN :6 = 1 THEN next_run_at ELSE NULL END
                WHERE dag_id = :1
                """, definition.dagID, versionID, known.number + 1, bundleVersion, definition.maxActiveRuns,
                isSameSchedule)
            return isSameSchedule
        } else {
            let versionID = try storeVersion(
                definition, text: text, hash: hash, number: 1, bundleVersion: bundleVersion, &sources)
            try run(
                """
                INSERT INTO dag (dag_id, bundle, is_paused, is_active, version_id, version_number, bundle_version,
                    max_active_runs, is_scheduled, next_run_at, last_scheduled)
                VALUES (:1, :2, 0, 1, :3, 1, :4, :5, 0, NULL, NULL)
                """, definition.dagID, bundle, versionID, bundleVersion, definition.maxActiveRuns)
            return false
        }
    }

    private func storeVersion(
        _ definition: DAGDefinition, text: String, hash: String, number: Int, bundleVersion: String,
        _ sources: inout NewSources
    ) throws -> Int64 {
        let versionID = try nextID()
        try run(
            """
            INSERT INTO dag_version (version_id, dag_id, version_number, content_hash, bundle_version, definition, created_at)
            VALUES (:1, :2, :3, :4, :5, :6, :7)
            """, versionID, definition.dagID, number, hash, bundleVersion, text, now)
        try setSource(of: versionID, dagID: definition.dagID, from: nil, isSameBundle: false, in: &sources)
        catalog.keep(definition, as: versionID)
        return versionID
    }

    /// Pauses or unpauses a DAG. Paused: no scheduled run is created and nothing is dispatched; its waits are watched,
    /// fired and journalled all the same.
    /// - Throws: `notFound` for an unknown DAG.
    public func setPaused(_ dagID: String, _ isPaused: Bool) throws {
        guard try run("UPDATE dag SET is_paused = :2 WHERE dag_id = :1", dagID, isPaused) == 1 else {
            throw PerchError(.notFound, "there is no DAG '\(dagID)'")
        }
        let active = try rows(
            "SELECT run_key FROM dag_run WHERE dag_id = :1 AND state = 'running' ORDER BY run_key", dagID
        ) { $0.int64(0) }
        for runKey in active {
            if isPaused { try unqueue(runKey: runKey) }
            try run(
                """
                UPDATE task_instance SET is_held = :2 WHERE run_key = :1 AND state = 'scheduled' AND is_callback = 0
                """, runKey, isPaused)
            try resetQueueDeadlines(runKey: runKey, isPaused: isPaused)
        }
        runs = [:]
        gates = [:]
        ring(.runs)
    }

    /// queued → scheduled for everything of a run but clean-ups after a cancel.
    private func unqueue(runKey: Int64) throws {
        try releaseQueuedSlots(runKey: runKey)
        try run(
            """
            UPDATE task_instance SET state = 'scheduled', dispatch_id = 0
            WHERE run_key = :1 AND state = 'queued' AND queue_class > 0 AND is_callback = 0
            """, runKey)
    }

    /// Sets the instant of a DAG's next scheduled run, compared and set on the row from which it was worked out; false where
    /// that is another by now: another scheduler was first, or the DAG was paused or deployed. Marks the schedule as worked out.
    ///
    /// With `untilRunEnds` the DAG is not due, whatever its instant, until one of its runs has ended; then it shows in
    /// `dagsToSchedule`, and `.runs` rings. With `untilTicksCome` the same is so until its timetable has told more ticks.
    public func setNextRun(
        of row: DAGRow, to new: Timestamp?, lastScheduled: Timestamp?, untilRunEnds: Bool = false,
        untilTicksCome: Bool = false
    ) throws -> Bool {
        try run(
            """
            UPDATE dag SET next_run_at = :3, last_scheduled = :4, is_scheduled = :5
            WHERE dag_id = :1 AND version_id = :6 AND is_paused = :7 AND is_active = :8
                AND (next_run_at = :2 OR (next_run_at IS NULL AND CAST(:2 AS BIGINT) IS NULL))
                AND (last_scheduled = :9 OR (last_scheduled IS NULL AND CAST(:9 AS BIGINT) IS NULL))
            """, row.dagID, row.nextRunAt, new, lastScheduled, untilTicksCome ? 3 : untilRunEnds ? 2 : 1,
            row.versionID, row.isPaused, row.isActive, row.lastScheduled) == 1
    }

    /// A run of the DAG has ended: a schedule that waited for that goes on, and the scheduler is called where the run made
    /// way for something.
    func runEnded(_ runKey: Int64, of dagID: String, as state: RunState, in settlement: Settlement) throws {
        ring(.finished)
        try callBack(ofRun: runKey, as: state, in: settlement)
        try tellEnd(ofRun: runKey, of: dagID, as: state)
        let resumed = try run("UPDATE dag SET is_scheduled = 0 WHERE dag_id = :1 AND is_scheduled = 2", dagID)
        let next = try number("SELECT 1 FROM dag_run WHERE dag_id = :1 AND state = 'queued' LIMIT 1", dagID)
        let backfill = try number("SELECT 1 FROM backfill WHERE dag_id = :1 AND completed_at IS NULL", dagID)
        if resumed > 0 || next != nil || backfill != nil { ring(.runs) }
    }
}

extension Snapshot {
    /// Active DAGs whose next run has to be worked out: whose schedule is new or has changed, or whose schedule waited for
    /// a run to end, and one has.
    public func dagsToSchedule(limit: Int) throws -> [DAGRow] {
        try rows(
            """
            SELECT dag_id, is_paused, is_active, version_id, version_number, bundle_version, next_run_at, last_scheduled,
                bundle
            FROM dag WHERE is_scheduled = 0 AND is_active = 1 ORDER BY dag_id LIMIT :1
            """, limit
        ) { DAGRow($0) }
    }

    /// Every DAG, by id.
    public func dags() throws -> [DAGRow] {
        try rows(
            """
            SELECT dag_id, is_paused, is_active, version_id, version_number, bundle_version, next_run_at, last_scheduled,
                bundle
            FROM dag ORDER BY dag_id
            """
        ) { DAGRow($0) }
    }

    /// One DAG; nil where there is none of this id.
    public func dag(_ dagID: String) throws -> DAGRow? {
        try first(
            """
            SELECT dag_id, is_paused, is_active, version_id, version_number, bundle_version, next_run_at, last_scheduled,
                bundle
            FROM dag WHERE dag_id = :1
            """, dagID
        ) { DAGRow($0) }
    }

    /// The definition that a version of a DAG has.
    public func definition(ofVersion versionID: Int64) throws -> DAGDefinition {
        try version(versionID).definition
    }

    /// Active, unpaused DAGs whose next run is due at or before an instant, earliest first.
    public func dagsDue(by instant: Timestamp, limit: Int) throws -> [DAGRow] {
        try rows(
            """
            SELECT dag_id, is_paused, is_active, version_id, version_number, bundle_version, next_run_at, last_scheduled,
                bundle
            FROM dag WHERE next_run_at IS NOT NULL AND is_active = 1 AND is_paused = 0 AND is_scheduled = 1
                AND next_run_at <= :1
            ORDER BY next_run_at, dag_id LIMIT :2
            """, instant, limit
        ) { DAGRow($0) }
    }

    /// The earliest next run of an active, unpaused DAG.
    public func nextRunInstant() throws -> Timestamp? {
        try number(
            """
            SELECT MIN(next_run_at) FROM dag
            WHERE next_run_at IS NOT NULL AND is_active = 1 AND is_paused = 0 AND is_scheduled = 1
            """
        ).map(Timestamp.init(microseconds:))
    }
}

extension DAGRow {
    init(_ row: borrowing SQLRow) {
        self.init(
            dagID: row.text(0), isPaused: row.bool(1), isActive: row.bool(2), versionID: row.int64(3),
            versionNumber: row.int(4), bundleVersion: row.text(5), nextRunAt: row.optionalTime(6),
            lastScheduled: row.optionalTime(7), bundle: row.text(8))
    }
}
