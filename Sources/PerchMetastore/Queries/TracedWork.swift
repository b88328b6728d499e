// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Something that has ended, with the names of what it belongs to.
package struct TracedWork: Sendable {
    /// A task instance and one of its tries.
    package struct Attempt: Sendable {
        package var taskID: String
        package var mapIndex: Int
        package var tryNumber: Int
    }

    package var end: TracedEnd
    package var run: RunRow
    /// Nil for a run.
    package var attempt: Attempt?
    package var began: Timestamp
}

extension Snapshot {
    /// What has ended, with its names. What is not there any more is left out.
    package func traced(_ ends: [TracedEnd]) throws -> [TracedWork] {
        var instances: [Int64: TracedInstance?] = [:]
        var runs: [Int64: RunRow?] = [:]
        return try ends.compactMap { end in
            switch end {
            case .run(let runKey, _, _):
                guard let run = try tracedRun(runKey, &runs) else { return nil }
                return TracedWork(end: end, run: run, attempt: nil, began: run.queuedAt)
            case .attempt(let id, let tryNumber, _, let began, let ended):
                guard let (run, attempt, instance) = try place(id, tryNumber, &instances, &runs) else { return nil }
                let known = instance.tryNumber == tryNumber ? instance.start : nil
                let first = try number(
                    "SELECT MIN(recorded_at) FROM journal WHERE ti_id = :1 AND try_number = :2", id, tryNumber)
                let start = began ?? known ?? first.map { Timestamp(microseconds: $0) } ?? ended
                return TracedWork(end: end, run: run, attempt: attempt, began: start)
            case .step(let place, let began, let ended):
                let found = try self.place(place.taskInstanceID, place.tryNumber, &instances, &runs)
                guard let (run, attempt, _) = found else { return nil }
                return TracedWork(end: end, run: run, attempt: attempt, began: min(began ?? ended, ended))
            case .wait(let place, _, _, _, let began, _):
                let found = try self.place(place.taskInstanceID, place.tryNumber, &instances, &runs)
                guard let (run, attempt, _) = found else { return nil }
                return TracedWork(end: end, run: run, attempt: attempt, began: began)
            }
        }
    }

    private struct TracedInstance {
        var runKey: Int64
        var taskIndex: Int
        var mapIndex: Int
        var tryNumber: Int
        var start: Timestamp?
    }

    private func place(
        _ id: Int64, _ tryNumber: Int, _ instances: inout [Int64: TracedInstance?], _ runs: inout [Int64: RunRow?]
    ) throws -> (RunRow, TracedWork.Attempt, TracedInstance)? {
        if instances[id] == nil {
            let found = try first(
                "SELECT run_key, task_index, map_index, try_number, start_date FROM task_instance WHERE ti_id = :1", id
            ) {
                TracedInstance(
                    runKey: $0.int64(0), taskIndex: $0.int(1), mapIndex: $0.int(2), tryNumber: $0.int(3),
                    start: $0.optionalTime(4))
            }
            instances[id] = .some(found)
        }
        guard let instance = instances[id] ?? nil, let run = try tracedRun(instance.runKey, &runs) else { return nil }
        let tasks = try version(run.versionID).tasks
        guard tasks.indices.contains(instance.taskIndex) else { return nil }
        return (
            run,
            TracedWork.Attempt(
                taskID: tasks[instance.taskIndex].taskID, mapIndex: instance.mapIndex, tryNumber: tryNumber), instance
        )
    }

    private func tracedRun(_ runKey: Int64, _ runs: inout [Int64: RunRow?]) throws -> RunRow? {
        if let known = runs[runKey] { return known }
        let found = try first(
            """
            SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                params, queued_at, start_date, end_date, event_floor, traceparent
            FROM dag_run WHERE run_key = :1
            """, runKey
        ) { row in
            var run = try RunRow(row)
            run.traceparent = row.optionalText(14)
            return run
        }
        runs[runKey] = .some(found)
        return found
    }
}
