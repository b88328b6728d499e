// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What the row of a try of code says when it begins.
struct TryBeginning {
    var deadline: Timestamp?
    var executionLeft: TimeSpan?
}

extension Transaction {
    /// Begins the first try of an instance whose dependencies allow it.
    func makeReady(_ instance: Instance, in settlement: Settlement) throws {
        let facts = try facts(ofRun: instance.runKey)
        let task = facts.version.tasks[instance.taskIndex]
        if facts.cancelledBy != nil, task.teardown == nil {
            try end(instance, as: .skipped, message: facts.whyCancelled, in: settlement)
        } else if let sentence = try departure(of: instance.taskIndex, facts) {
            try end(instance, as: .removed, message: sentence, in: settlement)
        } else if let source = task.mappedOver, instance.mapIndex < 0 {
            try beginMapping(instance, over: source, in: settlement)
        } else {
            try beginTry(instance, in: settlement)
        }
    }

    /// Begins try `instance.tryNumber + 1`: a sensor's wait is registered, a code task queued.
    func beginTry(_ instance: Instance, in settlement: Settlement) throws {
        let facts = try facts(ofRun: instance.runKey)
        let task = facts.version.tasks[instance.taskIndex]
        if case .sensor = task.kind {
            return try beginSensor(instance, task: task, in: settlement)
        }
        var instance = instance
        instance.tryNumber += 1
        let deadline = task.taskTimeout.map { now + $0 }
        switch task.kind {
        case .sensor: break
        case .empty: try succeedAlone(instance, output: nil, in: settlement)
        case .latestOnly:
            let isLatest = try isLatest(facts.row)
            try succeedAlone(instance, output: isLatest ? "true" : "false", in: settlement)
        case .code:
            let beginning = TryBeginning(deadline: deadline, executionLeft: task.executionTimeout)
            guard task.start != nil else {
                return try enqueue(instance, task: task, as: .new, beginning: beginning, in: settlement)
            }
            let obstacle = try firstFull(deferredHolds(of: task), overtaking: false)
            try store(beginning, of: instance)
            try run(
                "UPDATE task_instance SET state = :2, dispatch_id = 0, worker = NULL WHERE ti_id = :1", instance.id,
                obstacle == nil ? TaskState.deferred : .scheduled)
            try beginWaiting(instance, task: task, deadline: deadline, before: obstacle, in: settlement)
        }
    }

    /// Begins the first try of a task that is queued at once: its row is made as it begins, in one statement.
    func beginCode(_ instance: Instance, task: TaskDefinition, pending: Int, in settlement: Settlement) throws {
        var instance = instance
        instance.tryNumber += 1
        let beginning = TryBeginning(
            deadline: task.taskTimeout.map { now + $0 }, executionLeft: task.executionTimeout)
        try enqueue(
            instance, task: task, as: .new, beginning: beginning, making: pending, in: settlement)
    }

    /// Stores that a try has begun, where no other statement does.
    func store(_ beginning: TryBeginning, of instance: Instance) throws {
        try post(
            """
            UPDATE task_instance SET try_number = :2, start_date = NULL, end_date = NULL, retry_at = NULL,
                task_deadline = :3, execution_left = :4, message = NULL, output = NULL, is_suspect = 0
            WHERE ti_id = :1
            """, instance.id, instance.tryNumber, beginning.deadline, beginning.executionLeft)
    }

    /// Begins the next try of a sensor: its wait is registered.
    private func beginSensor(_ instance: Instance, task: TaskDefinition, in settlement: Settlement) throws {
        var instance = instance
        instance.tryNumber += 1
        let deadline = task.taskTimeout.map { now + $0 }
        let obstacle = try firstFull(deferredHolds(of: task), overtaking: false)
        try run(
            """
            UPDATE task_instance SET state = :5, try_number = :2, start_date = :3, end_date = NULL,
                retry_at = NULL, task_deadline = :4, message = NULL, output = NULL WHERE ti_id = :1
            """, instance.id, instance.tryNumber, obstacle == nil ? now : nil, deadline,
            obstacle == nil ? TaskState.deferred : .scheduled)
        try beginWaiting(instance, task: task, deadline: deadline, before: obstacle, in: settlement)
    }

    /// Starts the run of another DAG that an instance waits for, in the transaction that registers the wait.
    /// - Throws: `invalid` where there is no such DAG, or it does not take the params: the instance's fault.
    private func startRun(
        _ trigger: TriggerSpec, _ params: JSONValue, for instance: Instance, task: TaskDefinition
    ) throws {
        let aim = try RunAim(json: trigger.definition)
        guard case .id(let runID) = aim.selection else {
            throw PerchError(.invalid, "a run that is started is waited for by its id")
        }
        do {
            _ = try createRun(
                RunRequest(
                    dagID: aim.dagID, runID: runID,
                    params: try filled(instance, task: task) { try params.rendered(with: $0) }))
        } catch let error as PerchError where error.code == .notFound || error.code == .conflict {
            throw PerchError(.invalid, "the run of '\(aim.dagID)' cannot be started: \(error.message)")
        }
    }

    /// A try that the engine makes alone.
    private func succeedAlone(_ instance: Instance, output: String?, in settlement: Settlement) throws {
        try run(
            "UPDATE task_instance SET try_number = :2, start_date = :3, retry_at = NULL WHERE ti_id = :1", instance.id,
            instance.tryNumber, now)
        try succeed(instance, output: output, in: settlement)
    }

    /// Whether the DAG has no run of a later date that time, events or a backfill started, nor will have one for a tick that
    /// has passed. Runs by hand are always the latest.
    private func isLatest(_ row: RunRow) throws -> Bool {
        if row.type == .manual { return true }
        let definition = try facts(ofRun: row.runKey).version.definition
        if row.type == .scheduled || row.type == .backfill, let ticks = try ticks(of: definition),
            case .tick(let next) = ticks.known(after: row.logicalDate), next + definition.tickDelay <= now,
            next <= definition.end ?? next
        {
            return false
        }
        let later = try number(
            "SELECT 1 FROM dag_run WHERE dag_id = :1 AND logical_date > :2 AND run_type <> 'manual' LIMIT 1", row.dagID,
            row.logicalDate)
        return later == nil
    }

    /// Begins the wait of a sensor, or of a task whose code comes after one: without a worker.
    func beginFirstWait(
        _ instance: Instance, task: TaskDefinition, deadline: Timestamp?, in settlement: Settlement
    ) throws {
        do {
            if case .sensor(let sensor) = task.kind {
                try begin(instance, task: task, with: sensor, deadline: deadline, in: settlement)
            } else if let start = task.start {
                try begin(instance, task: task, with: start, deadline: deadline, in: settlement)
            }
        } catch let error as PerchError where error.code == .invalid {
            // A template that does not resolve is the DAG's fault: this task fails, everything else goes on.
            try end(instance, as: .failed, message: error.message, in: settlement)
        }
    }

    private func begin(
        _ instance: Instance, task: TaskDefinition, with sensor: SensorDefinition, deadline: Timestamp?,
        in settlement: Settlement
    ) throws {
        let trigger = try rendered(sensor.trigger, for: instance, task: task)
        if let params = sensor.startsRun { try startRun(trigger, params, for: instance, task: task) }
        let wait = NewWait(
            instance: instance, journalKey: Self.sensorJournalKey, trigger: trigger,
            deadline: earliest(deadline, now + sensor.timeout), isSensor: true,
            eventFloor: try facts(ofRun: instance.runKey).row.eventFloor, holds: try deferredHolds(of: task),
            queue: task.queue)
        try register(wait, in: settlement)
        tally.entered(.deferred)
        try callBack(.deferred, of: instance, .deferred, message: trigger.target, in: settlement)
    }

    private func begin(
        _ instance: Instance, task: TaskDefinition, with start: StartDefinition, deadline: Timestamp?,
        in settlement: Settlement
    ) throws {
        let trigger = try rendered(start.trigger, for: instance, task: task)
        let wait = NewWait(
            instance: instance, journalKey: StartDefinition.journalKey, trigger: trigger,
            deadline: earliest(deadline, start.timeout.map { now + $0 }), isSensor: false,
            eventFloor: try facts(ofRun: instance.runKey).row.eventFloor, holds: try deferredHolds(of: task),
            queue: task.queue)
        try register(wait, in: settlement)
        let targetKey = ContentHash.targetKey(kind: trigger.kind, target: trigger.target)
        try run(
            """
            INSERT INTO journal (ti_id, try_number, key, kind, position, payload, target_key, is_kept, dispatch_id,
                recorded_at)
            VALUES (:1, :2, :3, 'wait', :4, :5, :6, 0, 0, :7)
            """, instance.id, instance.tryNumber, StartDefinition.journalKey, try nextPosition(instance),
            trigger.text, targetKey, now)
        tally.entered(.deferred)
        try callBack(.deferred, of: instance, .deferred, message: trigger.target, in: settlement)
    }

    /// What the templates of an instance are filled in from.
    func rendered(
        _ trigger: TriggerSpec, for instance: Instance, task: TaskDefinition
    ) throws -> TriggerSpec {
        trigger.holdsTemplates ? try filled(instance, task: task) { try trigger.rendered(with: $0) } : trigger
    }

    /// Renders what will be stored of an instance: with the variables as this transaction sees them, but nothing secret.
    private func filled<Result>(
        _ instance: Instance, task: TaskDefinition, _ body: (TemplateScope) throws -> Result
    ) throws -> Result {
        try scope(of: instance, task: task).rendering(to: .stored).filled(by: templateVariable, body)
    }

    func scope(of instance: Instance, task: TaskDefinition) throws -> TemplateScope {
        var facts = try facts(ofRun: instance.runKey).row.attemptFacts(
            taskID: task.taskID, mapIndex: instance.mapIndex, tryNumber: instance.tryNumber)
        facts.dag = try self.facts(ofRun: instance.runKey).version.attemptDAG
        do {
            facts.mapElement = try mapElement(of: instance, task: task).map { try value(ofOutput: $0) }
        } catch let error as PerchError where error.code == .unavailable {
            throw PerchError(.invalid, "its element cannot be read: \(error.message)")
        }
        return TemplateScope(facts)
    }

    /// The journal key of a pure sensor's one wait.
    static let sensorJournalKey = "sensor#0"

    func earliest(_ left: Timestamp?, _ right: Timestamp?) -> Timestamp? {
        guard let left else { return right }
        guard let right else { return left }
        return min(left, right)
    }
}

extension TaskDefinition {
    /// Whether a try of it begins in the queue, or before a gate, and says nothing else.
    var isQueuedAtOnce: Bool {
        if case .code = kind { start == nil && queuedTimeout == nil && callback == nil } else { false }
    }
}
