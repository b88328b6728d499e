// SPDX-License-Identifier: Apache-2.0

import PerchOutputs
package import PerchSDK

extension Snapshot {
    /// The JSON text of an output, given what stands in its row: most often that itself.
    /// - Throws: `PerchError` (`unavailable`) where it lies in a file that is missing or damaged, and the metastore does not
    ///   hold it either.
    package func value(ofOutput text: String) throws -> String {
        guard OutputText.isMarked(text) else { return text }
        guard let store = catalog.outputs else {
            throw PerchError(.unavailable, "the output lies in a file, and there is no place for such files here")
        }
        return try OutputText(text).value { reference in
            do {
                return try store.text(of: reference)
            } catch let error as PerchError where error.code == .unavailable {
                // The file of another machine.
                guard let file = try sharedOutput(reference.name) else { throw error }
                return try reference.text(inFile: file)
            }
        }
    }

    /// A task's output as the tasks after it receive it: `null` where it gave none, an array where it is mapped.
    func output(runKey: Int64, version: DAGVersion, taskIndex: Int) throws -> String {
        if version.tasks[taskIndex].mappedOver == nil {
            let output = try first(
                "SELECT output FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = -1", runKey,
                taskIndex
            ) { $0.optionalText(0) }
            return (output ?? nil) ?? "null"  // because a task that did not succeed has no output
        }
        let outputs = try rows(
            """
            SELECT output FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index >= 0
                AND (cancel_state IS NULL OR cancel_state <> 'removed') ORDER BY map_index
            """, runKey, taskIndex
        ) { $0.optionalText(0) ?? "null" }
        return OutputText.joined(outputs)
    }

    /// What a mapped instance is for, as JSON text.
    func mapElement(of instance: Instance, task: TaskDefinition) throws -> String? {
        if task.callback != nil {
            return try first("SELECT cause FROM callback_cause WHERE ti_id = :1", instance.id) { $0.text(0) }
        }
        guard let source = task.mappedOver, instance.mapIndex >= 0 else { return nil }
        if let element = try elements(at: [(instance, source)])[0] { return element }
        // Mapped over a mapped task: the element is the output of the instance at the same place.
        return try elementOutput(runKey: instance.runKey, taskIndex: source, mapIndex: instance.mapIndex)
    }

    /// What mapped instances are for that are over the output of a task, which is their source, as JSON text. Nil where there
    /// is no such element.
    func elements(at places: [(instance: Instance, source: Int)]) throws -> [String?] {
        try rows(
            """
            SELECT value FROM output_item WHERE position = :3 AND ti_id =
                (SELECT ti_id FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = -1)
            """,
            forEach: places.map { instance, source in
                [.integer(instance.runKey), .integer(Int64(source)), .integer(Int64(instance.mapIndex))]
            }
        ) { $0.text(0) }.map(\.first)
    }

    /// The output of one instance of a mapped task.
    func elementOutput(runKey: Int64, taskIndex: Int, mapIndex: Int) throws -> String {
        let output = try first(
            "SELECT output FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = :3", runKey,
            taskIndex, mapIndex
        ) { $0.optionalText(0) }
        return (output ?? nil) ?? "null"  // because an instance that did not succeed has no output
    }

    /// The names and dates of a task instance, of its last try or the first one, with its element.
    /// - Throws: `PerchError` (`notFound`) where the run has no such task, or no such element.
    package func attemptFacts(
        of run: RunRow, taskID: String, mapIndex: Int, readingElement: Bool
    ) throws -> AttemptFacts {
        let version = try version(run.versionID)
        guard let index = version.tasks.firstIndex(where: { $0.taskID == taskID }) else {
            throw PerchError(.notFound, "run '\(run.runID)' of '\(run.dagID)' has no task '\(taskID)'")
        }
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID, mapIndex: mapIndex)
        let row = try taskInstance(key)
        var facts = run.attemptFacts(taskID: taskID, mapIndex: mapIndex, tryNumber: max(1, row?.tryNumber ?? 1))
        guard readingElement, mapIndex >= 0 else { return facts }
        let instance = Instance(
            id: row?.taskInstanceID ?? 0, runKey: run.runKey, taskIndex: index, mapIndex: mapIndex,
            tryNumber: facts.tryNumber)
        facts.mapElement = try mapElement(of: instance, task: version.tasks[index]).map { try value(ofOutput: $0) }
        return facts
    }
}
