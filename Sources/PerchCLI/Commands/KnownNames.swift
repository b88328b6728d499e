// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

extension Snapshot {
    /// A run that is there.
    func knownRun(_ dagID: String, _ runID: String) throws -> RunRow {
        _ = try knownDAG(dagID)
        if let run = try run(dagID: dagID, runID: runID) { return run }
        let latest = try runs(dagID: dagID, state: nil, limit: 1_000).map(\.runID)
        let near = NearName.nearest(to: runID, in: latest).map { " Did you mean '\($0)'?" } ?? ""
        throw PerchError(
            .notFound,
            "DAG '\(dagID)' has no run '\(runID)'; `\(ProgramName.current) runs list \(dagID)` shows its runs.\(near)")
    }

    /// Refuses a DAG, and a run or a task of it, that is not there. Without a DAG nothing is known of the others.
    func checkNames(dag: String?, run: String?, task: String? = nil) throws {
        guard let dag else { return }
        let row = try knownDAG(dag)
        if let run {
            let run = try knownRun(dag, run)
            if let task { _ = try knownTask(task, of: run) }
        } else if let task {
            let tasks = try definition(ofVersion: row.versionID).tasks.map(\.taskID)
            if !tasks.contains(task) {
                throw PerchError(
                    .notFound,
                    tasks.isEmpty
                        ? "DAG '\(dag)' has no task '\(task)', nor any other"
                        : "DAG '\(dag)' has no task '\(task)'; \(NearName.hint(task, tasks))")
            }
        }
    }

    /// A task instance that is there. `mapIndex` nil means the one of a task that is not mapped.
    func knownInstance(_ run: RunRow, _ taskID: String, _ mapIndex: Int?) throws -> TaskInstanceRow {
        let task = try knownTask(taskID, of: run)
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID, mapIndex: mapIndex ?? -1)
        if let instance = try taskInstance(key) { return instance }
        let reason: String
        if task.mappedOver == nil {
            reason = mapIndex == nil ? "it is not created yet" : "the task is not mapped: leave --map-index out"
        } else if let length = try mappedLength(of: key) {
            reason =
                mapIndex == nil
                ? "it is mapped: name one of its \(length) instances with --map-index"
                : "it is mapped over \(length) \(length == 1 ? "element" : "elements"), counted from 0"
        } else {
            reason = "it is mapped, and its instances are not created yet"
        }
        throw PerchError(
            .notFound,
            "run '\(run.runID)' of '\(run.dagID)' has no instance '\(taskID)'\(mapIndex.map { " [\($0)]" } ?? ""): \(reason)"
        )
    }
}
