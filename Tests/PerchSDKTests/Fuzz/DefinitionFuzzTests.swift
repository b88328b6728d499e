// SPDX-License-Identifier: Apache-2.0
import FuzzSupport
import PerchSDK
import Testing

@Suite("Fuzz: stored definitions") struct DefinitionFuzzTests {
    static func trigger(_ source: inout FuzzSource) -> TriggerSpec {
        let due: DueInstant? = source.pick([
            nil, .at(source.text()), .at("2026-01-01T06:00:00Z"), .after(TimeSpan(microseconds: source.integer())),
        ])
        return TriggerSpec(kind: source.name(), target: source.text(), due: due, definition: source.json(depth: 2))
    }

    static func task(after earlier: [TaskDefinition], _ source: inout FuzzSource) -> TaskDefinition {
        let index = earlier.count
        var task = TaskDefinition(
            taskID: "task_\(index)",
            kind: source.one(in: 2)
                ? .code(operatorName: source.text())
                : .sensor(
                    SensorDefinition(
                        trigger: trigger(&source), timeout: TimeSpan(microseconds: source.integer()),
                        softFail: source.one(in: 2))),
            upstream: (0..<index).filter { _ in source.one(in: 3) })
        func span() -> TimeSpan { TimeSpan(microseconds: max(1, source.integer())) }
        task.inputs = task.upstream.filter { _ in source.one(in: 2) }
        if let first = task.upstream.first, source.one(in: 3) { task.mappedOver = first }
        flow(of: &task, after: earlier, &source)
        task.retries = source.int(0...5)
        if case .sensor(var sensor) = task.kind {
            sensor.timeout = span()
            task.kind = .sensor(sensor)
        }
        if source.one(in: 2) { task.retryDelay = span() }
        if source.one(in: 2) { task.executionTimeout = span() }
        if source.one(in: 2) { task.taskTimeout = span() }
        if source.one(in: 2) { task.killTimeout = span() }
        task.hasOnKill = source.one(in: 2)
        task.retryExponentialBackoff = source.one(in: 2)
        task.poolSlots = source.int(1...3)
        task.isolation = source.pick(TaskIsolation.allCases)
        task.priority = Int(source.integer())
        task.location = source.text()
        return task
    }

    /// How the task decides and is decided, by the rules that `flowProblem` has.
    private static func flow(of task: inout TaskDefinition, after earlier: [TaskDefinition], _ source: inout FuzzSource)
    {
        let isMapped = task.mappedOver != nil
        let plain = task.upstream.filter { earlier[$0].mappedOver == nil }
        let setups = plain.filter { earlier[$0].teardown == nil }
        if !isMapped, !setups.isEmpty, source.one(in: 4) {
            task.teardown = TeardownDefinition(setups: setups, failsRun: source.one(in: 2))
        }
        let hasTeardown = task.teardown != nil
        task.triggerRule = source.pick(
            TriggerRule.allCases.filter {
                (!isMapped || $0.waitsForAll) && (hasTeardown || $0 != .allDoneSetupSuccess)
            })
        task.branches = plain.filter { _ in source.one(in: 4) }.map {
            BranchEdge(upstream: $0, outputs: [source.text()])
        }
        task.shortCircuits = !isMapped && source.one(in: 4)
        if isMapped, source.one(in: 2) { task.toleratedFailures = source.int(1...100) }
        if case .code = task.kind, source.one(in: 4) {
            task.limits = [ConcurrencyLimit(name: "key:\(source.name())", slots: source.int(1...9))]
        }
    }

    private static func callback(of tasks: [TaskDefinition], _ source: inout FuzzSource) -> TaskDefinition {
        var task = TaskDefinition(taskID: "callback", kind: .code(operatorName: source.text()))
        let subjects = tasks.indices.filter { _ in source.one(in: 2) }
        task.callback =
            subjects.isEmpty
            ? CallbackDefinition(on: [.failure, .deadline(TimeSpan(microseconds: max(1, source.integer())))])
            : CallbackDefinition(on: [source.pick([.success, .failure, .skipped, .retry, .deferred])], of: subjects)
        return task
    }

    static func definition(_ source: inout FuzzSource) -> DAGDefinition {
        var dag = DAGDefinition(
            dagID: "dag",
            schedule: source.pick([
                .none, .once, .continuous, .cron(expression: "0 6 * * *", timeZone: "UTC"),
                .cron(expression: source.text(), timeZone: source.text()),
            ]))
        dag.description = source.text()
        dag.tags = source.several(0...2) { $0.text() }
        if source.one(in: 2) { dag.start = Timestamp(microseconds: source.integer()) }
        if source.one(in: 2) { dag.end = Timestamp(microseconds: source.integer()) }
        dag.versioning = source.pick(DAGVersioning.allCases)
        dag.catchup = source.one(in: 2)
        dag.maxActiveRuns = source.int(1...20)
        if case .object(let members) = source.json(depth: 2) { dag.params = members }
        for _ in 0..<source.int(0...4) { dag.tasks.append(task(after: dag.tasks, &source)) }
        if source.one(in: 3) { dag.tasks.append(callback(of: dag.tasks, &source)) }
        if source.one(in: 3) { dag.jitter = TimeSpan(microseconds: max(0, source.integer())) }
        if source.one(in: 3) { dag.calendar = DayCalendar(weekdays: [.monday], except: ["12-25"]) }
        return dag
    }

    @Test("a DAG is read again as it was written; what is changed is refused with the field's name, or read and kept")
    func dags() throws {
        try Fuzz.run("DAG definitions", count: 1_000) { source in
            let dag = Self.definition(&source)
            try Fuzz.same(try DAGDefinition(parsing: dag.text), dag, dag.text)
            let mutated = source.mutated(dag.text, with: Self.definition(&source).text)
            guard let read = try Fuzz.accepted({ try DAGDefinition(parsing: mutated) }) else { return }
            try Fuzz.same(try DAGDefinition(parsing: read.text), read, mutated)
            try Self.checkWhatTheEngineReliesOn(read)
        }
    }

    @Test("whatever stands in the fields, what is taken is what the engine can work with") func fields() throws {
        try Fuzz.run("DAG fields", count: 2_000) { source in
            guard case .object(var members) = Self.definition(&source).json else { return }
            if source.one(in: 4) {
                members[source.pick(members.keys.sorted())] = source.json(depth: 1)
            } else if case .array(var tasks) = members["tasks"], let last = tasks.last, case .object(var task) = last {
                let names = [
                    "task_id", "operator", "sensor", "upstream", "inputs", "mapped_over", "trigger_rule", "retries",
                    "retry_delay", "max_retry_delay", "execution_timeout", "task_timeout", "kill_timeout", "pool",
                    "pool_slots", "priority", "callback", "teardown", "branches", "limits", "tolerated_failures",
                    "short_circuits", "isolation",
                ]
                let values: [JSONValue] = [
                    .integer(source.integer()), source.json(depth: 1), .array([.integer(source.integer())]),
                    .string(source.text()),
                ]
                task[source.pick(names)] = source.pick(values)
                tasks[tasks.count - 1] = .object(task)
                if source.one(in: 8) { tasks.append(.object(task)) }
                members["tasks"] = .array(tasks)
            }
            guard let read = try Fuzz.accepted({ try DAGDefinition(json: .object(members)) }) else { return }
            try Self.checkWhatTheEngineReliesOn(read)
        }
    }

    static func checkWhatTheEngineReliesOn(_ dag: DAGDefinition) throws {
        func isPlain(_ id: String) -> Bool {
            let allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-".unicodeScalars
            return !id.isEmpty && id.utf8.count <= 250 && id != "." && id != ".."
                && id.unicodeScalars.allSatisfy { allowed.contains($0) }
        }
        try Fuzz.check(isPlain(dag.dagID), "the DAG id \(dag.dagID.debugDescription)")
        try Fuzz.check(dag.maxActiveRuns >= 1, "max_active_runs \(dag.maxActiveRuns)")
        try Fuzz.check(Set(dag.tasks.map(\.taskID)).count == dag.tasks.count, "a task id stands twice")
        for (index, task) in dag.tasks.enumerated() {
            try Fuzz.check(isPlain(task.taskID), "the task id \(task.taskID.debugDescription)")
            try Fuzz.check(task.upstream.allSatisfy { (0..<index).contains($0) }, "upstream \(task.upstream)")
            try Fuzz.check(task.upstream == Set(task.upstream).sorted(), "upstream \(task.upstream) is not ascending")
            try Fuzz.check(task.inputs.allSatisfy(task.upstream.contains), "inputs \(task.inputs)")
            try Fuzz.check(task.mappedOver.map(task.upstream.contains) ?? true, "mapped over \(task.mappedOver ?? 0)")
            try Fuzz.check(task.retries >= 0 && task.poolSlots >= 1 && !task.pool.isEmpty, "retries or pool")
            let spans = [task.retryDelay, task.maxRetryDelay, task.killTimeout]
            try Fuzz.check(spans.allSatisfy { $0.microseconds >= 0 }, "a negative length of time")
            let limits = [task.executionTimeout, task.taskTimeout].compactMap(\.self)
            try Fuzz.check(limits.allSatisfy { $0.microseconds > 0 }, "a timeout of no length")
            try Fuzz.check(task.retryDelay(afterTry: 70).microseconds >= 0, "a negative delay")
            if case .sensor(let sensor) = task.kind {
                try Fuzz.check(sensor.timeout.microseconds > 0, "a sensor's timeout of no length")
            }
        }
    }

    @Test("a trigger is read again as it was written") func triggers() throws {
        try Fuzz.run("triggers", count: 1_000) { source in
            let trigger = Self.trigger(&source)
            try Fuzz.same(try TriggerSpec(parsing: trigger.text), trigger, trigger.text)
            let mutated = source.mutated(trigger.text, with: Self.trigger(&source).text)
            guard let read = try Fuzz.accepted({ try TriggerSpec(parsing: mutated) }) else { return }
            try Fuzz.same(try TriggerSpec(parsing: read.text), read, mutated)
        }
    }
}
