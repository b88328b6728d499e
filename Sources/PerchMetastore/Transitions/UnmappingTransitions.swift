// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// A mapped task of which the source is cleared: its length is not known any more, so its instances go and it is mapped anew.
///
/// Instances under way are cancelled, as every cleared instance is, to end as `removed`. Until they have ended they stay
/// beside what stands for the new mapping, count for the run and not for the task, and keep the task from being mapped.
extension Transaction {
    /// Puts one placeholder back where a mapped task had its instances. False where it was not mapped yet.
    func unmap(
        _ place: TaskPlace, task: TaskDefinition, by: String, in settlement: Settlement
    ) throws -> Bool {
        let mapped = try first(
            "SELECT unfinished, failed FROM mapped_task WHERE run_key = :1 AND task_index = :2", place.runKey,
            place.taskIndex
        ) { (unfinished: $0.int(0), failed: $0.int(1)) }
        guard let mapped else { return false }
        let instances = try taskInstances(runKey: place.runKey, taskIndex: place.taskIndex)
        let leaving = instances.filter(\.isUnderWay)
        for instance in instances where !instance.isUnderWay { try delete(instance.taskInstanceID) }
        try run("DELETE FROM mapped_task WHERE run_key = :1 AND task_index = :2", place.runKey, place.taskIndex)
        try run(
            "UPDATE dag_run SET unfinished = unfinished + 1 - :2, failed = failed - :3 WHERE run_key = :1",
            place.runKey, mapped.unfinished - leaving.count, mapped.failed)
        // Tries are never used again: the new instances go on from the highest.
        _ = try insertInstance(
            runKey: place.runKey, taskIndex: place.taskIndex, mapIndex: -1, task: task, pending: task.upstream.count,
            tryNumber: instances.map(\.tryNumber).max() ?? 0)
        let intent = CancelIntent(finalState: .removed, reason: "what it was mapped over was cleared", by: by)
        for row in leaving {
            _ = try cancel(row.instance, state: row.state, dispatchID: row.dispatchID, intent, in: settlement)
        }
        return true
    }

    /// The end of an instance of a mapping that was cleared away. After the last of them the task is mapped anew, if its
    /// upstream has come that far.
    func depart(_ instance: Instance, in settlement: Settlement) throws {
        try run(
            """
            UPDATE task_instance SET state = 'removed', dispatch_id = 0, worker = NULL, cancel_state = NULL
            WHERE ti_id = :1
            """, instance.id)
        try delete(instance.id)
        tally.entered(.removed)
        settlement.added(-1, to: instance.runKey)
        if settlement.isClearing { return }
        guard try !hasLeaving(instance.place),
            let row = try taskInstance(runKey: instance.runKey, taskIndex: instance.taskIndex, mapIndex: -1),
            row.state == .none
        else { return }
        try resume(row.instance, in: settlement)
    }

    /// Whether a task that is not mapped yet has instances of a mapping that was cleared away.
    func hasLeaving(_ place: TaskPlace) throws -> Bool {
        try number(
            "SELECT 1 FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index >= 0 LIMIT 1",
            place.runKey, place.taskIndex) != nil
    }

    /// Whether an instance is one of a mapping that was cleared away: nothing changes its end.
    func isLeaving(_ instance: Instance) throws -> Bool {
        guard instance.mapIndex >= 0 else { return false }
        return try number("SELECT 1 FROM task_instance WHERE ti_id = :1 AND cancel_state = 'removed'", instance.id)
            != nil
    }

    private func delete(_ id: Int64) throws {
        try run("DELETE FROM output_item WHERE ti_id = :1", id)
        try run("DELETE FROM journal WHERE ti_id = :1", id)
        try run("DELETE FROM rendered_field WHERE ti_id = :1", id)
        try run("DELETE FROM log_chunk WHERE ti_id = :1", id)
        try run("DELETE FROM output_chunk WHERE ti_id = :1", id)
        try run("DELETE FROM task_instance WHERE ti_id = :1", id)
    }

    // MARK: what cleaning up needs

    /// What was given to instances under way that a clear cancels, as far as they may be dispatched once more to clean up:
    /// their code is run with what it was run with, though what gave it is cleared, too.
    ///
    /// It lies among the elements of their outputs, of which they have none, under numbers below 0: the element that an
    /// instance stands for, then its inputs.
    ///
    /// - Parameter isMeant: whether an instance of a chosen task is cleared.
    func keepForCleanUp(
        _ row: RunRow, _ version: DAGVersion, _ chosen: Set<Int>, where isMeant: (TaskInstanceRow) -> Bool
    ) throws {
        for (index, task) in version.tasks.enumerated() where task.hasOnKill {
            let mayBeUnmapped = task.mappedOver.map(chosen.contains) ?? false
            guard chosen.contains(index) || mayBeUnmapped else { continue }
            for instance in try taskInstances(runKey: row.runKey, taskIndex: index)
            where instance.isUnderWay && (mayBeUnmapped || isMeant(instance)) {
                // What was cleared before has what it was given then.
                if instance.cancelState == TaskState.none || instance.cancelState == .removed { continue }
                let element = try mapElement(of: instance.instance, task: task) ?? "null"
                let given = try [element] + inputs(of: instance.instance, task: task, version)
                for (number, value) in given.enumerated() {
                    try run(
                        """
                        INSERT INTO output_item (ti_id, position, value) VALUES (:1, :2, :3)
                        ON CONFLICT (ti_id, position) DO UPDATE SET value = excluded.value
                        """, instance.taskInstanceID, -1 - number, value)
                }
            }
        }
    }

    /// The element and the inputs that were kept for an instance that a clear has cancelled; nil where none were.
    func keptForCleanUp(
        _ instance: Instance, task: TaskDefinition, _ intent: CancelIntent?
    ) throws -> (element: String?, inputs: [String])? {
        guard intent?.finalState == TaskState.none || intent?.finalState == .removed else { return nil }
        let kept = try rows(
            "SELECT value FROM output_item WHERE ti_id = :1 AND position < 0 ORDER BY position DESC", instance.id
        ) { $0.text(0) }
        guard kept.count == task.inputs.count + 1 else { return nil }
        return (task.mappedOver == nil ? nil : kept[0], Array(kept.dropFirst()))
    }

    /// Forgets what was kept; its dispatch has ended.
    func forgetKept(_ instance: Instance) throws {
        try run("DELETE FROM output_item WHERE ti_id = :1 AND position < 0", instance.id)
    }

    /// The outputs that an instance is given, as they are now.
    func inputs(of instance: Instance, task: TaskDefinition, _ version: DAGVersion) throws -> [String] {
        try task.inputs.map { index in
            task.alignedWith.contains(index)
                ? try elementOutput(runKey: instance.runKey, taskIndex: index, mapIndex: instance.mapIndex)
                : try output(runKey: instance.runKey, version: version, taskIndex: index)
        }
    }
}

extension TaskInstanceRow {
    /// Whether it has begun to take its turn, and has not ended.
    fileprivate var isUnderWay: Bool { [.scheduled, .queued, .running, .deferred].contains(state) }
}
