// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Sensors that begin as the instances of their run are created: their rows and those of their waits, many of which are
/// inserted together, for a statement costs as much as a row.
struct NewSensors {
    fileprivate static let width = 11
    fileprivate var instances: [SQLValue] = []
    fileprivate var waits = WaitRows()
    fileprivate var count = 0
}

extension Transaction {
    /// Begins the first try of a sensor of which there is no row yet. `storeSensors` has to come before anything that looks
    /// for the row.
    ///
    /// - Returns: Whether it has begun. One whose wait is more than a row begins as every other task does: which is told of,
    ///   takes room of a pool, is for a run or is hosted by a worker, and one that cannot be read.
    func begin(
        _ instance: Instance, task: TaskDefinition, with sensor: SensorDefinition, pending: Int,
        among sensors: inout NewSensors
    ) throws -> Bool {
        let facts = try facts(ofRun: instance.runKey)
        guard facts.version.callbacks.isEmpty, sensor.startsRun == nil, sensor.trigger.kind != RunAim.kind,
            !HostedKind.isHosted(sensor.trigger.kind), try deferredHolds(of: task).isEmpty
        else { return false }
        var instance = instance
        instance.tryNumber += 1
        let deadline = task.taskTimeout.map { now + $0 }
        do {
            let wait = NewWait(
                instance: instance, journalKey: Self.sensorJournalKey,
                trigger: try rendered(sensor.trigger, for: instance, task: task),
                deadline: earliest(deadline, now + sensor.timeout), isSensor: true, eventFloor: facts.row.eventFloor,
                holds: [], queue: task.queue)
            _ = try add(wait, nil, to: &sensors.waits)
        } catch let error as PerchError where error.code == .invalid {
            return false
        }
        sensors.instances.append(.integer(instance.id))
        sensors.instances.append(.integer(instance.runKey))
        sensors.instances.append(instance.taskIndex.sqlValue)
        sensors.instances.append(instance.mapIndex.sqlValue)
        sensors.instances.append(instance.tryNumber.sqlValue)
        sensors.instances.append(pending.sqlValue)
        sensors.instances.append(.text(task.pool))
        sensors.instances.append(task.priority.sqlValue)
        sensors.instances.append(now.sqlValue)
        sensors.instances.append(deadline.sqlValue)
        sensors.instances.append(.text(facts.queues.stored(task.queue)))
        sensors.count += 1
        tally.entered(.deferred)
        if sensors.count == 32 { try storeSensors(&sensors) }
        return true
    }

    /// Stores the sensors that have begun.
    func storeSensors(_ sensors: inout NewSensors) throws {
        guard sensors.count > 0 else { return }
        try runMany(
            """
            INSERT INTO task_instance (ti_id, run_key, task_index, map_index, state, try_number, first_try, dispatch_id,
                pending, upstream_failed, upstream_skipped, pool, priority, queue_class, is_held, is_suspect,
                is_callback, start_date, task_deadline, queue)
            VALUES (:1, :2, :3, :4, 'deferred', :5, :5, 0, :6, 0, 0, :7, :8, 2, 0, 0, 0, :9, :10, :11)
            """, sensors.instances, width: NewSensors.width)
        try store(sensors.waits)
        sensors = NewSensors()
    }
}
