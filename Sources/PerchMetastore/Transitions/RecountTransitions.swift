// SPDX-License-Identifier: Apache-2.0

import PerchSDK

extension Transaction {
    /// Counts a task's upstream again, from the states in which it is now.
    func recount(_ place: TaskPlace, version: DAGVersion) throws {
        var ends = Settlement.Ends()
        let task = version.tasks[place.taskIndex]
        for index in task.upstream {
            let mapped = try first(
                "SELECT unfinished, failed, skipped, length FROM mapped_task WHERE run_key = :1 AND task_index = :2",
                place.runKey, index
            ) { (unfinished: $0.int(0), failed: $0.int(1), skipped: $0.int(2), length: $0.int(3)) }
            if let mapped {
                if task.alignedWith.contains(index) {
                    ends.add(.success)
                } else if mapped.unfinished == 0 {
                    ends.add(
                        version.tasks[index].state(
                            ofInstances: mapped.length, failed: mapped.failed, skipped: mapped.skipped))
                }
                continue
            }
            let ended = try first(
                "SELECT state, upstream_cut FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index = -1",
                place.runKey, index
            ) { (state: try $0.name(0, as: TaskState.self), isCut: $0.int(1) > 0) }
            if let ended, ended.state.isFinished {
                let decision = try decision(
                    of: TaskPlace(runKey: place.runKey, taskIndex: index), ended: ended.state,
                    isCut: ended.isCut && ended.state == .skipped)
                ends.add(ended.state, by: decision.way(to: task))
            }
        }
        try store(ends, of: task.upstream.count, for: InstancePlace(place: place))
    }

    /// Counts again what an instance of a mapped group comes after in it: the instances of its element, or what stands for all
    /// of them where a task has ended without being mapped.
    func recount(_ instance: InstancePlace, version: DAGVersion) throws {
        var ends = Settlement.Ends()
        let task = version.tasks[instance.place.taskIndex]
        for index in task.alignedWith {
            let before = try first(
                """
                SELECT state, upstream_cut, map_index FROM task_instance
                WHERE run_key = :1 AND task_index = :2 AND map_index IN (:3, -1) {for_update}
                """, instance.place.runKey, index, instance.mapIndex
            ) { (state: try $0.name(0, as: TaskState.self), isCut: $0.int(1) > 0, mapIndex: $0.int(2)) }
            guard let before, before.state.isFinished else { continue }
            let decision = try decision(
                of: TaskPlace(runKey: instance.place.runKey, taskIndex: index), mapIndex: before.mapIndex,
                ended: before.state, isCut: before.isCut && before.state == .skipped)
            ends.add(before.state, by: decision.way(to: task))
        }
        try store(ends, of: task.alignedWith.count, for: instance)
    }

    /// The instances that come after one element by element, whether they are created or not; where it stands for all of its
    /// task's instances, those of all elements that are.
    func elements(after instance: InstancePlace, _ version: DAGVersion) throws -> [InstancePlace] {
        try version.elementwise[instance.place.taskIndex].flatMap { later -> [InstancePlace] in
            let place = TaskPlace(runKey: instance.place.runKey, taskIndex: later)
            if instance.mapIndex >= 0 { return [InstancePlace(place: place, mapIndex: instance.mapIndex)] }
            return try rows(
                "SELECT map_index FROM task_instance WHERE run_key = :1 AND task_index = :2 AND map_index >= 0",
                place.runKey, later
            ) { InstancePlace(place: place, mapIndex: $0.int(0)) }
        }
    }

    private func store(_ ends: Settlement.Ends, of all: Int, for instance: InstancePlace) throws {
        try run(
            """
            UPDATE task_instance SET pending = :3, upstream_failed = :4, upstream_skipped = :5, upstream_blocked = :6,
                upstream_untaken = :7, upstream_cut = :8
            WHERE run_key = :1 AND task_index = :2 AND map_index = :9
            """, instance.place.runKey, instance.place.taskIndex, all - ends.all, ends.failed, ends.skipped,
            ends.blocked, ends.untaken, ends.cut, instance.mapIndex)
    }

    /// An instance that was cleared, or is created late, begins, or waits for its upstream.
    func resume(_ instance: Instance, in settlement: Settlement) throws {
        let facts = try facts(ofRun: instance.runKey)
        let isAlone = facts.version.tasks[instance.taskIndex].alignedWith.isEmpty
        if instance.mapIndex >= 0, isAlone || facts.cancelledBy != nil {
            try makeReady(instance, in: settlement)
            return
        }
        let counts = try first(
            """
            SELECT pending, upstream_failed, upstream_blocked, upstream_skipped, upstream_untaken, upstream_cut
            FROM task_instance WHERE ti_id = :1
            """, instance.id
        ) { UpstreamCounts($0, from: 0) }
        if let counts { try decide(instance, counts, in: settlement) }
    }
}
