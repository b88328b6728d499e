// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension SimulatedDAG {
    /// Declares a mapped group; gives what its last task gives.
    static func declare(
        _ name: String, _ members: [SimulatedTask], over source: TaskReference<[Int]>,
        _ places: inout [String: any AnyTaskReference], in dag: borrowing DAGBuilder,
        code: (SimulatedTask) -> ScriptedCode
    ) -> TaskReference<[Int]> {
        // An element of an instance that gave nothing is null.
        let elements: TaskReference<[Int?]> = source.optionalElements()
        return dag.mapGroup(name, over: elements) { group, element in
            var known: [String: TaskReference<Int>] = [:]
            var last: TaskReference<Int>?
            for task in members {
                let reference = declare(
                    task, element, task.input.flatMap { known[$0] }, code(task),
                    TaskReferences(task.upstream.compactMap { places[$0] }), in: group)
                places[task.id] = reference
                known[task.id] = reference
                last = reference
            }
            guard let last else { preconditionFailure("a mapped group without tasks is declared") }
            return last
        }
    }

    private static func declare(
        _ task: SimulatedTask, _ element: TaskReference<Int?>, _ input: TaskReference<Int>?, _ code: ScriptedCode,
        _ upstream: TaskReferences, in group: borrowing DAGBuilder
    ) -> TaskReference<Int> {
        let id = String(task.id.dropFirst((task.group?.count ?? -1) + 1))
        var single = code.script
        single.items = 1
        let one = ScriptedCode(script: single, ledger: code.ledger, work: code.work)
        guard let input else {
            return group.task(
                id, element, after: upstream, retries: task.retries, retryDelay: task.retryDelay.duration,
                retryExponentialBackoff: task.hasBackoff, executionTimeout: task.executionTimeout?.duration,
                taskTimeout: task.taskTimeout?.duration, killTimeout: task.killTimeout.duration, pool: task.pool,
                poolSlots: task.poolSlots, priority: task.priority, triggerRule: task.triggerRule,
                hasOnKill: code.script.onKill != nil
            ) { context, element in try await one.run(context, base: (element ?? 0) + 1)[0] }
        }
        return group.task(
            id, element, input.optional, after: upstream, retries: task.retries, retryDelay: task.retryDelay.duration,
            retryExponentialBackoff: task.hasBackoff, executionTimeout: task.executionTimeout?.duration,
            taskTimeout: task.taskTimeout?.duration, killTimeout: task.killTimeout.duration, pool: task.pool,
            poolSlots: task.poolSlots, priority: task.priority, triggerRule: task.triggerRule,
            hasOnKill: code.script.onKill != nil
        ) { context, element, before in
            try await one.run(context, base: (element ?? 0) + 1 + (before ?? 0))[0]
        }
    }
}
