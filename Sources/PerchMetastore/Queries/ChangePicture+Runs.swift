// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension ChangePicture {
    mutating func lookAtRuns(_ snapshot: Snapshot, _ changes: inout [Change]) throws {
        let now = snapshot.now
        let active = try snapshot.activeRuns(limit: bounds.runs + 1)
        let ends = try newEnds(snapshot, &changes)
        guard active.count <= bounds.runs else {
            runs = nil
            followed = [:]
            large = []
            tooMany(.run, now, &changes)
            tooMany(.taskInstance, now, &changes)
            return
        }
        let current = Dictionary(active) { first, _ in first }
        guard let before = runs else {
            // How it was before is not known.
            runs = current
            if lookedAt != nil {
                changes += [.many(.run), .many(.taskInstance)]
            }
            try lookAtInstances(snapshot, current, gone: [], &changes)
            return
        }
        for (key, run) in current.sorted(by: { $0.key < $1.key }) where before[key] != run {
            changes.append(Self.change(of: run))
        }
        let gone = before.keys.filter { current[$0] == nil }.sorted()
        for (key, found) in zip(gone, try snapshot.runs(keys: gone)) where ended[key] == nil || found.isEmpty {
            var run = found.first?.run ?? before[key]
            if found.isEmpty { run?.state = "removed" }
            if let run { changes.append(Self.change(of: run)) }
            ended[key] = found.first?.end ?? now.microseconds
        }
        // One that has ended is told of here, whether it was seen running or not.
        for (key, run, end) in ends where ended[key] == nil {
            changes.append(Self.change(of: run))
            ended[key] = end
        }
        for key in current.keys { ended[key] = nil }
        let oldest = (now + TimeSpan(microseconds: -2 * Self.slack.microseconds)).microseconds
        ended = ended.filter { $0.value >= oldest }
        runs = current
        try lookAtInstances(snapshot, current, gone: gone, &changes)
    }

    /// Runs that have ended since shortly before the last look.
    private mutating func newEnds(
        _ snapshot: Snapshot, _ changes: inout [Change]
    ) throws -> [(key: Int64, run: Run, end: Int64)] {
        let since = (lookedAt ?? snapshot.now) + TimeSpan(microseconds: -Self.slack.microseconds)
        let ends = try snapshot.runs(endedSince: since, limit: bounds.runs + 1)
        guard ends.count <= bounds.runs else {
            tooMany(.run, snapshot.now, &changes)
            return []
        }
        guard lookedAt != nil else {
            for (key, _, end) in ends { ended[key] = end }
            return []
        }
        return ends
    }

    private static func change(of run: Run) -> Change {
        Change(
            kind: .run, dagID: run.dagID,
            facts: [
                "dag_id": .string(run.dagID), "dag_run_id": .string(run.runID), "state": .string(run.state),
                "unfinished": .integer(run.unfinished), "failed": .integer(run.failed),
            ])
    }

    // MARK: task instances

    /// - Parameter gone: Runs that were under way at the last look, and are no more: they are looked at once again.
    private mutating func lookAtInstances(
        _ snapshot: Snapshot, _ current: [Int64: Run], gone: [Int64], _ changes: inout [Change]
    ) throws {
        large = large.filter { current[$0] != nil }
        let runningNow = current.filter { $0.value.state == RunState.running.rawValue }.keys
        var chosen = gone.filter { followed[$0] != nil } + runningNow.filter { followed[$0] != nil }.sorted()
        var room = bounds.instances - chosen.reduce(0) { $0 + (followed[$1]?.count ?? 0) }
        for key in runningNow.sorted(by: >) where followed[key] == nil && !large.contains(key) {
            guard chosen.count < bounds.followedRuns, room > 0, let run = current[key] else { break }
            room -= min(bounds.instancesOfRun, try snapshot.definition(ofVersion: run.versionID).tasks.count)
            chosen.append(key)
        }
        let found = try snapshot.changeInstances(ofRuns: chosen, limit: bounds.instancesOfRun + 1)
        var next: [Int64: [Int64: Instance]] = [:]
        for (key, rows) in zip(chosen, found) {
            guard let run = current[key] ?? lastKnown[key] else { continue }
            guard rows.count <= bounds.instancesOfRun else {
                large.insert(key)
                changes.append(.many(.taskInstance, of: run))
                continue
            }
            let after = Dictionary(rows) { first, _ in first }
            if let before = followed[key] {
                let names = try snapshot.definition(ofVersion: run.versionID).tasks.map(\.taskID)
                for (id, instance) in rows where before[id] != instance {
                    changes.append(Self.change(of: instance, run, names))
                }
                for (id, instance) in before.sorted(by: { $0.key < $1.key }) where after[id] == nil {
                    var instance = instance
                    instance.state = "removed"
                    changes.append(Self.change(of: instance, run, names))
                }
            }
            if current[key] != nil { next[key] = after }
        }
        followed = next
        lastKnown = current.filter { next[$0.key] != nil }
    }

    private static func change(of instance: Instance, _ run: Run, _ names: [String]) -> Change {
        let name = names.indices.contains(instance.taskIndex) ? names[instance.taskIndex] : ""
        return Change(
            kind: .taskInstance, dagID: run.dagID,
            facts: [
                "dag_id": .string(run.dagID), "dag_run_id": .string(run.runID), "task_id": .string(name),
                "map_index": .integer(instance.mapIndex), "state": .string(instance.state),
                "try_number": .integer(instance.tryNumber),
            ])
    }
}

extension ChangePicture.Run {
    /// From the second column on.
    fileprivate init(_ row: borrowing SQLRow) {
        self.init(
            dagID: row.text(1), runID: row.text(2), versionID: row.int64(3), state: row.text(4),
            unfinished: row.int64(5), failed: row.int64(6), uncreated: row.int64(7))
    }
}

extension Snapshot {
    fileprivate func activeRuns(limit: Int) throws -> [(Int64, ChangePicture.Run)] {
        let running = try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, state, unfinished, failed, to_create FROM dag_run
            WHERE state = 'running' ORDER BY dag_id, run_key LIMIT :1
            """, limit
        ) { ($0.int64(0), ChangePicture.Run($0)) }
        guard running.count < limit else { return running }
        let queued = try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, state, unfinished, failed, to_create FROM dag_run
            WHERE state = 'queued' ORDER BY dag_id, run_key LIMIT :1
            """, limit - running.count
        ) { ($0.int64(0), ChangePicture.Run($0)) }
        return running + queued
    }

    fileprivate func runs(
        endedSince since: Timestamp, limit: Int
    ) throws -> [(key: Int64, run: ChangePicture.Run, end: Int64)] {
        try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, state, unfinished, failed, to_create, end_date FROM dag_run
            WHERE end_date IS NOT NULL AND end_date >= :1 ORDER BY end_date, run_key LIMIT :2
            """, since, limit
        ) { ($0.int64(0), ChangePicture.Run($0), $0.int64(8)) }
    }

    fileprivate func runs(keys: [Int64]) throws -> [[(run: ChangePicture.Run, end: Int64?)]] {
        try rows(
            """
            SELECT run_key, dag_id, run_id, version_id, state, unfinished, failed, to_create, end_date FROM dag_run
            WHERE run_key = :1
            """, forEach: keys.map { [.integer($0)] }
        ) { (ChangePicture.Run($0), $0.optionalInt64(8)) }
    }

    fileprivate func changeInstances(
        ofRuns keys: [Int64], limit: Int
    ) throws -> [[(Int64, ChangePicture.Instance)]] {
        try rows(
            """
            SELECT ti_id, task_index, map_index, state, try_number FROM task_instance
            WHERE run_key = :1 ORDER BY task_index, map_index LIMIT :2
            """, forEach: keys.map { [.integer($0), .integer(Int64(limit))] }
        ) { row in
            let instance = ChangePicture.Instance(
                taskIndex: row.int(1), mapIndex: row.int64(2), state: row.text(3), tryNumber: row.int64(4))
            return (row.int64(0), instance)
        }
    }
}
