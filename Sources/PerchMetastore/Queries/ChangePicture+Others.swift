// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension ChangePicture {
    // MARK: waits

    mutating func lookAtWaits(_ snapshot: Snapshot, _ changes: inout [Change]) throws {
        guard lookedAt != nil else { return try beginWaits(snapshot) }
        let new = try snapshot.changeWaits(after: lastWait, limit: bounds.waits + 1)
        guard new.count <= bounds.waits else {
            tooMany(.wait, snapshot.now, &changes)
            return try beginWaits(snapshot)
        }
        let deadlines = Dictionary(try snapshot.waitDeadlines(after: waitFloor, upTo: lastWait)) { first, _ in first }
        for (id, wait) in waits.sorted(by: { $0.key < $1.key }) {
            guard let deadline = deadlines[id] else {
                waits[id] = nil
                changes.append(Self.change(of: id, wait, "ended"))
                continue
            }
            guard deadline != wait.deadline else { continue }
            waits[id]?.deadline = deadline
            changes.append(Self.change(of: id, wait, "moved"))
        }
        for (id, wait) in new {
            waits[id] = wait
            changes.append(Self.change(of: id, wait, "began"))
        }
        lastWait = new.last?.0 ?? lastWait
        let surplus = waits.count - bounds.waits
        guard surplus > 0 else { return }
        for id in waits.keys.sorted().prefix(surplus) {
            waits[id] = nil
            waitFloor = id
        }
    }

    private mutating func beginWaits(_ snapshot: Snapshot) throws {
        lastWait = try snapshot.number("SELECT MAX(wait_id) FROM wait") ?? lastWait
        let ids = try snapshot.rows("SELECT wait_id FROM wait ORDER BY wait_id DESC LIMIT :1", bounds.waits) {
            $0.int64(0)
        }
        waitFloor = ids.last.map { $0 - 1 } ?? lastWait
        waits = Dictionary(try snapshot.changeWaits(after: waitFloor, limit: bounds.waits)) { first, _ in first }
    }

    private static func change(of id: Int64, _ wait: Wait, _ what: String) -> Change {
        Change(
            kind: .wait, dagID: wait.dagID,
            facts: [
                "wait_id": .integer(id), "change": .string(what), "kind": .string(wait.kind),
                "dag_id": .string(wait.dagID), "dag_run_id": .string(wait.runID), "task_id": .string(wait.taskID),
                "map_index": .integer(wait.mapIndex),
            ])
    }

    // MARK: what seldom changes

    mutating func lookAtDAGs(_ snapshot: Snapshot, _ changes: inout [Change]) throws {
        let rows = try snapshot.rows("SELECT dag_id, is_paused, is_active, version_number FROM dag ORDER BY dag_id") {
            ($0.text(0), DAG(isPaused: $0.bool(1), isActive: $0.bool(2), version: $0.int64(3)))
        }
        let current = Dictionary(rows) { first, _ in first }
        for (id, dag) in rows where dags[id] != dag {
            changes.append(
                Change(
                    kind: .dag, dagID: id,
                    facts: [
                        "dag_id": .string(id), "is_paused": .bool(dag.isPaused), "is_active": .bool(dag.isActive),
                        "version_number": .integer(dag.version),
                    ]))
        }
        for id in dags.keys.sorted() where current[id] == nil {
            changes.append(Change(kind: .dag, dagID: id, facts: ["dag_id": .string(id), "removed": true]))
        }
        dags = current
    }

    mutating func lookAtJobs(_ snapshot: Snapshot, _ changes: inout [Change]) throws {
        let rows = try snapshot.rows(
            """
            SELECT process_id, role, host, pid, lease_until FROM process
            WHERE role IN ('scheduler', 'triggerer', 'worker', 'api-server') ORDER BY process_id
            """
        ) { row in
            let job = Job(
                role: row.text(1), name: "\(row.text(2)):\(row.int64(3))", isActive: row.time(4) > snapshot.now)
            return (row.int64(0), job)
        }
        let current = Dictionary(rows) { first, _ in first }
        for (id, job) in rows where jobs[id] != job {
            changes.append(Self.change(of: id, job, job.isActive ? "active" : "dead"))
        }
        for (id, job) in jobs.sorted(by: { $0.key < $1.key }) where current[id] == nil {
            changes.append(Self.change(of: id, job, "gone"))
        }
        jobs = current
    }

    private static func change(of id: Int64, _ job: Job, _ state: String) -> Change {
        Change(
            kind: .job, dagID: nil,
            facts: [
                "process_id": .integer(id), "role": .string(job.role), "name": .string(job.name),
                "state": .string(state),
            ])
    }

    mutating func lookAtImportErrors(_ snapshot: Snapshot, _ changes: inout [Change]) throws {
        let current = try snapshot.rows(
            "SELECT bundle, file, line, message, since FROM import_error ORDER BY bundle, position LIMIT 1000"
        ) { row in
            var hash = StableHash128()
            for column in Int32(0)..<2 { hash.combine(row.text(column)) }
            hash.combine("\(row.int64(2))")
            hash.combine(row.text(3))
            hash.combine("\(row.int64(4))")
            return hash.text
        }
        if current != importErrors {
            changes.append(
                Change(kind: .importError, dagID: nil, facts: ["count": .integer(Int64(current.count))]))
        }
        importErrors = current
    }
}

extension Snapshot {
    fileprivate func changeWaits(after waitID: Int64, limit: Int) throws -> [(Int64, ChangePicture.Wait)] {
        try rows(
            """
            SELECT w.wait_id, w.kind, w.deadline, t.task_index, t.map_index, r.dag_id, r.run_id, r.version_id
            FROM wait w JOIN task_instance t ON t.ti_id = w.ti_id JOIN dag_run r ON r.run_key = t.run_key
            WHERE w.wait_id > :1 ORDER BY w.wait_id LIMIT :2
            """, waitID, limit
        ) { row in
            (
                id: row.int64(0), versionID: row.int64(7), task: row.int(3),
                wait: ChangePicture.Wait(
                    kind: row.text(1), deadline: row.optionalInt64(2), taskID: "", mapIndex: row.int64(4),
                    dagID: row.text(5), runID: row.text(6))
            )
        }
        .map { found in
            var wait = found.wait
            let tasks = try definition(ofVersion: found.versionID).tasks
            if tasks.indices.contains(found.task) { wait.taskID = tasks[found.task].taskID }
            return (found.id, wait)
        }
    }

    /// The deadlines of waits that are there.
    fileprivate func waitDeadlines(after first: Int64, upTo last: Int64) throws -> [(Int64, Int64?)] {
        try rows(
            "SELECT wait_id, deadline FROM wait WHERE wait_id > :1 AND wait_id <= :2 ORDER BY wait_id", first, last
        ) { ($0.int64(0), $0.optionalInt64(1)) }
    }
}
