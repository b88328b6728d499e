// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Tasks move through their states in one transaction a transition", .onEveryGround)
struct TaskTransitionTests {
    @Test("A chain runs in order, and the run ends with its last task")
    func chain() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0]), .code("c", after: [1])]))
        let run = try await stage.trigger("d")
        for name in ["a", "b", "c"] {
            let claimed = try await stage.claim()
            #expect(claimed.map(\.key.taskID) == [name])
            #expect(try await stage.state(run) == .running)
            try await stage.succeed(claimed[0])
        }
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A task receives the outputs of its inputs in their order")
    func inputs() async throws {
        let stage = try await Stage()
        let sum = TaskDefinition.code("sum", after: [0, 1]) { $0.inputs = [1, 0] }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b"), sum]))
        _ = try await stage.trigger("d")
        for task in try await stage.claim() { try await stage.succeed(task, output: "\"\(task.key.taskID)\"") }
        #expect(try await stage.claim().first?.inputs == ["\"b\"", "\"a\""])
    }

    @Test("A report of an old dispatch changes nothing")
    func fencing() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        let worker = stage.worker
        try await stage.store.write {
            try $0.requeue([(first.taskInstanceID, first.dispatchID)], asSuspects: false)
        }
        let second = try #require(try await stage.claim().first)
        #expect(second.dispatchID != first.dispatchID)
        #expect(second.tryNumber == 1)
        #expect(try await stage.succeed(first) == false)
        #expect(try await stage.deferTask(first) == false)
        let recorded = try await stage.store.write {
            try $0.recordSteps([
                StepRecord(
                    taskInstanceID: first.taskInstanceID, dispatchID: first.dispatchID, key: "s#0", payload: "1",
                    keepAcrossRetries: false)
            ])
        }
        #expect(recorded == [false])
        #expect(try await stage.state(run) == .running)
        #expect(try await stage.succeed(second))
        #expect(try await stage.state(run) == .success)
        _ = worker
    }

    @Test("Of many reports that come together, the first of each dispatch counts, and an old one changes nothing")
    func manyReports() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool(Transaction.defaultPool, slots: 1_000) }
        let load = TaskDefinition.code("load", after: [0]) {
            $0.inputs = []
            $0.mappedOver = 0
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), load]))
        let run = try await stage.trigger("d")
        let items = (0..<300).map(String.init)
        try await stage.succeed(
            #require(try await stage.claim().first), output: "[\(items.joined(separator: ","))]", items: items)
        try await stage.advance()
        var claimed = try await stage.claim(1_000)
        #expect(claimed.map(\.mapElement) == items)
        // One of them goes on with what it had recorded.
        let (old, key) = (claimed[200], "s#0")
        try await stage.store.write { transaction in
            let steps = [old.dispatchID, old.dispatchID + 1_000].map {
                StepRecord(
                    taskInstanceID: old.taskInstanceID, dispatchID: $0, key: key, payload: "1",
                    keepAcrossRetries: false)
            }
            #expect(try transaction.recordSteps(steps) == [true, false])
            try transaction.requeue([(old.taskInstanceID, old.dispatchID)], asSuspects: false)
        }
        let again = try await stage.claim()
        #expect(again.map(\.journal.count) == [1] && again.map(\.mapElement) == ["200"])
        claimed[200] = again[0]
        func report(_ task: ClaimedTask, _ outcome: TaskReport.Outcome) -> TaskReport {
            TaskReport(taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, outcome: outcome)
        }
        let reports =
            [report(old, .skipped(message: "old"))]
            + claimed.flatMap { task in
                [
                    report(task, .success(output: task.mapElement ?? "", items: nil)),
                    report(task, .skipped(message: "2nd")),
                ]
            }
        let accepted = try await stage.store.write { try $0.finish(reports) }
        #expect(accepted == [false] + claimed.flatMap { _ in [true, false] })
        #expect(try await stage.states(run).values.allSatisfy { $0 == .success })
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A failed task is tried again after its delay, and fails for good when its retries are spent")
    func retries() async throws {
        let stage = try await Stage()
        let task = TaskDefinition.code("a") {
            $0.retries = 1
            $0.retryDelay = .seconds(60)
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task, .code("b", after: [0])]))
        let run = try await stage.trigger("d")
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: true))
        #expect(try await stage.states(run)["a"] == .upForRetry)
        #expect(try await stage.store.write { try $0.retryDue(limit: 10) } == false)
        #expect(try await stage.claim().isEmpty)
        stage.clock.advance(.seconds(60))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        let second = try #require(try await stage.claim().first)
        #expect(second.tryNumber == 2)
        try await stage.finish(second, .failure(message: "no", retryable: true))
        #expect(try await stage.states(run) == ["a": .failed, "b": .upstreamFailed])
        #expect(try await stage.state(run) == .failed)
        #expect(try await stage.faults() == [])
    }

    @Test("A retry inherits only the steps that are kept across retries")
    func keptSteps() async throws {
        let stage = try await Stage()
        let task = TaskDefinition.code("a") {
            $0.retries = 1
            $0.retryDelay = .seconds(0)
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        _ = try await stage.store.write {
            try $0.recordSteps(
                ["kept#0", "lost#0"].map { key in
                    StepRecord(
                        taskInstanceID: first.taskInstanceID, dispatchID: first.dispatchID, key: key, payload: "1",
                        keepAcrossRetries: key == "kept#0")
                })
        }
        try await stage.finish(first, .failure(message: "no", retryable: true))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        #expect(try await stage.claim().first?.journal.map(\.key) == ["kept#0"])
    }

    @Test(
        "Trigger rules decide by how the upstream ended, whatever the order",
        arguments: [
            TaskReport.Outcome.success(output: "1", items: nil), .skipped(message: "-"),
            .failure(message: "-", retryable: false),
        ],
        [
            TaskReport.Outcome.success(output: "1", items: nil), .skipped(message: "-"),
            .failure(message: "-", retryable: false),
        ])
    func triggerRules(left: TaskReport.Outcome, right: TaskReport.Outcome) async throws {
        for isReversed in [false, true] {
            let stage = try await Stage()
            let rules: [TriggerRule] = [.allSuccess, .allDone]
            let after = rules.map { rule in TaskDefinition.code(rule.rawValue, after: [0, 1]) { $0.triggerRule = rule }
            }
            try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("l"), .code("r")] + after))
            let run = try await stage.trigger("d")
            var claimed = try await stage.claim().sorted { $0.key.taskID < $1.key.taskID }
            if isReversed { claimed.reverse() }
            for task in claimed { try await stage.finish(task, task.key.taskID == "l" ? left : right) }
            let outcomes = [left, right]
            let hasFailed = outcomes.contains { if case .failure = $0 { true } else { false } }
            let hasSkipped = outcomes.contains { if case .skipped = $0 { true } else { false } }
            let states = try await stage.states(run)
            #expect(states["all_success"] == (hasFailed ? .upstreamFailed : hasSkipped ? .skipped : .queued))
            #expect(states["all_done"] == .queued)
            for task in try await stage.claim() { try await stage.succeed(task) }
            #expect(try await stage.state(run) == (hasFailed ? .failed : .success))
            #expect(try await stage.faults() == [])
        }
    }

    @Test("A mapped task has an instance for each element, and what comes after receives their outputs in order")
    func mapping() async throws {
        let stage = try await Stage()
        let load = TaskDefinition.code("load", after: [0]) {
            $0.inputs = []
            $0.mappedOver = 0
        }
        let report = TaskDefinition.code("report", after: [1]) { $0.inputs = [1] }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), load, report]))
        let run = try await stage.trigger("d")
        try await stage.succeed(
            #require(try await stage.claim().first), output: "[10,20,30]", items: ["10", "20", "30"])
        try await stage.advance()
        let instances = try await stage.claim()
        #expect(instances.map(\.mapElement) == ["10", "20", "30"])
        #expect(instances.map(\.key.mapIndex) == [0, 1, 2])
        for task in instances.reversed() { try await stage.succeed(task, output: task.mapElement! + "0") }
        let last = try #require(try await stage.claim().first)
        #expect(last.inputs == ["[100,200,300]"])
        try await stage.succeed(last)
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A task mapped over nothing is skipped")
    func mappingOverNothing() async throws {
        let stage = try await Stage()
        let load = TaskDefinition.code("load", after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), load]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "[]", items: [])
        #expect(try await stage.states(run)["load"] == .skipped)
        #expect(try await stage.state(run) == .success)
    }

    @Test("A full pool holds tasks back, and each slot that comes free lets the one of the highest priority go")
    func pools() async throws {
        let stage = try await Stage()
        let tasks = (0..<130).map { index in TaskDefinition.code("t\(index)") { $0.priority = index == 5 ? 9 : 1 } }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        let counts = try await stage.states(run).values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(counts == [.queued: 128, .scheduled: 2])
        let first = try await stage.claim(1)
        #expect(try await stage.states(run)["t5"] != TaskState.none)
        try await stage.succeed(first[0])
        let after = try await stage.states(run).values.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        #expect(after[.scheduled] == 1)
        #expect(try await stage.faults() == [])
    }

    @Test("A run without tasks succeeds at once")
    func empty() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d"))
        let run = try await stage.trigger("d")
        #expect(try await stage.state(run) == .success)
    }

    @Test("max_active_runs holds further runs queued")
    func maxActiveRuns() async throws {
        let stage = try await Stage()
        var dag = DAGDefinition(dagID: "d", tasks: [.code("a")])
        dag.maxActiveRuns = 1
        try await stage.deploy(dag)
        let first = try await stage.trigger("d", runID: "one")
        let second = try await stage.trigger("d", runID: "two")
        #expect(try await stage.state(first) == .running)
        #expect(try await stage.state(second) == .queued)
        try await stage.succeed(#require(try await stage.claim().first))
        try await stage.advance()
        #expect(try await stage.state(second) == .running)
    }
}
