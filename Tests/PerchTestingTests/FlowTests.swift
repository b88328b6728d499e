// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("Branches, short circuits, groups, setup and teardown")
struct FlowTests {
    enum Size: String, Codable { case small, medium, large }

    private func tester(_ build: @escaping (borrowing DAGBuilder) -> Void) throws -> DAGTester {
        try DAGTester(dags: DAG("d") { build($0) }, at: "2026-01-01T00:00:00Z")
    }

    private func states(_ build: @escaping (borrowing DAGBuilder) -> Void) async throws -> [String: TaskState] {
        let tester = try tester(build)
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(1))
        return try await tester.states(of: run)
    }

    @Test("What a branch gives decides which way is taken; the others are skipped, and the join runs")
    func branch() async throws {
        let states = try await states { dag in
            let size = dag.task("measure") { _ in Size.medium }
            let small = dag.task("in_memory", after: size.when(.small)) { _ in }
            let large = dag.task("on_cluster", after: size.when(.medium, .large)) { _ in }
            let behind = dag.task("behind", after: small) { _ in }
            dag.empty("join", after: small, large, behind, triggerRule: .noneFailedMinOneSuccess)
            dag.task("anyhow", after: size) { _ in }
        }
        #expect(
            states == [
                "measure": .success, "in_memory": .skipped, "on_cluster": .success, "behind": .skipped,
                "join": .success, "anyhow": .success,
            ])
    }

    @Test("A branch that gives several ways takes each; a way not taken is skipped whatever its trigger rule")
    func severalWays() async throws {
        let states = try await states { dag in
            let sizes = dag.task("measure") { _ in [Size.small, .large] }
            dag.task("small", after: sizes.when(.small)) { _ in }
            dag.task("medium", after: sizes.when(.medium), triggerRule: .allDone) { _ in }
            dag.task("large", after: sizes.when(.large)) { _ in }
        }
        #expect(states == ["measure": .success, "small": .success, "medium": .skipped, "large": .success])
    }

    @Test("A branch that fails makes its ways upstream_failed")
    func failedBranch() async throws {
        let states = try await states { dag in
            let isFull = dag.task("look") { _ -> Bool in throw NonRetryable("no") }
            dag.task("empty_it", after: isFull.when(true)) { _ in }
            dag.task("fill_it", after: isFull.when(false)) { _ in }
        }
        #expect(states == ["look": .failed, "empty_it": .upstreamFailed, "fill_it": .upstreamFailed])
    }

    @Test("A short circuit skips everything after it, whatever the rules; a teardown is decided by its setup")
    func shortCircuit() async throws {
        let states = try await states { dag in
            let setup = dag.task("setup") { _ in }
            let hasData = dag.task("has_data", after: setup) { _ in false }
            dag.shortCircuit(hasData)
            let load = dag.task("load", after: hasData) { _ in }
            let report = dag.task("report", after: load, triggerRule: .allDone) { _ in }
            let clean = dag.task("clean", after: report) { _ in }
            dag.teardown(clean, of: setup)
            dag.task("aside", after: setup) { _ in }
        }
        #expect(
            states == [
                "setup": .success, "has_data": .success, "load": .skipped, "report": .skipped, "clean": .success,
                "aside": .success,
            ])
    }

    @Test("A short circuit that gives true lets everything go on")
    func closedCircuit() async throws {
        let states = try await states { dag in
            let hasData = dag.task("has_data") { _ in true }
            dag.shortCircuit(hasData)
            dag.task("load", after: hasData) { _ in }
        }
        #expect(states == ["has_data": .success, "load": .success])
    }

    @Test("What was skipped by a branch is skipped again when it is cleared, and runs when the branch decides anew")
    func clearing() async throws {
        let tester = try tester { dag in
            let isEven = dag.task("is_even") { context in context.tryNumber % 2 == 0 }
            dag.task("even", after: isEven.when(true)) { _ in }
            let odd = dag.task("odd", after: isEven.when(false)) { _ in }
            dag.task("behind", after: odd) { _ in }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(1))
        #expect(
            try await tester.states(of: run) == [
                "is_even": .success, "even": .skipped, "odd": .success, "behind": .success,
            ])
        try await tester.clear("even", in: run)
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: "even", in: run) == .skipped)
        try await tester.clear("is_even", in: run)
        try await tester.finish(atMost: .minutes(1))
        #expect(
            try await tester.states(of: run) == [
                "is_even": .success, "even": .success, "odd": .skipped, "behind": .skipped,
            ])
    }

    @Test("A teardown runs when work has failed, and its own failure does not fail the run; the work's does")
    func teardown() async throws {
        for workFails in [true, false] {
            let tester = try tester { dag in
                let create = dag.task("create") { _ in "cluster-7" }
                let work = dag.task("work", create) { _, _ in if workFails { throw NonRetryable("no") } }
                let delete = dag.task("delete", create, after: work) { _, name in
                    #expect(name == "cluster-7")
                    throw NonRetryable("gone already")
                }
                dag.teardown(delete, of: create)
            }
            let run = try await tester.trigger("d")
            try await tester.finish(atMost: .minutes(1))
            #expect(
                try await tester.states(of: run) == [
                    "create": .success, "work": workFails ? .failed : .success, "delete": .failed,
                ])
            #expect(try await tester.state(of: run) == (workFails ? .failed : .success))
        }
    }

    @Test("A teardown whose setup failed is not run, and one that is to fail the run does")
    func teardownOfNothing() async throws {
        let states = try await states { dag in
            let create = dag.task("create") { _ -> Int in throw NonRetryable("no room") }
            let work = dag.task("work", create) { _, _ in }
            dag.teardown(dag.task("delete", after: work) { _ in }, of: create)
        }
        #expect(states == ["create": .failed, "work": .upstreamFailed, "delete": .upstreamFailed])
        let tester = try tester { dag in
            let create = dag.task("create") { _ in }
            dag.teardown(dag.task("delete") { _ in throw NonRetryable("no") }, of: create, failsRun: true)
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .failed)
    }

    @Test("A cancelled run still tears down what its setups have made")
    func cancelled() async throws {
        let tester = try tester { dag in
            let create = dag.task("create") { _ in }
            let work = dag.sensor("work", .event("never"), after: create)
            dag.teardown(dag.task("delete", after: work) { _ in }, of: create)
            let other = dag.task("other", after: work) { _ in }
            dag.teardown(dag.task("delete_other", after: other) { _ in }, of: other)
        }
        let run = try await tester.trigger("d")
        try await tester.settle()
        #expect(try await tester.cancel(run))
        try await tester.finish(atMost: .minutes(1))
        #expect(
            try await tester.states(of: run) == [
                "create": .success, "work": .failed, "delete": .success, "other": .skipped, "delete_other": .skipped,
            ])
        #expect(try await tester.state(of: run) == .failed)
    }

    @Test("Clearing work between a setup and its teardown clears both too")
    func clearedWork() async throws {
        let tester = try tester { dag in
            let create = dag.task("create") { _ in }
            let work = dag.task("work", after: create) { _ in }
            dag.task("aside", after: create) { _ in }
            dag.teardown(dag.task("delete", after: work) { _ in }, of: create)
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(1))
        try await tester.clear("work", in: run, downstream: false)
        try await tester.finish(atMost: .minutes(1))
        let tries = try await tester.tasks(of: run).map { "\($0.taskID) \($0.tryNumber)" }
        #expect(Set(tries) == ["create 2", "work 2", "aside 1", "delete 2"])
    }

    @Test("Groups prefix ids, come after what they are said to, and what comes after them waits for their ends")
    func groups() async throws {
        let dag = DAG("d") { dag in
            let landed = dag.task("landed") { _ in 3 }
            let load = dag.group("load", after: landed) { group in
                let rows = group.task("parse", landed) { _, count in count }
                group.group("checks", after: rows) { checks in
                    let open = checks.task("open") { _ in }
                    let look = checks.task("look", after: open) { _ in }
                    checks.teardown(checks.task("close", after: look) { _ in }, of: open)
                }
                group.task("alone") { _ in }
                return rows
            }
            dag.task("report", load.value, after: load) { _, _ in }
        }
        #expect(dag.problems.isEmpty)
        let tasks = dag.definition.tasks
        let upstream = Dictionary(uniqueKeysWithValues: tasks.map { ($0.taskID, $0.upstream.map { tasks[$0].taskID }) })
        #expect(
            upstream == [
                "landed": [], "load.parse": ["landed"], "load.checks.open": ["load.parse"],
                "load.checks.look": ["load.checks.open"],
                "load.checks.close": ["load.checks.open", "load.checks.look"], "load.alone": ["landed"],
                "report": ["load.parse", "load.checks.look", "load.alone"],
            ])
        #expect(tasks.map(\.group) == ["", "load", "load.checks", "load.checks", "load.checks", "load", ""])
        #expect(try DAGDefinition(parsing: dag.definition.text) == dag.definition)
    }

    @Test("Only the newest run goes on after latestOnly; runs by hand do too")
    func latestOnly() async throws {
        let tester = try DAGTester(
            dags: DAG("d", schedule: .hourly, start: "2026-01-01T00:00:00Z", catchup: true, maxActiveRuns: 3) { dag in
                dag.task("publish", after: dag.latestOnly()) { _ in }
            }, at: "2026-01-01T02:30:00Z")
        try await tester.settle()
        let hand = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: "publish", in: hand) == .success)
        var ends: [TaskState] = []
        for run in try await tester.runs(of: "d") where run.runID != hand.runID {
            ends.append(try await tester.state(of: "publish", in: run))
        }
        #expect(ends.filter { $0 == .success }.count == 1 && ends.count == 3, "\(ends)")
    }

    @Test("A run that is caught up on is not the newest, though no later one exists yet")
    func latestOnlyOneByOne() async throws {
        let tester = try DAGTester(
            dags: DAG("d", schedule: .hourly, start: "2026-01-01T00:00:00Z", catchup: true, maxActiveRuns: 1) { dag in
                dag.task("publish", after: dag.latestOnly()) { _ in }
            }, at: "2026-01-01T04:30:00Z")
        try await tester.finish(atMost: .minutes(1))
        var ends: [TaskState] = []
        for run in try await tester.runs(of: "d") { ends.append(try await tester.state(of: "publish", in: run)) }
        #expect(ends.count == 5 && ends.filter { $0 == .success }.count == 1, "\(ends)")
    }

    @Test("A limit bounds what runs at a time; a DAG's bound counts no waits")
    func limits() async throws {
        let dag = DAG("d", maxActiveTasks: 3) { dag in
            let list = dag.task("list") { _ in [1, 2, 3] }
            let each = dag.map("each", over: list) { _, number in number }
            dag.limit(each, atMost: 1, perRun: true)
            let pay = dag.task("pay") { _ in }
            dag.limit(each, pay, atMost: 2, key: "bank {{ params.bank }}")
            dag.sensor("wait", .event("go"))
        }
        #expect(dag.problems.isEmpty)
        let limits = Dictionary(
            uniqueKeysWithValues: dag.definition.tasks.map { ($0.taskID, $0.limits.map { "\($0.name) \($0.slots)" }) })
        #expect(
            limits == [
                "list": ["dag:d 3"], "each": ["task:d.each@{{ run_id }} 1", "key:bank {{ params.bank }} 2", "dag:d 3"],
                "pay": ["key:bank {{ params.bank }} 2", "dag:d 3"], "wait": [],
            ])
        #expect(try DAGDefinition(parsing: dag.definition.text) == dag.definition)
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("d", params: ["bank": "x"])
        try await tester.emit("go")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("A run that is under way for longer than it may be is cancelled, cleans up, and has failed")
    func runTimeout() async throws {
        let tester = try DAGTester(
            dags: DAG("d", runTimeout: .hours(2)) { dag in
                let create = dag.task("create") { _ in }
                let wait = dag.sensor("wait", .event("never"), after: create)
                dag.teardown(dag.task("delete", after: wait) { _ in }, of: create)
            }, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(119))
        #expect(try await tester.state(of: run) == .running)
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.state(of: run) == .failed)
        #expect(try await tester.states(of: run) == ["create": .success, "wait": .failed, "delete": .success])
        #expect(try await tester.task("wait", in: run).message == "cancelled: the run's timeout of 2h ended it")
        try await tester.clear("wait", in: run)
        try await tester.emit("never")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("An error says for itself when the task is tried again")
    func retryByError() async throws {
        struct Busy: RetryDeciding { var retry: Retry { .after(.minutes(7)) } }
        let tester = try tester { dag in
            dag.task("ask", retries: 3, retryDelay: .hours(1)) { context in
                if context.tryNumber == 1 { throw Busy() }
                if context.tryNumber == 2 { throw RetryAfter(.seconds(30), "too many requests") }
                throw NonRetryable("no")
            }
        }
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(6))
        #expect(try await tester.task("ask", in: run).tryNumber == 1)
        try await tester.finish(atMost: .minutes(2))
        #expect(try await tester.task("ask", in: run).tryNumber == 3)
        #expect(try await tester.state(of: "ask", in: run) == .failed)
    }

    @Test("Wrong flow is a problem of the declaration that says what is wrong")
    func problems() {
        let dag = DAG("d") { dag in
            let list = dag.task("list") { _ in [1, 2] }
            let each = dag.map("each", over: list, triggerRule: .oneSuccess) { _, _ in Size.small }
            dag.task("after_each", after: each.when(.small)) { _ in }
            dag.task("clean", triggerRule: .allDoneSetupSuccess) { _ in }
            let lone = dag.task("lone") { _ in }
            dag.teardown(lone)
            let mapped = dag.map("mapped", over: list) { _, _ in }
            dag.teardown(mapped, of: list)
            dag.group("a b") { _ in }
        }
        let found = dag.problems.map(\.description).joined(separator: "\n")
        for words in [
            "task 'each': it is mapped, and how often is known only when its upstream has ended",
            "task 'after_each': 'each' is mapped; a branch is decided by one task",
            "task 'clean': the trigger rule 'all_done_setup_success' is one of teardowns",
            "the teardown 'lone' names no setup", "task 'mapped': a teardown is not mapped",
            "the group id 'a b' holds U+20",
        ] {
            #expect(found.contains(words), "\(words) is not in:\n\(found)")
        }
    }
}
