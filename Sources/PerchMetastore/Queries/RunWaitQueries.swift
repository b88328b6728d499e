// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Snapshot {
    /// How the runs that are meant stand, in the order in which they were created: the end of each, or nil where it, or the
    /// task that is meant, has not ended. Empty where there is no such run, and for the next one.
    package func standing(
        _ aim: RunAim, from logicalDate: Timestamp
    ) throws -> [(end: RunEvent?, run: RunRow)] {
        let found: [RunRow]
        if case .id(let runID) = aim.selection {
            found = try run(dagID: aim.dagID, runID: runID).map { [$0] } ?? []
        } else if let date = try aim.date(from: logicalDate) {
            found = try rows(
                """
                SELECT run_key, dag_id, run_id, version_id, run_type, state, logical_date, interval_start, interval_end,
                    params, queued_at, start_date, end_date, event_floor
                FROM dag_run WHERE dag_id = :1 AND logical_date = :2 ORDER BY run_key
                """, aim.dagID, date
            ) { try RunRow($0) }
        } else {
            found = []
        }
        return try found.map { run in
            guard let (state, endedAt) = try end(aim, in: run) else { return (nil, run) }
            let event = RunEvent(
                dagID: run.dagID, runID: run.runID, logicalDate: run.logicalDate, taskID: aim.taskID,
                mapIndex: aim.mapIndex, state: state, endedAt: endedAt ?? now)
            return (event, run)
        }
    }

    private func end(_ aim: RunAim, in run: RunRow) throws -> (TaskState, Timestamp?)? {
        guard let taskID = aim.taskID else {
            return run.state.isFinished ? (run.state == .success ? .success : .failed, run.endDate) : nil
        }
        guard let index = try version(run.versionID).tasks.firstIndex(where: { $0.taskID == taskID }) else {
            return nil
        }
        let mapped = try first(
            "SELECT unfinished, failed, skipped, length FROM mapped_task WHERE run_key = :1 AND task_index = :2",
            run.runKey, index
        ) { (unfinished: $0.int(0), failed: $0.int(1), skipped: $0.int(2), length: $0.int(3)) }
        if let mapped, aim.mapIndex == nil {
            guard mapped.unfinished == 0 else { return nil }
            let endedAt = try number(
                "SELECT MAX(end_date) FROM task_instance WHERE run_key = :1 AND task_index = :2", run.runKey, index)
            let task = try version(run.versionID).tasks[index]
            return (
                task.state(ofInstances: mapped.length, failed: mapped.failed, skipped: mapped.skipped),
                endedAt.map { Timestamp(microseconds: $0) }
            )
        }
        let instance = try first(
            "SELECT state, end_date FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = :3",
            run.runKey, index, aim.mapIndex ?? -1
        ) { (try $0.name(0, as: TaskState.self), $0.optionalTime(1)) }
        guard let instance, instance.0.isFinished else { return nil }
        return instance
    }

    /// How what a wait is for stands, in sentences for people. None for other kinds than `run`.
    public func runWaitSentences(_ wait: WaitRow) throws -> [String] {
        guard wait.kind == RunAim.kind, let definition = wait.definition else { return [] }
        let aim = try RunAim(parsing: definition)
        guard let dag = try dag(aim.dagID) else {
            return ["There is no DAG '\(aim.dagID)' yet; the wait goes on, for one may come."]
        }
        var sentences: [String] = []
        if !dag.isActive { sentences.append("The DAG '\(aim.dagID)' is in no bundle any more.") }
        if dag.isPaused { sentences.append("The DAG '\(aim.dagID)' is paused.") }
        if case .next = aim.selection { return sentences }
        let own = try self.run(dagID: wait.key.dagID, runID: wait.key.runID)
        let standing = try standing(aim, from: own?.logicalDate ?? now)
        if standing.isEmpty { sentences.append("The DAG '\(aim.dagID)' has no such run yet.") }
        for (end, run) in standing {
            if let taskID = aim.taskID {
                let hasTask = try version(run.versionID).tasks.contains { $0.taskID == taskID }
                let ended = end.map { "ended as \($0.state.rawValue) at \($0.endedAt)" } ?? "has not ended"
                sentences.append(
                    "Its run '\(run.runID)' is \(run.state.rawValue); "
                        + (hasTask ? "the task '\(taskID)' \(ended)." : "it has no task '\(taskID)'."))
            } else {
                sentences.append("Its run '\(run.runID)' is \(run.state.rawValue).")
            }
        }
        return sentences
    }
}
