// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization
import Testing

@testable import PerchMetastore

@Suite("DAGs of several bundles", .onEveryGround)
struct SeveralBundlesTests {
    private func dag(_ id: String, _ tasks: TaskDefinition...) -> DAGDefinition {
        DAGDefinition(dagID: id, tasks: tasks)
    }

    @discardableResult
    private func store(_ stage: Stage, _ bundle: String, _ definitions: DAGDefinition...) async throws -> [String] {
        try await stage.store.write { try $0.takeUpDAGs(definitions, bundle: bundle, bundleVersion: "1") }.map(
            \.message)
    }

    private func claim(
        _ stage: Stage, _ bundle: String, _ queues: [String]? = nil, limit: Int = 100
    ) async throws -> [ClaimedTask] {
        let worker = stage.worker
        return try await stage.store.write {
            try $0.claim(limit: limit, worker: worker, queues: queues, bundle: bundle)
        }
    }

    private func owner(_ stage: Stage, _ dagID: String) async throws -> String? {
        try await stage.store.read { try $0.dag(dagID)?.bundle }
    }

    @Test("a worker takes tasks of its own bundle alone, by priority, whatever their queue") func own() async throws {
        let stage = try await Stage()
        func task(_ id: String, _ queue: String, _ priority: Int) -> TaskDefinition {
            .code(id) {
                $0.queue = queue
                $0.priority = priority
            }
        }
        try await store(stage, "default", dag("d", task("a", "default", 1), task("b", "gpu", 2)))
        try await store(stage, "sales", dag("s", task("a", "default", 1), task("b", "gpu", 9), task("c", "disk", 5)))
        // Its name begins as the other's does.
        try await store(stage, "sales-eu", dag("e", task("a", "default", 1), task("b", "gpu", 2)))
        for dag in ["d", "s", "e"] { _ = try await stage.trigger(dag) }
        #expect(try await claim(stage, "nobody").isEmpty)
        #expect(try await claim(stage, "sales", ["disk"]).map(\.key.taskID) == ["c"])
        #expect(try await claim(stage, "sales", limit: 1).map(\.key.taskID) == ["b"])
        let rest = try await claim(stage, "sales").map { "\($0.key.dagID) \($0.key.taskID)" }
        #expect(rest == ["s a"])
        #expect(try await claim(stage, "default").map { "\($0.key.dagID) \($0.key.taskID)" } == ["d b", "d a"])
        #expect(try await claim(stage, "sales-eu").map { "\($0.key.dagID) \($0.key.taskID)" } == ["e b", "e a"])
        #expect(try await stage.faults() == [])
    }

    @Test("what is queued of another bundle rings for its workers, and not for those of the default one")
    func bells() async throws {
        let stage = try await Stage()
        try await store(stage, "default", dag("d", .code("a")))
        try await store(stage, "sales", dag("s", .code("a")))
        let rung = Mutex<DoorbellSet>([])
        stage.store.doorbells.subscribe([.queue, .bundleQueues]) { bells in rung.withLock { $0.formUnion(bells) } }
        _ = try await stage.trigger("s")
        #expect(rung.withLock { $0 } == .bundleQueues)
        // Of one transaction that claims all of the default bundle's, the other's are still to be told of.
        rung.withLock { $0 = [] }
        let worker = stage.worker
        try await stage.store.write { transaction in
            for dag in ["d", "s"] { _ = try transaction.createRun(RunRequest(dagID: dag, runID: "r2")) }
            while try transaction.advanceRuns(budget: 1_000) {}
            _ = try transaction.claim(limit: 9, worker: worker)
        }
        #expect(rung.withLock { $0 } == .bundleQueues)
    }

    @Test("a DAG that another bundle has is an import error that names both, and stays where it is")
    func clash() async throws {
        let stage = try await Stage()
        #expect(try await store(stage, "default", dag("orders", .code("a"))).isEmpty)
        let problems = try await store(stage, "sales", dag("orders", .code("b")), dag("prices", .code("p")))
        #expect(problems.count == 1)
        #expect(
            problems.first?.contains("'orders' is the bundle 'default's, and the bundle 'sales' has one") == true,
            "\(problems)")
        let errors = try await stage.store.read { try $0.importErrors() }
        #expect(errors.map(\.bundle) == ["sales"] && errors.map(\.problem.message) == problems)
        #expect(try await owner(stage, "orders") == "default")
        #expect(try await owner(stage, "prices") == "sales")
        _ = try await stage.trigger("orders")
        #expect(try await claim(stage, "sales").isEmpty)
        #expect(try await claim(stage, "default").map(\.key.taskID) == ["a"])
        // Described once more, by either, nothing has changed; without the second one the error is gone.
        #expect(try await store(stage, "default", dag("orders", .code("a"))).isEmpty)
        #expect(try await store(stage, "sales", dag("prices", .code("p"))).isEmpty)
        #expect(try await stage.store.read { try $0.importErrors() }.isEmpty)
    }

    @Test(
        "a DAG that its bundle gives up moves to the other one: what is queued goes there, what runs ends where it is")
    func moved() async throws {
        let stage = try await Stage()
        let hosted = TriggerSpec(kind: "async:Depth", target: "Depth", definition: ["queue": "a"])
        let orders = dag(
            "orders", .code("a"), .code("b") { $0.queue = "gpu" }, .code("c", after: [0]), .sensor("s", hosted))
        try await store(stage, "default", orders)
        _ = try await stage.trigger("orders", runID: "old")
        let old = try await claim(stage, "default")
        #expect(old.count == 2)
        for task in old { try await stage.succeed(task) }
        let run = try await stage.trigger("orders", runID: "r1")
        let running = try #require(
            try await claim(stage, "default", ["default"], limit: 9).first { $0.key.runID == "r1" })
        let rung = Mutex(false)
        stage.store.doorbells.subscribe(.bundles) { _ in rung.withLock { $0 = true } }
        #expect(try await store(stage, "sales", orders).count == 1)
        #expect(!rung.withLock { $0 })
        try await store(stage, "default")
        #expect(rung.withLock { $0 }, "the other bundle is not told that it may have it now")
        #expect(try await store(stage, "sales", orders).isEmpty)
        #expect(try await owner(stage, "orders") == "sales")
        #expect(try await stage.store.read { try $0.importErrors() }.isEmpty)
        #expect(try await stage.store.read { try $0.dag("orders")?.versionNumber } == 1)
        #expect(try await claim(stage, "default").isEmpty)
        #expect(try await claim(stage, "sales", ["gpu"]).map(\.key.taskID) == ["b"])
        try await stage.succeed(running)
        let next = try await claim(stage, "sales").filter { $0.key.runID == "r1" }
        #expect(next.map(\.key.taskID) == ["c"])
        let worker = stage.worker
        let waits = try await stage.store.write { transaction in
            try [WorkerTerms.defaultBundle, "sales"].map {
                try transaction.claimHosted(worker: worker, bundle: $0, orphans: false, limit: 9).count
            }
        }
        #expect(waits == [0, 2])
        #expect(try await stage.state(run) == .running)
        #expect(try await stage.faults() == [])
    }

    @Test("what is cleared of a run that ended before its DAG moved is the other bundle's, too") func cleared()
        async throws
    {
        let stage = try await Stage()
        let orders = dag("orders", .code("a") { $0.queue = "gpu" })
        try await store(stage, "sales", orders)
        let run = try await stage.trigger("orders")
        for task in try await claim(stage, "sales") { try await stage.succeed(task) }
        #expect(try await stage.state(run) == .success)
        for bundle in ["default", "ops"] {
            try await store(stage, bundle == "default" ? "sales" : "default")
            try await store(stage, bundle, orders)
            _ = try await stage.store.write {
                try $0.clear(
                    dagID: "orders", runID: "r1", taskID: nil, mapIndex: nil, downstream: false, onlyFailed: false,
                    by: "test")
            }
            try await stage.advance()
            #expect(try await claim(stage, "sales").isEmpty)
            let tasks = try await claim(stage, bundle, ["gpu"])
            #expect(tasks.count == 1, "\(bundle)")
            for task in tasks { try await stage.succeed(task) }
        }
        #expect(try await stage.faults() == [])
    }

    @Test("a worker's row says of which bundle it is, and why that does not come up, since the first time")
    func trouble() async throws {
        let stage = try await Stage()
        let identity = ProcessIdentity(pid: 2, startTime: 2, bootID: "b", host: "h")
        let worker = try await stage.store.write {
            try $0.registerWorker(identity, terms: WorkerTerms(slots: 3, bundle: "sales"), lease: .seconds(60))
        }
        let began = stage.clock.now
        for count in 1...3 {
            try await stage.store.write { try $0.noteTrouble("it exited with \(count)", count: count, worker: worker) }
            stage.clock.advance(.seconds(1))
        }
        func row() async throws -> WorkerRow? {
            try await stage.store.read { try $0.workers() }.first { $0.process.processID == worker }
        }
        #expect(try await row()?.terms.bundle == "sales")
        let trouble = try await row()?.trouble
        #expect(trouble == BundleTrouble(words: "it exited with 3", count: 3, since: began))
        #expect(try await stage.store.read { try $0.workers(besidesBundle: "default") } == [worker])
        #expect(try await stage.store.read { try $0.workers(besidesBundle: "sales") }.isEmpty)
        // Who asks why something of it waits is told.
        try await store(stage, "sales", dag("s", .code("a")))
        let run = try await stage.trigger("s")
        let key = TaskInstanceKey(dagID: "s", runID: run.runID, taskID: "a")
        let reasons = try await stage.store.read { try $0.hindrances(key, isEngineRunning: true) }.map(\.text)
        #expect(
            reasons.contains { $0.contains("'sales' does not come up") && $0.contains("it exited with 3") },
            "\(reasons)")
        try await stage.store.write { try $0.noteTrouble(nil, count: 0, worker: worker) }
        #expect(try await row()?.trouble == nil)
    }
}
