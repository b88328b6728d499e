// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

extension Stage {
    fileprivate func hindrances(
        _ run: RunRow, _ task: String, _ mapIndex: Int = -1, isEngineRunning: Bool = true
    ) async throws -> [Hindrance] {
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: task, mapIndex: mapIndex)
        return try await store.read { try $0.hindrances(key, isEngineRunning: isEngineRunning) }
    }

    fileprivate func explanation(_ run: RunRow, isEngineRunning: Bool = true) async throws -> RunExplanation {
        try await store.read { snapshot in
            let row = try #require(try snapshot.run(dagID: run.dagID, runID: run.runID))
            return try snapshot.explanation(of: row, isEngineRunning: isEngineRunning)
        }
    }

    /// Records a bundle process, as an executor does.
    fileprivate func addBundle() async throws {
        _ = try await store.write {
            try $0.registerProcess(
                role: "bundle", pid: 2, startTime: 1, bootID: "b", host: "h", lease: .seconds(1_000_000))
        }
    }
}

@Suite("Why a task does not run", .onEveryGround)
struct TaskHindranceTests {
    @Test("Waits for the same thing are told together, with the range of their deadlines")
    func sameWait() async throws {
        let stage = try await Stage()
        func sensor(_ id: String, _ timeout: TimeSpan) -> TaskDefinition {
            var task = TaskDefinition.sensor(id, .file("/x"))
            if case .sensor(var sensor) = task.kind {
                sensor.timeout = timeout
                task.kind = .sensor(sensor)
            }
            return task
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [sensor("a", .seconds(60)), sensor("b", .seconds(3_600)), sensor("c", .seconds(600))]))
        let run = try await stage.trigger("d")
        let groups = try await stage.explanation(run).groups.filter { $0.reason.kind == .deferred }
        #expect(groups.map(\.count) == [3])
        let text = groups.first?.reason.text ?? ""
        #expect(text.contains("It times out between 2026-01-01T00:01:00Z and 2026-01-01T01:00:00Z."), "\(text)")
        #expect(groups.first?.reason.fields["wait_id"] == .null)
    }

    @Test("It waits for tasks upstream: which, in which state, and what its rule needs")
    func upstreamPending() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("a"), .sensor("b", .file("/x")),
                    .code("c", after: [0, 1]) { $0.triggerRule = .allDone }, .code("e", after: [2]),
                ]))
        let run = try await stage.trigger("d")
        _ = try await stage.claim()
        let reasons = try await stage.hindrances(run, "c")
        #expect(reasons.map(\.kind) == [.upstreamPending])
        #expect(
            reasons[0].text
                == "It waits for 'a' (runs), 'b' (is deferred): its trigger rule all_done needs every upstream task to end."
        )
        #expect(reasons[0].fields["pending_count"] == 2)
        #expect(try await stage.hindrances(run, "e")[0].text.contains("'c' (has not begun)"))
        #expect(try await stage.hindrances(run, "nope").isEmpty)
    }

    @Test("Upstream that failed is named, with the task that began it and its message")
    func upstreamFailed() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0]), .code("c", after: [1])]))
        let run = try await stage.trigger("d")
        try await stage.finish(try await stage.claim()[0], .failure(message: "no disk left.", retryable: false))
        let direct = try await stage.hindrances(run, "b")
        #expect(direct.map(\.kind) == [.upstreamFailed])
        #expect(direct[0].text.contains("'a' (failed)") && direct[0].text.contains("no disk left. "))
        let further = try await stage.hindrances(run, "c")
        #expect(further[0].text.contains("'b' (did not run)") && further[0].text.contains("It began with 'a'."))
        #expect(try await stage.hindrances(run, "a")[0].text.hasSuffix(": no disk left."))
        let explained = try await stage.explanation(run)
        #expect(explained.reasons.map(\.kind) == [.runEnded])
        #expect(explained.groups.map { $0.tasks.map(\.taskID) } == [["a"]])
        #expect(explained.states.map(\.count) == [1, 2])
    }

    @Test("A rule that cannot be met any more is told before the rest has ended")
    func decidedEarly() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("a") { $0.priority = 9 }, .code("b"),
                    .code("c", after: [0, 1]) { $0.triggerRule = .allFailed },
                ]))
        let run = try await stage.trigger("d")
        #expect(try await stage.hindrances(run, "c").map(\.kind) == [.upstreamPending])
        try await stage.succeed(try await stage.claim(1)[0])
        let reasons = try await stage.hindrances(run, "c")
        #expect(reasons.map(\.kind) == [.ruleNotMet])
        #expect(reasons[0].text.contains("'a' (succeeded)") && reasons[0].text.contains("'b' (is queued)"))
    }

    @Test("A branch that was not taken, and a short circuit, are told with what was given")
    func branches() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("choose"),
                    .code("large", after: [0]) { $0.branches = [BranchEdge(upstream: 0, outputs: ["large"])] },
                    .code("check") { $0.shortCircuits = true },
                    .code("next", after: [2]), .code("last", after: [3]),
                    .code("after", after: [1]),
                ]))
        let run = try await stage.trigger("d")
        for task in try await stage.claim() {
            try await stage.succeed(task, output: task.key.taskID == "choose" ? "\"small\"" : "false")
        }
        let untaken = try await stage.hindrances(run, "large")
        #expect(untaken.map(\.kind) == [.branchNotTaken])
        #expect(untaken[0].text.contains("'choose' gave \"small\", which leads elsewhere"))
        for task in ["next", "last"] {
            let cut = try await stage.hindrances(run, task)
            #expect(cut.map(\.kind) == [.shortCircuit])
            #expect(cut[0].text.contains("'check' gave false and cuts short what follows it"), "\(cut)")
        }
        let skipped = try await stage.hindrances(run, "after")
        #expect(skipped.map(\.kind) == [.upstreamSkipped] && skipped[0].text.contains("'large' (was skipped)"))
    }

    @Test("A teardown waits until everything before it has ended")
    func teardown() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("make"), .code("use", after: [0]),
                    .code("remove", after: [0, 1]) { task in
                        task.teardown = TeardownDefinition(setups: [0])
                        task.triggerRule = .allDoneSetupSuccess
                    },
                ]))
        let run = try await stage.trigger("d")
        try await stage.succeed(try await stage.claim()[0])
        let reasons = try await stage.hindrances(run, "remove")
        #expect(reasons.map(\.kind) == [.teardownWaiting] && reasons[0].text.contains("'use' (is queued)"))
    }

    @Test("A full pool is told with who holds it and how many go first")
    func poolFull() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("gpu", slots: 3, description: "cards") }
        func task(_ id: String, slots: Int = 1) -> TaskDefinition {
            .code(id) { task in
                task.pool = "gpu"
                task.poolSlots = slots
            }
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                // The last is created first.
                tasks: [task("e", slots: 4), task("c"), task("b", slots: 2), task("a", slots: 2)]))
        let run = try await stage.trigger("d")
        _ = try await stage.claim()
        let next = try await stage.hindrances(run, "b")
        #expect(next.map(\.kind) == [.poolFull], "\(next)")
        #expect(
            next[0].text.contains("'gpu' has no room") && next[0].text.contains("d r1 a (2)")
                && next[0].text.contains("needs 2"))
        #expect(try await stage.hindrances(run, "c")[0].fields["holder_count"] == 1)
        #expect(try await stage.hindrances(run, "e").map(\.kind) == [.poolTooSmall])
        let group = try await stage.explanation(run).groups.first { $0.reason.kind == .poolFull }
        #expect(group?.count == 2)
        let pool = try await stage.store.read { try $0.pool("gpu") }
        #expect(pool?.waiting == 3 && pool?.running == 1 && pool?.used == 2 && pool?.description == "cards")
    }

    @Test("A pool that does not exist is told with what makes it, and what waits goes on when it is made")
    func poolUnknown() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a") { $0.pool = "gpu" }]))
        let run = try await stage.trigger("d")
        let reasons = try await stage.hindrances(run, "a")
        #expect(reasons.map(\.kind) == [.poolUnknown] && reasons[0].text.contains("'pools set gpu 1' makes it"))
        try await stage.store.write { try $0.setPool("gpu", slots: 1) }
        #expect(try await stage.hindrances(run, "a").map(\.kind) == [.ready])
        _ = try await stage.store.write { try $0.promoteScheduled(limit: 100) }
        #expect(try await stage.claim().count == 1)
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.deletePool("gpu") } }
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.deletePool("default_pool") } }
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.setPool("a:b", slots: 1) } }
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.setPool("x", slots: -1) } }
    }

    @Test("A full limit is told with its key and its holders")
    func limitFull() async throws {
        let stage = try await Stage()
        let task = TaskDefinition.code("t") {
            $0.limits = [ConcurrencyLimit(name: "key:customer {{ params.customer }}", slots: 1)]
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d", runID: "r1", params: .object(["customer": "x"]))
        let run = try await stage.trigger("d", runID: "r2", params: .object(["customer": "x"]))
        let reasons = try await stage.hindrances(run, "t")
        #expect(reasons.map(\.kind) == [.limitFull])
        #expect(
            reasons[0].text
                == "The limit 'key:customer x' is full: 1 of 1 slot is in use, held by d r1 t. It is the next.")
    }

    @Test("What is queued says who is missing to pick it up, or how many go first")
    func queued() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a") { $0.priority = 5 }, .code("b"), .code("c")]))
        let run = try await stage.trigger("d")
        #expect(try await stage.hindrances(run, "b", isEngineRunning: false).map(\.kind) == [.noEngine, .queued])
        #expect(try await stage.hindrances(run, "b").map(\.kind) == [.noBundle, .queued])
        try await stage.addBundle()
        let reasons = try await stage.hindrances(run, "b")
        #expect(
            reasons.map(\.kind) == [.queued] && reasons[0].text.contains("2 tasks go before it, and 0 tasks run now"))
        #expect(reasons[0].fields["ahead"] == 2)
        let worker = stage.worker
        try await stage.store.write { try $0.removeProcess(worker) }
        #expect(try await stage.hindrances(run, "b").map(\.kind) == [.noWorker, .queued])
    }

    @Test("A deferred task says what it waits for, until when, and whether anybody watches")
    func deferred() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/in"), timeout: .seconds(60))]))
        let run = try await stage.trigger("d")
        let reasons = try await stage.hindrances(run, "s")
        #expect(reasons.map(\.kind) == [.deferred])
        #expect(reasons[0].text.contains("file /in") && reasons[0].text.contains("times out at 2026-01-01T00:01:00Z"))
        let lease = stage.lease
        try await stage.store.write { try $0.removeTriggerer(lease) }
        #expect(try await stage.hindrances(run, "s").map(\.kind) == [.deferred, .notWatched])
    }

    @Test("A retry says when it begins and why there is one; a running task says since when")
    func retryAndRunning() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a") { $0.retries = 1 }, .code("b")]))
        let run = try await stage.trigger("d")
        let tasks = try await stage.claim()
        for task in tasks where task.key.taskID == "a" {
            try await stage.finish(task, .failure(message: "busy", retryable: true))
        }
        let retry = try await stage.hindrances(run, "a")
        #expect(retry.map(\.kind) == [.retryDelay])
        #expect(retry[0].text == "Try 1 failed: busy. Try 2 begins at 2026-01-01T00:05:00Z.")
        stage.clock.advance(.seconds(400))
        #expect(try await stage.hindrances(run, "a")[0].text.contains("is due since"))
        #expect(try await stage.hindrances(run, "b")[0].text == "It runs since 2026-01-01T00:00:00Z, try 1.")
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        #expect(try await stage.hindrances(run, "b").map(\.kind) == [.cancelling])
        #expect(try await stage.explanation(run).reasons.map(\.kind) == [.runCancelled])
    }

    @Test("A paused DAG holds what is ready; one that is in no bundle any more says so")
    func paused() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        try await stage.store.write { try $0.setPaused("d", true) }
        #expect(try await stage.hindrances(run, "a").map(\.kind) == [.dagPaused])
        let explained = try await stage.explanation(run)
        #expect(explained.reasons.map(\.kind) == [.dagPaused] && explained.groups.isEmpty)
        try await stage.deploy()
        #expect(try await stage.explanation(run).reasons.map(\.kind) == [.dagPaused, .dagRemoved])
    }

    @Test("Instances of a mapped task are told together")
    func mapped() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("one", slots: 1) }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("rows"),
                    .code("load", after: [0]) { task in
                        task.mappedOver = 0
                        task.inputs = [0]
                        task.pool = "one"
                    },
                ]))
        let run = try await stage.trigger("d")
        #expect(try await stage.hindrances(run, "load").map(\.kind) == [.upstreamPending])
        try await stage.succeed(try await stage.claim()[0], output: "[1,2,3]", items: ["1", "2", "3"])
        #expect(try await stage.hindrances(run, "load").map(\.kind) == [.beingMapped])
        try await stage.advance()
        #expect(try await stage.hindrances(run, "load", 2).map(\.kind) == [.poolFull])
        #expect(try await stage.hindrances(run, "load", 3).isEmpty)
        let explained = try await stage.explanation(run)
        #expect(explained.groups.map(\.count) == [1, 1, 2] || explained.groups.map(\.reason.kind).contains(.poolFull))
        #expect(explained.groups.first { $0.reason.kind == .poolFull }?.count == 2)
    }
}

@Suite("Why a run does not go on", .onEveryGround)
struct RunHindranceTests {
    @Test("A queued run names the runs that hold its DAG's places")
    func limit() async throws {
        let stage = try await Stage()
        var dag = DAGDefinition(dagID: "d", tasks: [.code("a")])
        dag.maxActiveRuns = 1
        try await stage.deploy(dag)
        _ = try await stage.trigger("d", runID: "r1")
        _ = try await stage.trigger("d", runID: "r2")
        let run = try await stage.trigger("d", runID: "r3")
        let explained = try await stage.explanation(run)
        #expect(explained.reasons.map(\.kind) == [.runLimit])
        #expect(
            explained.reasons[0].text.contains("1 active run (max_active_runs), and 1 is under way: 'r1'. 1 queued run")
        )
        #expect(try await stage.hindrances(run, "a").map(\.kind) == [.runLimit])
        #expect(try await stage.explanation(run, isEngineRunning: false).reasons.map(\.kind) == [.runLimit, .noEngine])
    }

    @Test("A run that took too long, and one whose instances are still being created, say so")
    func timedOut() async throws {
        let stage = try await Stage()
        var dag = DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a")), .code("a")])
        dag.runTimeout = .seconds(60)
        try await stage.deploy(dag)
        let run = try await stage.store.write { try $0.createRun(RunRequest(dagID: "d", runID: "r1")) }
        #expect(try await stage.explanation(run).reasons.map(\.kind) == [.runStarting])
        _ = try await stage.store.write { try $0.advanceRuns(budget: 3) }
        #expect(try await stage.explanation(run).reasons.map(\.kind) == [.beingCreated])
        #expect(try await stage.hindrances(run, "s").map(\.kind) == [.beingCreated])
        try await stage.advance()
        _ = try await stage.claim()
        stage.clock.advance(.seconds(61))
        try await stage.advance()
        #expect(try await stage.explanation(run).reasons.map(\.kind) == [.runTimedOut])
    }
}
