// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension Snapshot {
    /// A run that is there.
    func knownRun(of call: RESTCall) throws -> RunRow {
        try knownRun(call.name("dag_id"), call.name("dag_run_id"))
    }

    /// A task instance that is there, of the task in the path and the map index behind it.
    func knownInstance(of call: RESTCall) throws -> (run: RunRow, instance: TaskInstanceRow, task: TaskDefinition) {
        try knownInstance(call.name("dag_id"), call.name("dag_run_id"), call.name("task_id"), call.mapIndex)
    }

    /// The same, by its names.
    func knownInstance(
        _ dagID: String, _ runID: String, _ taskID: String, _ mapIndex: Int
    ) throws -> (run: RunRow, instance: TaskInstanceRow, task: TaskDefinition) {
        let run = try knownRun(dagID, runID)
        let task = try knownTask(taskID, of: run)
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID, mapIndex: mapIndex)
        if let instance = try taskInstance(key) { return (run, instance, task) }
        let reason: String
        if task.mappedOver == nil {
            reason = mapIndex < 0 ? "it is not created yet" : "the task is not mapped: leave map_index out"
        } else if let length = try mappedLength(of: key) {
            reason =
                mapIndex < 0
                ? "it is mapped: name one of its \(length) instances by map_index"
                : "it is mapped over \(length) \(length == 1 ? "element" : "elements"), counted from 0"
        } else {
            reason = "it is mapped, and its instances are not created yet"
        }
        throw PerchError(
            .notFound,
            "the run '\(run.runID)' of '\(run.dagID)' has no instance [\(mapIndex)] of '\(taskID)': \(reason)")
    }

    /// A wait that is there, and that the caller sees.
    func knownWait(of call: RESTCall) throws -> WaitRow {
        try knownWait(call.name("wait_id")) { call.sees($0) }
    }

    /// A wait that is there, of a DAG that somebody sees.
    func knownWait(_ text: String, sees: (_ dagID: String) -> Bool) throws -> WaitRow {
        if let number = Int64(text), let wait = try wait(number), sees(wait.key.dagID) { return wait }
        throw PerchError(.notFound, "nothing waits under the id '\(text.shown())': it has ended, or never was")
    }
}
