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
        let run = try knownRun(of: call)
        let taskID = call.name("task_id")
        let task = try knownTask(taskID, of: run)
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID, mapIndex: call.mapIndex)
        if let instance = try taskInstance(key) { return (run, instance, task) }
        let reason: String
        if task.mappedOver == nil {
            reason = call.mapIndex < 0 ? "it is not created yet" : "the task is not mapped: leave map_index out"
        } else if let length = try mappedLength(of: key) {
            reason =
                call.mapIndex < 0
                ? "it is mapped: name one of its \(length) instances by map_index"
                : "it is mapped over \(length) \(length == 1 ? "element" : "elements"), counted from 0"
        } else {
            reason = "it is mapped, and its instances are not created yet"
        }
        throw PerchError(
            .notFound,
            "the run '\(run.runID)' of '\(run.dagID)' has no instance [\(call.mapIndex)] of '\(taskID)': \(reason)")
    }

    /// A wait that is there.
    func knownWait(of call: RESTCall) throws -> WaitRow {
        let text = call.name("wait_id")
        if let number = Int64(text), let wait = try wait(number) { return wait }
        throw PerchError(.notFound, "nothing waits under the id '\(text.shown())': it has ended, or never was")
    }
}
