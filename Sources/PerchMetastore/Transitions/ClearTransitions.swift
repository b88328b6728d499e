// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Gives instances new tries. Those that have ended begin again as soon as their upstream allows it; those under way
    /// are cancelled first, and begin again when the cancel has ended. Where what a task is mapped over is cleared, its
    /// instances go, those under way when their cancel has ended, and it is mapped anew after the last of them. Gives what
    /// was cleared; a task that is mapped anew as one.
    ///
    /// - Parameters:
    ///   - taskID: nil means every task of the run.
    ///   - mapIndex: nil means every instance of the task.
    ///   - downstream: whether everything after the task is cleared too.
    ///   - onlyFailed: whether instances that did not fail stay as they are.
    /// - Throws: `notFound` for an unknown run or task; `conflict` for a task that has left the DAG. Others that have are
    ///   left out (`departures`).
    public func clear(
        dagID: String, runID: String, taskID: String?, mapIndex: Int?, downstream: Bool, onlyFailed: Bool, by: String
    ) throws -> [TaskInstanceKey] {
        guard let row = try self.run(dagID: dagID, runID: runID) else {
            throw PerchError(.notFound, "the DAG '\(dagID)' has no run '\(runID)'")
        }
        let version = try version(row.versionID)
        let gone = try departures(from: row)
        if let sentence = gone.first(where: { $0.taskID == taskID })?.sentence {
            throw PerchError(.conflict, "\(sentence). It can be cleared once a bundle is deployed that has it")
        }
        let chosen = try chosenTasks(version, taskID: taskID, downstream: downstream)
            .filter { index in !gone.contains { $0.taskIndex == index } }
        let elementwise = mapIndex == nil ? [] : elementwiseAlone(version, taskID: taskID, chosen)
        func isMeant(_ instance: TaskInstanceRow) -> Bool {
            if let mapIndex, elementwise.contains(instance.taskIndex), instance.key.mapIndex != mapIndex {
                return false
            }
            return !onlyFailed || instance.state == .failed || instance.state == .upstreamFailed
        }
        // One that was cancelled before it began has no instances yet: it begins.
        let isUnbegun = try taskID == nil && !onlyFailed && facts(ofRun: row.runKey).toCreate > 0
        // A run of which nothing is cleared does not go on, and does not end once more.
        let hasAny = try chosen.contains { index in
            try taskInstances(runKey: row.runKey, taskIndex: index).contains { isMeant($0) && Self.canClear($0) }
        }
        guard hasAny || isUnbegun else { return [] }
        try goOn(row, version)

        let intent = CancelIntent(finalState: .none, reason: "cleared", by: by)
        let settlement = Settlement()
        settlement.isClearing = true
        var cleared: [TaskInstanceKey] = []
        var clearedTasks: Set<Int> = []
        var clearedInstances: Set<InstancePlace> = []
        var unmapped: Set<Int> = []
        let isChosen = Set(chosen)
        // Before anything is taken back that they were given.
        try keepForCleanUp(row, version, isChosen, where: isMeant)
        for index in version.tasks.indices {
            // A mapped group is unmapped as one.
            let isTorn = !unmapped.isDisjoint(with: version.tasks[index].alignedWith)
            guard isChosen.contains(index) || isTorn else { continue }
            // The length of a mapping over something that is cleared is not known any more.
            if let source = version.tasks[index].mappedOver, clearedTasks.contains(source),
                try unmap(
                    TaskPlace(runKey: row.runKey, taskIndex: index), task: version.tasks[index], by: by, in: settlement)
            {
                clearedTasks.insert(index)
                unmapped.insert(index)
                cleared.append(
                    TaskInstanceKey(dagID: dagID, runID: runID, taskID: version.tasks[index].taskID, mapIndex: -1))
            }
            guard isChosen.contains(index) else { continue }
            for instance in try taskInstances(runKey: row.runKey, taskIndex: index) {
                guard isMeant(instance), try clear(instance, intent, in: settlement) else { continue }
                cleared.append(instance.key)
                clearedTasks.insert(index)
                if !version.tasks[index].alignedWith.isEmpty || !version.elementwise[index].isEmpty {
                    clearedInstances.insert(instance.instance.whole)
                }
            }
        }
        let affected = clearedTasks.union(clearedTasks.flatMap { version.downstream[$0] }).sorted()
        for index in affected { try recount(TaskPlace(runKey: row.runKey, taskIndex: index), version: version) }
        let elements = try clearedInstances.reduce(into: clearedInstances) { elements, cleared in
            elements.formUnion(try self.elements(after: cleared, version))
        }
        for element in elements.sorted() where element.mapIndex >= 0 { try recount(element, version: version) }
        settlement.isClearing = false
        for index in affected {
            let isElementwise = !version.tasks[index].alignedWith.isEmpty
            for instance in try taskInstances(runKey: row.runKey, taskIndex: index) where instance.state == .none {
                let place = instance.instance.whole
                if isElementwise, place.mapIndex >= 0, !elements.contains(place) { continue }
                try resume(instance.instance, in: settlement)
            }
        }
        settlement.touch(runKey: row.runKey)
        try settle(settlement)
        ring([.runs, .queue, .bundleQueues])
        return cleared
    }

    /// Of what is cleared with one instance of a mapped task, the tasks of which only instances of that number are: itself,
    /// and what comes after it element by element and not otherwise.
    private func elementwiseAlone(_ version: DAGVersion, taskID: String?, _ chosen: [Int]) -> Set<Int> {
        guard let start = version.tasks.firstIndex(where: { $0.taskID == taskID }) else { return [] }
        let isChosen = Set(chosen)
        var alone: Set<Int> = [start]
        for index in chosen where index > start {
            let before = version.tasks[index].upstream.filter { $0 == start || ($0 > start && isChosen.contains($0)) }
            guard !before.isEmpty else { continue }
            if before.allSatisfy({ alone.contains($0) && version.elementwise[$0].contains(index) }) {
                alone.insert(index)
            }
        }
        return alone
    }

    /// A run that was cancelled or has ended goes on.
    func goOn(_ row: RunRow, _ version: DAGVersion) throws {
        let hadEnded =
            try run(
                """
                UPDATE dag_run SET state = 'running', end_date = NULL, cancelled_by = NULL, deadline = :2
                WHERE run_key = :1 AND state IN ('success', 'failed')
                """, row.runKey, version.definition.runTimeout.map { now + $0 }) > 0
        runs[row.runKey] = nil
        // Its DAG may have moved to another bundle since it ended.
        if hadEnded { try settleQueues(ofRun: row.runKey, facts(ofRun: row.runKey).queues) }
    }

    private func chosenTasks(_ version: DAGVersion, taskID: String?, downstream: Bool) throws -> [Int] {
        guard let taskID else { return version.tasks.indices.filter { version.tasks[$0].callback == nil } }
        guard let start = version.tasks.firstIndex(where: { $0.taskID == taskID }) else {
            throw PerchError(.notFound, "the DAG '\(version.definition.dagID)' has no task '\(taskID)'")
        }
        guard version.tasks[start].callback == nil else {
            throw PerchError(.invalid, "'\(taskID)' is a callback: it is called again when what calls it happens again")
        }
        var chosen: Set<Int> = [start]
        // Topological order: what comes after a task stands behind it.
        if downstream {
            for index in version.tasks.indices where !chosen.isDisjoint(with: version.tasks[index].upstream) {
                chosen.insert(index)
            }
        }
        return chosen.union(chosen.flatMap(version.setupsAndTeardowns(around:))).sorted()
    }

    /// Whether there is anything to clear: not where it has not begun, nor of a mapping that was cleared away.
    private static func canClear(_ row: TaskInstanceRow) -> Bool {
        switch row.state {
        case _ where row.cancelState == .removed: false
        case .none, .scheduled: false
        case .queued: row.startDate != nil
        case .running, .deferred, .upForRetry, .success, .failed, .skipped, .upstreamFailed, .removed: true
        }
    }

    /// Clears one instance; false where there is nothing to clear.
    func clear(_ row: TaskInstanceRow, _ intent: CancelIntent, in settlement: Settlement) throws -> Bool {
        guard Self.canClear(row) else { return false }
        switch row.state {
        case .none, .scheduled: return false
        case .running, .deferred, .queued:
            return try cancel(row.instance, state: row.state, dispatchID: row.dispatchID, intent, in: settlement)
        case .upForRetry:
            try reset(row)
        case .success, .failed, .skipped, .upstreamFailed, .removed:
            try reset(row)
            let failed = row.state == .failed || row.state == .upstreamFailed ? 1 : 0
            let skipped = row.state == .skipped || row.state == .removed ? 1 : 0
            try run(
                "UPDATE dag_run SET unfinished = unfinished + 1, failed = failed - :2 WHERE run_key = :1", row.runKey,
                failed)
            if row.key.mapIndex >= 0 {
                try run(
                    """
                    UPDATE mapped_task SET unfinished = unfinished + 1, failed = failed - :3, skipped = skipped - :4
                    WHERE run_key = :1 AND task_index = :2
                    """, row.runKey, row.taskIndex, failed, skipped)
            }
        }
        return true
    }

    /// The elements of its output stay until its next end: instances that are mapped over them may be under way.
    private func reset(_ row: TaskInstanceRow) throws {
        try run(
            """
            UPDATE task_instance SET state = 'none', dispatch_id = 0, worker = NULL, start_date = NULL, end_date = NULL,
                retry_at = NULL, message = NULL, output = NULL, first_try = :2 WHERE ti_id = :1
            """, row.taskInstanceID, row.tryNumber + 1)
    }
}
