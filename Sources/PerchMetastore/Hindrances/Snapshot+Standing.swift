// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Reads what decides whether a run or a task goes on.
extension Snapshot {
    func runStanding(_ row: RunRow, isEngineRunning: Bool) throws -> RunStanding {
        let facts = try first(
            """
            SELECT r.cancelled_by, r.to_create, d.is_paused, d.is_active, d.max_active_runs, d.bundle
            FROM dag_run r JOIN dag d ON d.dag_id = r.dag_id WHERE r.run_key = :1
            """, row.runKey
        ) { row in
            (
                cancelledBy: row.optionalText(0), toCreate: row.int(1), isPaused: row.bool(2), isActive: row.bool(3),
                most: row.int(4), bundle: row.text(5)
            )
        }
        guard let facts else {
            throw PerchError(.metastore, "the metastore has a run of '\(row.dagID)', but no such DAG: run 'db check'")
        }
        let active = try rows(
            "SELECT run_id FROM dag_run WHERE dag_id = :1 AND state = 'running' ORDER BY run_key LIMIT 5", row.dagID
        ) { $0.text(0) }
        let activeCount = try number("SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state = 'running'", row.dagID)
        let before = try number(
            "SELECT COUNT(*) FROM dag_run WHERE dag_id = :1 AND state = 'queued' AND run_key < :2", row.dagID,
            row.runKey)
        return RunStanding(
            row: row, cancelledBy: facts.cancelledBy, toCreate: row.state == .running ? facts.toCreate : 0,
            taskCount: try version(row.versionID).tasks.count, isPaused: facts.isPaused, isActive: facts.isActive,
            mostActive: facts.most, active: active, activeCount: Int(activeCount ?? 0), queuedBefore: Int(before ?? 0),
            engine: try engineStanding(of: facts.bundle, isRunning: isEngineRunning), now: now)
    }

    private func engineStanding(of bundle: String, isRunning: Bool) throws -> EngineStanding {
        let workers = try workers().filter { $0.process.leaseUntil > now && $0.terms.bundle == bundle }
        let queues = workers.map(\.terms.queues)
        return EngineStanding(
            isRunning: isRunning, bundle: bundle, workers: workers.count,
            servedQueues: queues.contains(nil) ? nil : Set(queues.flatMap { $0 ?? [] }),
            bundles: try processes(role: "bundle").count,
            trouble: workers.allSatisfy { $0.trouble != nil } ? workers.first?.trouble : nil)
    }

    /// What decides about one instance.
    func taskStanding(
        _ instance: TaskInstanceRow, in run: RunStanding, _ board: RunBoard
    ) throws -> TaskStanding {
        let index = instance.taskIndex
        let task = board.version.tasks[index]
        var standing = TaskStanding(run: run, task: task, row: instance)
        switch instance.state {
        case .none, .skipped, .upstreamFailed:
            try addUpstream(to: &standing, instance, board)
            if task.mappedOver != nil, instance.key.mapIndex < 0 {
                let leaving = try number(
                    "SELECT COUNT(*) FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index >= 0",
                    instance.runKey, index)
                standing.leaving = Int(leaving ?? 0)
            }
        case .scheduled: try addGate(to: &standing, instance)
        case .queued:
            standing.queuedBefore = try queuedBefore(
                instance.taskInstanceID, of: BundleQueue(of: run.engine.bundle).stored(task.queue))
            standing.running = Int(try number("SELECT COUNT(*) FROM task_instance WHERE state = 'running'") ?? 0)
        case .running: standing.cancel = try cancelIntent(of: instance.taskInstanceID)
        case .deferred:
            standing.wait = try number("SELECT wait_id FROM wait WHERE ti_id = :1", instance.taskInstanceID)
                .flatMap { try wait($0) }
            if let wait = standing.wait {
                let owner = try owner(ofShard: wait.shard, queue: wait.queue)
                standing.watcher = owner.flatMap { $0.leaseUntil > now ? $0.name : nil }
            }
        case .upForRetry, .success, .failed, .removed: break
        }
        return standing
    }

    /// What decides about a task of which there is no instance, or none of this number.
    func taskStanding(ofUncreated index: Int, in run: RunStanding, _ board: RunBoard) -> TaskStanding {
        var standing = TaskStanding(run: run, task: board.version.tasks[index], row: nil)
        standing.mapping = board.entries[index]?.mapping
        return standing
    }

    private func addUpstream(to standing: inout TaskStanding, _ instance: TaskInstanceRow, _ board: RunBoard) throws {
        let counts = try first(
            """
            SELECT pending, upstream_failed, upstream_blocked, upstream_skipped, upstream_untaken, upstream_cut
            FROM task_instance WHERE ti_id = :1
            """, instance.taskInstanceID
        ) { UpstreamCounts($0, from: 0) }
        guard var counts else { return }
        let mapIndex = instance.key.mapIndex
        var board = board
        if mapIndex >= 0, !standing.task.alignedWith.isEmpty {
            board = try board.element(mapIndex, before: instance.taskIndex, runKey: instance.runKey, self)
        }
        standing.task = standing.task.asDecided(forElement: mapIndex >= 0)
        counts.all = standing.task.upstream.count
        standing.counts = counts
        standing.upstream = try board.upstream(of: instance.taskIndex) { upstream in
            try output(of: upstream, board, runKey: instance.runKey)
        }
        guard instance.state != .none else { return }
        let isCut = counts.cut > 0 && instance.state == .skipped
        standing.causes = try board.causes(of: instance.taskIndex, instance.state, isCut: isCut).map { cause in
            var cause = cause
            if isCut, let index = board.version.tasks.firstIndex(where: { $0.taskID == cause.taskID }) {
                cause.output = try output(of: index, board, runKey: instance.runKey)
            }
            return cause
        }
        // Instances of a mapped task say themselves why they failed.
        if let first = standing.causes.first, first.instances != nil, first.message == nil {
            standing.causes[0].message = try firstFailure(ofTask: first.taskID, board, runKey: instance.runKey)
        }
    }

    private func output(of index: Int, _ board: RunBoard, runKey: Int64) throws -> String? {
        try first(
            "SELECT output FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = :3", runKey, index,
            board.entries[index]?.mapIndex ?? -1
        ) { $0.optionalText(0) } ?? nil
    }

    private func firstFailure(ofTask taskID: String, _ board: RunBoard, runKey: Int64) throws -> String? {
        guard let index = board.version.tasks.firstIndex(where: { $0.taskID == taskID }) else { return nil }
        return try first(
            """
            SELECT message FROM task_instance WHERE run_key = :1 AND task_index = :2 AND state = 'failed'
            ORDER BY map_index LIMIT 1
            """, runKey, index
        ) { $0.optionalText(0) } ?? nil
    }

    private func cancelIntent(of id: Int64) throws -> CancelIntent? {
        try first(
            """
            SELECT cancel_state, cancel_reason, cancel_by FROM task_instance
            WHERE ti_id = :1 AND cancel_state IS NOT NULL
            """, id
        ) { CancelIntent(finalState: try $0.name(0), reason: $0.text(1), by: $0.text(2)) }
    }

    /// How many of its queue are picked up before a queued instance, in the order of `claim`.
    private func queuedBefore(_ id: Int64, of queue: String) throws -> Int {
        if queue != TaskDefinition.defaultQueue {
            let before = try number(
                """
                SELECT COUNT(*) FROM task_instance t, (SELECT queue_class, priority, fair_at, dispatch_id
                    FROM task_instance WHERE ti_id = :1) AS own
                WHERE t.state = 'queued' AND t.queue <> 'default' AND t.queue = :2
                    AND (t.queue_class < own.queue_class OR (t.queue_class = own.queue_class
                    AND (t.priority > own.priority OR (t.priority = own.priority
                        AND (t.fair_at < own.fair_at OR (t.fair_at = own.fair_at
                            AND t.dispatch_id < own.dispatch_id))))))
                """, id, queue)
            return Int(before ?? 0)
        }
        let before = try number(
            """
            SELECT COUNT(*) FROM task_instance t, (SELECT queue_class, priority, fair_at, dispatch_id
                FROM task_instance WHERE ti_id = :1) AS own
            WHERE t.state = 'queued' AND t.queue = 'default' AND (t.queue_class < own.queue_class OR (t.queue_class = own.queue_class
                AND (t.priority > own.priority OR (t.priority = own.priority
                    AND (t.fair_at < own.fair_at OR (t.fair_at = own.fair_at AND t.dispatch_id < own.dispatch_id))))))
            """, id)
        return Int(before ?? 0)
    }

    // MARK: gates

    private func addGate(to standing: inout TaskStanding, _ instance: TaskInstanceRow) throws {
        let place = try first("SELECT pool, is_held FROM task_instance WHERE ti_id = :1", instance.taskInstanceID) {
            (name: $0.text(0), isHeld: $0.int64(1) == SetAside.byPause.rawValue)
        }
        guard let place else { return }
        standing.isHeld = place.isHeld
        let isLimit = TaskDefinition.isLimit(place.name)
        let capacity: Int? =
            place.name == Transaction.deferredLimit(of: standing.task.pool)
            ? try number("SELECT max_deferred FROM pool WHERE name = :1", standing.task.pool).map { Int($0) }
            : isLimit
                ? slots(ofLimit: place.name, standing.task, instance, standing.run.row)
                : try number("SELECT slots FROM pool WHERE name = :1", place.name).map { Int($0) }
        let used: Int64? =
            isLimit
            ? try number("SELECT used FROM task_limit WHERE name = :1", place.name)
            : try number("SELECT used FROM pool WHERE name = :1", place.name)
        let (holders, holderCount) = try holders(of: place.name)
        standing.gate = GateStanding(
            name: place.name, capacity: capacity, used: Int(used ?? 0), needed: isLimit ? 1 : standing.task.poolSlots,
            holders: holders, holderCount: holderCount,
            ahead: try scheduledBefore(instance.taskInstanceID, gate: place.name))
    }

    /// How many of a limit the task admits. Nil where no limit of the task has this name any more.
    private func slots(
        ofLimit name: String, _ task: TaskDefinition, _ instance: TaskInstanceRow, _ run: RunRow
    ) -> Int? {
        if let limit = task.limits.first(where: { !$0.holdsTemplates && $0.name == name }) { return limit.slots }
        let templates = task.limits.filter(\.holdsTemplates)
        if templates.count == 1 { return templates[0].slots }
        let scope = TemplateScope(
            run.attemptFacts(taskID: task.taskID, mapIndex: instance.key.mapIndex, tryNumber: instance.tryNumber))
        return templates.first { limit in
            (try? limit.name(with: scope)) == name  // because one that does not render is not what it waits before
        }?.slots
    }

    /// Who holds slots of a pool or a limit: those that hold most, then the oldest.
    private func holders(of gate: String) throws -> (first: [PoolHolder], count: Int) {
        guard TaskDefinition.isLimit(gate) else {
            let count = try number(
                """
                SELECT (SELECT COUNT(*) FROM pool_slot WHERE pool = :1)
                    + (SELECT COUNT(*) FROM wait_slot WHERE gate = :1)
                """, gate)
            return (try poolHolders(gate, limit: 5), Int(count ?? 0))
        }
        if try number("SELECT 1 FROM wait_slot WHERE gate = :1 LIMIT 1", gate) != nil {
            let count = try number("SELECT COUNT(*) FROM wait_slot WHERE gate = :1", gate)
            return (try poolHolders(gate, limit: 5), Int(count ?? 0))
        }
        let count = try number("SELECT COUNT(*) FROM limit_slot WHERE name = :1", gate)
        let first = try rows(
            """
            SELECT r.dag_id, r.run_id, r.version_id, t.task_index, t.map_index, t.state, 1
            FROM limit_slot l JOIN pool_slot s ON s.dispatch_id = l.dispatch_id
                JOIN task_instance t ON t.ti_id = s.ti_id JOIN dag_run r ON r.run_key = t.run_key
            WHERE l.name = :1 ORDER BY l.dispatch_id LIMIT 5
            """, gate
        ) { try PoolHolder($0, self) }
        return (first, Int(count ?? 0))
    }

    /// How many wait before a gate and go before an instance, in the order in which it is refilled.
    private func scheduledBefore(_ id: Int64, gate: String) throws -> Int {
        let before = try number(
            """
            SELECT COUNT(*) FROM task_instance t, (SELECT queue_class, priority, fair_at, ti_id
                FROM task_instance WHERE ti_id = :1) AS own
            WHERE t.state = 'scheduled' AND t.is_held = 0 AND t.pool = :2
                AND (t.queue_class < own.queue_class OR (t.queue_class = own.queue_class
                AND (t.priority > own.priority OR (t.priority = own.priority
                    AND (t.fair_at < own.fair_at OR (t.fair_at = own.fair_at AND t.ti_id < own.ti_id))))))
            """, id, gate)
        return Int(before ?? 0)
    }
}
