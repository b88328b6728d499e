// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// A task of a simulated DAG, as data.
package struct SimulatedTask: Codable, Hashable, Sendable {
    /// What kind of task it is.
    package enum Kind: Codable, Hashable, Sendable {
        case code
        case sensor(SimulatedWait, timeout: TimeSpan, softFail: Bool)
        /// One instance for each number that another code or mapped task gives.
        case mapped(over: String)

        package var isMapped: Bool {
            if case .mapped = self { true } else { false }
        }
    }

    package var id: String
    package var kind: Kind
    /// What the code does; of no meaning for sensors.
    package var script = TaskScript()
    /// Tasks that it comes after, declared before it.
    package var upstream: [String] = []
    /// A task whose numbers it takes as its input; it comes after it.
    package var input: String?
    /// The mapped group that it stands in, by which its id begins; with the tasks of the group beside it, mapped over one
    /// task. Each but the first comes after the one before it, so that the last ends the group.
    package var group: String?
    package var triggerRule: TriggerRule = .allSuccess
    package var retries = 0
    package var retryDelay: TimeSpan = .seconds(1)
    package var hasBackoff = false
    package var executionTimeout: TimeSpan?
    package var taskTimeout: TimeSpan?
    package var killTimeout: TimeSpan = .seconds(10)
    package var pool = "default_pool"
    package var poolSlots = 1
    package var priority = 1

    /// A task with everything else as it stands above.
    package init(_ id: String, _ kind: Kind = .code, _ script: TaskScript = TaskScript(), after upstream: [String] = [])
    {
        self.id = id
        self.kind = kind
        self.script = script
        self.upstream = upstream
    }

    /// Everything that it comes after, each once, in the order of names.
    package var allUpstream: [String] {
        var names = Set(upstream)
        if let input { names.insert(input) }
        if case .mapped(let source) = kind { names.insert(source) }
        return names.sorted()
    }
}

/// A simulated DAG, as data.
package struct SimulatedDAG: Codable, Hashable, Sendable {
    /// When runs are created by the engine itself.
    package enum Plan: Codable, Hashable, Sendable {
        case manual
        case cron(String)
    }

    package var dagID: String
    package var tasks: [SimulatedTask]
    package var maxActiveRuns: Int
    package var maxActiveTasks: Int?
    package var schedule: Plan

    /// A DAG from its parts.
    package init(
        _ dagID: String, _ tasks: [SimulatedTask], maxActiveRuns: Int = 16, maxActiveTasks: Int? = nil,
        schedule: Plan = .manual
    ) {
        self.dagID = dagID
        self.tasks = tasks
        self.maxActiveRuns = maxActiveRuns
        self.maxActiveTasks = maxActiveTasks
        self.schedule = schedule
    }

    /// A task by its id.
    package func task(_ id: String) -> SimulatedTask? { tasks.first { $0.id == id } }

    /// What a task comes after element by element: the tasks before it in its mapped group.
    package func aligned(_ task: SimulatedTask) -> [String] {
        guard let group = task.group else { return [] }
        return task.allUpstream.filter { self.task($0)?.group == group }
    }

    /// The real DAG, made by the real builder, whose code writes into the ledger.
    package func build(ledger: Ledger, work: @escaping VirtualWork) -> DAG {
        let schedule: Schedule =
            switch schedule {
            case .manual: .manual
            case .cron(let expression): .cron(expression)
            }
        // Nothing answers for ever what runs wait for: a schedule without an end would never come to rest.
        let end = self.schedule == .manual ? nil : "2026-01-01T00:20:00Z"
        return DAG(dagID, schedule: schedule, end: end, maxActiveRuns: maxActiveRuns, maxActiveTasks: maxActiveTasks) {
            dag in
            var places: [String: any AnyTaskReference] = [:]
            var numbers: [String: TaskReference<[Int]>] = [:]
            for (index, task) in tasks.enumerated() {
                if let group = task.group {
                    // All of it stands where its first task does.
                    if index > 0, tasks[index - 1].group == group { continue }
                    guard case .mapped(let source) = task.kind, let source = numbers[source] else { continue }
                    let members = Array(tasks[index...].prefix { $0.group == group })
                    numbers[members[members.count - 1].id] = Self.declare(
                        group, members, over: source, &places, in: dag
                    ) { ScriptedCode(script: $0.script, ledger: ledger, work: work) }
                    continue
                }
                let upstream = TaskReferences(task.upstream.compactMap { places[$0] })
                let code = ScriptedCode(script: task.script, ledger: ledger, work: work)
                switch task.kind {
                case .sensor(let wait, let timeout, let softFail):
                    places[task.id] = Self.declare(task, wait.trigger, timeout, softFail, upstream, in: dag)
                case .mapped(let source):
                    // A source that is no task before this one leaves it undeclared: shrinking may do that.
                    guard let source = numbers[source] else { continue }
                    let reference = Self.declare(task, over: source, code, upstream, in: dag)
                    places[task.id] = reference
                    numbers[task.id] = reference
                case .code:
                    let reference = Self.declare(
                        task, input: task.input.flatMap { numbers[$0] }, code, upstream, in: dag)
                    places[task.id] = reference
                    numbers[task.id] = reference
                }
            }
        }
    }

    private static func declare<T: Trigger>(
        _ task: SimulatedTask, _ trigger: T, _ timeout: TimeSpan, _ softFail: Bool, _ upstream: TaskReferences,
        in dag: borrowing DAGBuilder
    ) -> any AnyTaskReference {
        dag.sensor(
            task.id, trigger, after: upstream, timeout: timeout.duration, softFail: softFail, retries: task.retries,
            retryDelay: task.retryDelay.duration, retryExponentialBackoff: task.hasBackoff,
            taskTimeout: task.taskTimeout?.duration, pool: task.pool, poolSlots: task.poolSlots,
            priority: task.priority, triggerRule: task.triggerRule)
    }

    private static func declare(
        _ task: SimulatedTask, over source: TaskReference<[Int]>, _ code: ScriptedCode, _ upstream: TaskReferences,
        in dag: borrowing DAGBuilder
    ) -> TaskReference<[Int]> {
        // An element of an instance that gave nothing is null.
        let elements: TaskReference<[Int?]> = source.optionalElements()
        return dag.map(
            task.id, over: elements, after: upstream, retries: task.retries, retryDelay: task.retryDelay.duration,
            retryExponentialBackoff: task.hasBackoff, executionTimeout: task.executionTimeout?.duration,
            taskTimeout: task.taskTimeout?.duration, killTimeout: task.killTimeout.duration, pool: task.pool,
            poolSlots: task.poolSlots, priority: task.priority, triggerRule: task.triggerRule,
            hasOnKill: code.script.onKill != nil
        ) { context, element in
            var single = code.script
            single.items = 1
            let one = ScriptedCode(script: single, ledger: code.ledger, work: code.work)
            return try await one.run(context, base: (element ?? 0) + 1)[0]
        }
    }

    private static func declare(
        _ task: SimulatedTask, input: TaskReference<[Int]>?, _ code: ScriptedCode, _ upstream: TaskReferences,
        in dag: borrowing DAGBuilder
    ) -> TaskReference<[Int]> {
        guard let input else {
            return dag.task(
                task.id, after: upstream, retries: task.retries, retryDelay: task.retryDelay.duration,
                retryExponentialBackoff: task.hasBackoff, executionTimeout: task.executionTimeout?.duration,
                taskTimeout: task.taskTimeout?.duration, killTimeout: task.killTimeout.duration, pool: task.pool,
                poolSlots: task.poolSlots, priority: task.priority, triggerRule: task.triggerRule,
                hasOnKill: code.script.onKill != nil
            ) { context in try await code.run(context, base: 0) }
        }
        let elements: TaskReference<[Int?]> = input.optionalElements()
        return dag.task(
            task.id, elements.optional, after: upstream, retries: task.retries, retryDelay: task.retryDelay.duration,
            retryExponentialBackoff: task.hasBackoff, executionTimeout: task.executionTimeout?.duration,
            taskTimeout: task.taskTimeout?.duration, killTimeout: task.killTimeout.duration, pool: task.pool,
            poolSlots: task.poolSlots, priority: task.priority, triggerRule: task.triggerRule,
            hasOnKill: code.script.onKill != nil
        ) { context, numbers in
            try await code.run(context, base: (numbers ?? []).reduce(0) { $0 + ($1 ?? 0) })
        }
    }
}
