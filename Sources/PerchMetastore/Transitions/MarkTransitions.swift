// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension Transaction {
    /// How the message of an instance begins that somebody has marked.
    static let marked = "marked "

    /// Gives instances of a task the state that somebody says they have, without running them: what is under way is
    /// cancelled into it, what has ended is counted anew. What comes after and has not begun goes on by it; what has ended
    /// stays as it is. Gives what was changed.
    ///
    /// - Parameter mapIndex: nil means every instance of the task.
    /// - Throws: `notFound` for an unknown run, task or instance; `conflict` where the run has not made its instances yet;
    ///   `invalid` for a state that cannot be given.
    public func mark(
        dagID: String, runID: String, taskID: String, mapIndex: Int?, as state: TaskState, by: String
    ) throws -> [TaskInstanceKey] {
        guard [.success, .failed, .skipped].contains(state) else {
            throw PerchError(.invalid, "a task is marked success, failed or skipped, not '\(state.rawValue)'")
        }
        guard let row = try self.run(dagID: dagID, runID: runID) else {
            throw PerchError(.notFound, "the DAG '\(dagID)' has no run '\(runID)'")
        }
        let version = try version(row.versionID)
        guard let index = version.tasks.firstIndex(where: { $0.taskID == taskID }) else {
            throw PerchError(.notFound, "the DAG '\(dagID)' has no task '\(taskID)'")
        }
        guard version.tasks[index].callback == nil else {
            throw PerchError(.invalid, "'\(taskID)' is a callback; nothing comes after it that a mark would change")
        }
        // Those of a mapping that was cleared away have their end before them.
        let all = try taskInstances(runKey: row.runKey, taskIndex: index).filter { $0.cancelState != .removed }
        if all.isEmpty {
            throw PerchError(
                .conflict,
                "the run '\(runID)' is \(row.state.rawValue) and has no instance of '\(taskID)' yet: mark it once the run has begun"
            )
        }
        let meant = all.filter { $0.key.mapIndex == mapIndex || mapIndex == nil }
        if let mapIndex, meant.isEmpty {
            throw PerchError(.notFound, "'\(taskID)' has no instance [\(mapIndex)] in the run '\(runID)'")
        }
        let instances = meant.filter { $0.state != state }
        guard !instances.isEmpty else { return [] }
        try goOn(row, version)
        let intent = CancelIntent(finalState: state, reason: "\(Self.marked)\(state.rawValue) by \(by)", by: by)
        let settlement = Settlement()
        for instance in instances {
            if instance.state.isFinished {
                // As if it was cleared, and ended so then.
                settlement.isClearing = true
                _ = try clear(instance, intent, in: settlement)
                settlement.isClearing = false
                try recountDownstream(of: instance.instance.whole, version)
                try end(instance.instance, as: state, message: intent.reason, in: settlement)
            } else {
                _ = try cancel(
                    instance.instance, state: instance.state, dispatchID: instance.dispatchID, intent, in: settlement)
            }
        }
        settlement.touch(runKey: row.runKey)
        try settle(settlement)
        ring([.runs, .queue, .bundleQueues])
        return instances.map(\.key)
    }

    private func recountDownstream(of instance: InstancePlace, _ version: DAGVersion) throws {
        for later in version.downstream[instance.place.taskIndex] {
            try recount(TaskPlace(runKey: instance.place.runKey, taskIndex: later), version: version)
        }
        for element in try elements(after: instance, version) { try recount(element, version: version) }
    }
}
