// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// A mapped task whose upstream has ended: its length is known now. Instances are created by `advanceRuns`. While
    /// instances of a mapping that was cleared away are under way it waits for them.
    func beginMapping(_ instance: Instance, over source: Int, in settlement: Settlement) throws {
        if try hasLeaving(instance.place) { return }
        let length = try mappingLength(of: instance, over: source)
        guard length > 0 else {
            try end(instance, as: .skipped, message: "mapped over nothing", in: settlement)
            return
        }
        try run("DELETE FROM task_instance WHERE ti_id = :1", instance.id)
        try run(
            """
            INSERT INTO mapped_task (run_key, task_index, length, created, unfinished, failed, skipped, first_try)
            VALUES (:1, :2, :3, 0, :3, 0, 0, :4)
            """, instance.runKey, instance.taskIndex, length, instance.tryNumber)
        settlement.added(length - 1, to: instance.runKey)
        settlement.mapped(instance.place)
        ring(.runs)
    }

    /// A task of a mapped group has as many instances as the tasks before it there, whatever its source gives by now.
    private func mappingLength(of instance: Instance, over source: Int) throws -> Int {
        let task = try facts(ofRun: instance.runKey).version.tasks[instance.taskIndex]
        for index in task.alignedWith + [source] {
            let mapped = try number(
                "SELECT length FROM mapped_task WHERE run_key = :1 AND task_index = :2", instance.runKey, index)
            if let mapped { return Int(mapped) }
        }
        let count = try number(
            """
            SELECT COUNT(*) FROM output_item WHERE position >= 0 AND ti_id =
                (SELECT ti_id FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = -1)
            """, instance.runKey, source)
        return Int(count ?? 0)
    }

    /// Creates instances of mapped tasks from where the last transaction stopped; of those that have fewest first, so that
    /// the elements of a mapped group can go ahead one by one.
    func expandMappedTasks(_ left: inout Int) throws {
        while left > 0 {
            let creating = try first(
                """
                SELECT run_key, task_index, length, created, first_try FROM mapped_task
                WHERE created < length ORDER BY run_key, created, task_index LIMIT 1
                """
            ) { (runKey: $0.int64(0), index: $0.int(1), length: $0.int(2), created: $0.int(3), tries: $0.int(4)) }
            guard let creating else { return }
            let facts = try facts(ofRun: creating.runKey)
            let version = facts.version
            let task = version.tasks[creating.index]
            let settlement = Settlement()
            var sensors = NewSensors()
            let beginsAtOnce = task.alignedWith.isEmpty && facts.cancelledBy == nil && facts.isNewest
            var created = creating.created
            var room = task.alignedWith.isEmpty && version.elementwise[creating.index].isEmpty ? left : Self.groupPage
            while created < creating.length, left > 0, room > 0 {
                defer {
                    created += 1
                    left -= 2
                    room -= 1
                }
                if beginsAtOnce, case .sensor(let sensor) = task.kind {
                    let instance = Instance(
                        id: try nextID(), runKey: creating.runKey, taskIndex: creating.index, mapIndex: created,
                        tryNumber: creating.tries)
                    if try begin(instance, task: task, with: sensor, pending: 0, among: &sensors) { continue }
                } else if beginsAtOnce, task.isQueuedAtOnce {
                    let instance = Instance(
                        id: try nextID(), runKey: creating.runKey, taskIndex: creating.index, mapIndex: created,
                        tryNumber: creating.tries)
                    try beginCode(instance, task: task, pending: 0, in: settlement)
                    continue
                }
                let instance = try insertInstance(
                    runKey: creating.runKey, taskIndex: creating.index, mapIndex: created, task: task,
                    pending: task.alignedWith.count, tryNumber: creating.tries)
                // What comes before it in its group may have ended by now.
                if !task.alignedWith.isEmpty {
                    try recount(InstancePlace(place: instance.place, mapIndex: created), version: version)
                    left -= 1
                }
                try resume(instance, in: settlement)
            }
            try storeSensors(&sensors)
            try run(
                "UPDATE mapped_task SET created = :3 WHERE run_key = :1 AND task_index = :2", creating.runKey,
                creating.index, created)
            try settle(settlement)
        }
    }

    /// So many instances of one task of a mapped group are created before those of the next task.
    private static let groupPage = 200
}
