// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Limits beside pools, and turns between DAGs", .onEveryGround)
struct LimitTests {
    private func limited(_ id: String, _ limits: (String, Int)..., after: [Int] = []) -> TaskDefinition {
        .code(id, after: after) { task in
            task.limits = limits.map { ConcurrencyLimit(name: $0.0, slots: $0.1) }
        }
    }

    @Test("A limit admits as many as it has slots, and the next when one ends or waits")
    func slots() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: (0..<5).map { limited("t\($0)", ("task:d.t", 2)) } + [.code("free")]))
        let run = try await stage.trigger("d")
        var held = try await stage.claim()
        #expect(Set(held.map(\.key.taskID)).count == 3 && held.contains { $0.key.taskID == "free" })
        #expect(try await stage.states(run).values.filter { $0 == .scheduled }.count == 3)
        var bound = held.filter { $0.key.taskID != "free" }
        try await stage.deferTask(bound[0])
        held = try await stage.claim()
        #expect(held.count == 1)
        try await stage.finish(bound[1], .failure(message: "no", retryable: false))
        bound = held + (try await stage.claim())
        #expect(bound.count == 2)
        #expect(try await stage.claim().isEmpty)
        for task in bound { try await stage.succeed(task) }
        #expect(try await stage.claim().count == 1)
        #expect(try await stage.faults() == [])
    }

    @Test("A task that needs more slots than its pool has holds up nobody, and goes when the pool is made larger")
    func tooLarge() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("two", slots: 2) }
        let large: (String) -> TaskDefinition = { id in
            .code(id) { task in
                task.pool = "two"
                task.poolSlots = 3
                task.priority = 100
            }
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d", tasks: [large("large")] + (0..<4).map { .code("t\($0)") { $0.pool = "two" } }))
        let run = try await stage.trigger("d")
        for _ in 0..<2 {
            let claimed = try await stage.claim()
            #expect(claimed.count == 2)
            for task in claimed { try await stage.succeed(task) }
        }
        #expect(try await stage.states(run)["large"] == .scheduled)
        try await stage.store.write { try $0.setPaused("d", true) }
        try await stage.store.write { try $0.setPaused("d", false) }
        _ = try await stage.store.write { try $0.promoteScheduled(limit: 100) }
        #expect(try await stage.claim().isEmpty)
        try await stage.store.write { try $0.setPool("two", slots: 3) }
        _ = try await stage.store.write { try $0.promoteScheduled(limit: 100) }
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A dispatch needs room before every gate, holds one slot of each, and gives all back")
    func several() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("two", slots: 2) }
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: ["a", "a", "b", "b"].enumerated().map { index, key in
                    var task = limited("t\(index)", ("key:\(key)", 1), ("dag:d", 3))
                    task.pool = "two"
                    return task
                }))
        let run = try await stage.trigger("d")
        var done: [String] = []
        for _ in 0..<4 {
            let claimed = try await stage.claim()
            for task in claimed {
                #expect(try await stage.faults() == [])
                try await stage.succeed(task)
                done.append(task.key.taskID)
            }
        }
        #expect(done.count == 4 && Set(done) == ["t0", "t1", "t2", "t3"], "\(done)")
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A key's limit is one for each value, in all DAGs that name it")
    func keys() async throws {
        let stage = try await Stage()
        let task = limited("t", ("key:customer {{ params.customer }}", 1))
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]), DAGDefinition(dagID: "e", tasks: [task]))
        for (dagID, runID, customer) in [("d", "r1", "x"), ("e", "r1", "x"), ("d", "r2", "y"), ("d", "r3", "x")] {
            _ = try await stage.trigger(dagID, runID: runID, params: .object(["customer": .string(customer)]))
        }
        func names(_ tasks: [ClaimedTask]) -> [String] { tasks.map { "\($0.key.dagID) \($0.key.runID)" } }
        let first = try await stage.claim()
        #expect(Set(names(first)) == ["d r1", "d r2"])
        try await stage.succeed(first[0].key.runID == "r1" ? first[0] : first[1])
        let second = try await stage.claim()
        #expect(names(second) == ["e r1"])
        try await stage.succeed(second[0])
        #expect(names(try await stage.claim()) == ["d r3"])
        #expect(try await stage.faults() == [])
    }

    @Test("A limit whose name cannot be made fails its task, and nothing else")
    func unresolved() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [limited("t", ("key:{{ params.missing }}", 1)), .code("other")]))
        let run = try await stage.trigger("d")
        #expect(try await stage.states(run) == ["t": .failed, "other": .queued])
    }

    @Test("Pausing gives a queued task's slots back, unpausing takes them again")
    func paused() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [limited("a", ("key:k", 1)), limited("b", ("key:k", 1))]),
            DAGDefinition(dagID: "e", tasks: [limited("c", ("key:k", 1))]))
        let run = try await stage.trigger("d")
        try await stage.store.write { try $0.setPaused("d", true) }
        #expect(try await stage.states(run) == ["a": .scheduled, "b": .scheduled])
        _ = try await stage.trigger("e")
        #expect(try await stage.claim().map(\.key.taskID) == ["c"])
        try await stage.store.write { try $0.setPaused("d", false) }
        _ = try await stage.store.write { try $0.promoteScheduled(limit: 100) }
        #expect(try await stage.claim().isEmpty)
        #expect(try await stage.faults() == [])
    }

    @Test("One ready task of a DAG is not kept waiting by a thousand of another")
    func turns() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("default_pool", slots: 10_000) }
        try await stage.deploy(
            DAGDefinition(dagID: "many", tasks: (0..<1_000).map { .code("t\($0)") }),
            DAGDefinition(dagID: "few", tasks: [.code("a"), .code("b")]))
        _ = try await stage.trigger("many")
        #expect(try await stage.claim(10).allSatisfy { $0.key.dagID == "many" })
        _ = try await stage.trigger("few")
        let next = try await stage.claim(4).map(\.key.dagID)
        #expect(next.filter { $0 == "few" }.count == 2, "\(next)")
    }

    @Test("The same before a full pool: DAGs of one priority take turns, higher priority goes first")
    func turnsBeforePools() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("default_pool", slots: 1) }
        try await stage.deploy(
            DAGDefinition(dagID: "many", tasks: (0..<50).map { .code("t\($0)") }),
            DAGDefinition(dagID: "few", tasks: [.code("a"), .code("b")]),
            DAGDefinition(dagID: "first", tasks: [.code("p") { $0.priority = 5 }]))
        for dagID in ["many", "few", "first"] { _ = try await stage.trigger(dagID) }
        var order: [String] = []
        for _ in 0..<6 {
            let task = try #require(try await stage.claim().first)
            order.append(task.key.dagID)
            try await stage.succeed(task)
        }
        #expect(order[1] == "first" && order[2...].filter { $0 == "few" }.count == 2, "\(order)")
        #expect(try await stage.faults() == [])
    }

    @Test("A try that does not have its turn in time fails and says why; a pause does not count, nor does a wait")
    func queuedTimeout() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("one", slots: 1) }
        try await stage.store.write { try $0.setPool("none", slots: 0) }
        func task(_ id: String, pool: String = "one", retries: Int = 0) -> TaskDefinition {
            .code(id) { task in
                task.pool = pool
                task.retries = retries
                task.queuedTimeout = .seconds(60)
            }
        }
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [task("b", retries: 1), task("a"), task("c", pool: "none")]))
        let run = try await stage.trigger("d")
        let first = try await stage.store.read { try $0.nextQueueDeadline() }
        #expect(first == stage.clock.now + .seconds(60))
        let a = try #require(try await stage.claim().first)
        stage.clock.advance(.seconds(30))
        try await stage.store.write { try $0.setPaused("d", true) }
        stage.clock.advance(.seconds(3_600))
        #expect(try await stage.store.write { try $0.failOverdueInQueue(limit: 10) } == false)
        try await stage.store.write { try $0.setPaused("d", false) }
        stage.clock.advance(.seconds(29))
        _ = try await stage.store.write { try $0.failOverdueInQueue(limit: 10) }
        #expect(try await stage.states(run) == ["a": .running, "b": .scheduled, "c": .scheduled])
        stage.clock.advance(.seconds(31))
        _ = try await stage.store.write { try $0.failOverdueInQueue(limit: 10) }
        #expect(try await stage.states(run) == ["a": .running, "b": .upForRetry, "c": .failed])
        let rows = try await stage.store.read { try $0.taskInstances(runKey: run.runKey) }
        #expect(
            rows.sorted { $0.taskIndex < $1.taskIndex }.map(\.message) == [
                "it did not have its turn within 1m: the pool 'one' had no room", nil,
                "it did not have its turn within 1m: the pool 'none' had no room",
            ])
        // Who runs may wait and come back as late as that takes.
        try await stage.deferTask(a)
        stage.clock.advance(.seconds(9_999))
        _ = try await stage.store.write { try $0.failOverdueInQueue(limit: 10) }
        #expect(try await stage.states(run)["a"] == .deferred)
        #expect(try await stage.faults() == [])
    }
}
