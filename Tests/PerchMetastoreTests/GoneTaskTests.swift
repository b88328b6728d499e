// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Tasks that have left their DAG")
struct GoneTaskTests {
    private func clear(
        _ stage: Stage, _ taskID: String?, downstream: Bool = false
    ) async throws -> [String] {
        try await stage.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: taskID, mapIndex: nil, downstream: downstream, onlyFailed: false,
                by: "anna")
        }.map(\.taskID)
    }

    private func message(_ stage: Stage, _ taskID: String) async throws -> String {
        let key = TaskInstanceKey(dagID: "d", runID: "r1", taskID: taskID)
        return try await stage.store.read { try $0.taskInstance(key) }?.message ?? "nothing"
    }

    @Test("What has not begun ends as removed when its turn comes, and says which version does not have it")
    func notBegun() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        #expect(try await stage.states(run)["b"] == TaskState.none)
        try await stage.succeed(first)
        #expect(try await stage.states(run) == ["a": .success, "b": .removed])
        #expect(try await stage.state(run) == .success)
        let message = try await message(stage, "b")
        #expect(message.contains("'b' has left") && message.contains("version 1") && message.contains("version 2"))
        #expect(try await stage.faults() == [])
    }

    @Test("What is queued and has not begun is not handed out, and its slot is free for what comes behind it")
    func queued() async throws {
        let stage = try await Stage()
        try await stage.store.write { try $0.setPool("narrow", slots: 1) }
        let tasks = ["a", "b", "c"].map { id in TaskDefinition.code(id) { $0.pool = "narrow" } }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        let states = try await stage.states(run)
        #expect(states.values.filter { $0 == .queued }.count == 1)
        let stays = try #require(states.first { $0.value == .scheduled }?.key)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks.filter { $0.taskID == stays }))
        let claimed = try await stage.claim(1)
        #expect(claimed.map(\.key.taskID) == [stays])
        let left = try await stage.states(run)
        #expect(left[stays] == .running && left.values.filter { $0 != .running }.allSatisfy { $0 != .queued })
        try await stage.succeed(claimed[0])
        #expect(try await stage.claim().isEmpty)
        #expect(try await stage.states(run).values.filter { $0 == .removed }.count == 2)
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A run that begins after its tasks have left, a mapped task and a sensor: all of it is removed")
    func kinds() async throws {
        let stage = try await Stage()
        let mapped = TaskDefinition.code("each", after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("list"), mapped, .sensor("s", .file("/a"))]))
        let run = try await stage.store.write { try $0.createRun(RunRequest(dagID: "d", runID: "r1")) }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list")]))
        try await stage.advance()
        #expect(try await stage.waits() == [])
        try await stage.succeed(#require(try await stage.claim().first), output: "[1]", items: ["1"])
        try await stage.advance()
        #expect(try await stage.states(run) == ["list": .success, "each": .removed, "s": .removed])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("What has begun goes on to its wait's end, and then fails with a sentence; so does what is to be tried again")
    func begun() async throws {
        let stage = try await Stage()
        let again = TaskDefinition.code("again") {
            $0.retries = 1
            $0.retryDelay = .seconds(1)
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("waits"), again, .code("stays")]))
        let run = try await stage.trigger("d")
        for task in try await stage.claim() {
            switch task.key.taskID {
            case "waits": try await stage.deferTask(task)
            case "again": try await stage.finish(task, .failure(message: "no", retryable: true))
            default: try await stage.succeed(task)
            }
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("stays")]))
        #expect(try await stage.states(run)["waits"] == .deferred)
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.claim().isEmpty)
        stage.clock.advance(.seconds(2))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        #expect(try await stage.states(run) == ["waits": .failed, "again": .failed, "stays": .success])
        for task in ["waits", "again"] {
            #expect(try await message(stage, task).contains("Deploy a bundle that has it"))
        }
        #expect(try await stage.state(run) == .failed)
        #expect(try await stage.faults() == [])
    }

    @Test("What waits and is cancelled cleans up, though its task has left")
    func cleansUp() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a") { $0.hasOnKill = true }, .code("stays")]))
        let run = try await stage.trigger("d")
        let claimed = try await stage.claim()
        try await stage.deferTask(#require(claimed.first { $0.key.taskID == "a" }))
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("stays")]))
        let intent = CancelIntent(finalState: .failed, reason: "user", by: "anna")
        let key = TaskInstanceKey(dagID: "d", runID: "r1", taskID: "a")
        _ = try await stage.store.write { try $0.cancelTask(key, intent: intent) }
        let cleaning = try #require(try await stage.claim().first)
        #expect(cleaning.cancel == intent)
        try await stage.finish(cleaning, .cancelled)
        #expect(try await stage.states(run)["a"] == .failed)
        #expect(try await stage.faults() == [])
    }

    @Test("A clear of such a task is refused by its name and both versions; where more is cleared, it is left out")
    func cleared() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0]), .code("c", after: [1])]))
        let run = try await stage.trigger("d")
        for _ in 0..<3 { try await stage.succeed(#require(try await stage.claim().first)) }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("c", after: [0])]))
        do {
            _ = try await clear(stage, "b")
            Issue.record("cleared, though there is no code for it")
        } catch let error as PerchError {
            #expect(error.code == .conflict)
            for word in ["'b'", "version 1", "version 2", "once a bundle is deployed that has it"] {
                #expect(error.message.contains(word), "\(error.message)")
            }
        }
        #expect(try await stage.state(run) == .success)
        let left = try await stage.store.read { try $0.departures(from: run) }
        #expect(left.map(\.taskID) == ["b"])
        #expect(try await clear(stage, "a", downstream: true) == ["a", "c"])
        for task in try await stage.claim() { try await stage.succeed(task) }
        #expect(try await stage.states(run) == ["a": .success, "b": .success, "c": .success])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A removed task is run again by a clear once its DAG has it again")
    func comesBack() async throws {
        let stage = try await Stage()
        let both = DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])])
        try await stage.deploy(both)
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        try await stage.succeed(first)
        #expect(try await stage.states(run)["b"] == .removed)
        await #expect(throws: PerchError.self) { try await clear(stage, "b") }
        try await stage.deploy(both)
        #expect(try await clear(stage, "b") == ["b"])
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.states(run) == ["a": .success, "b": .success])
        #expect(try await stage.faults() == [])
    }

    @Test(
        "For every trigger rule an upstream that was removed counts as a skipped one",
        arguments: TriggerRuleTests.rules, [TaskState.success, .failed])
    func rules(rule: TriggerRule, other: TaskState) async throws {
        let stage = try await Stage()
        func tasks(_ names: [String]) -> [TaskDefinition] {
            names.map { .code($0) } + [
                .code("after", after: Array(names.indices)) { $0.triggerRule = rule }
            ]
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks(["gone", "other"])))
        let run = try await stage.store.write { try $0.createRun(RunRequest(dagID: "d", runID: "r1")) }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks(["other"])))
        try await stage.advance()
        for _ in 0..<3 {
            for task in try await stage.claim() {
                let fails = task.key.taskID == "other" && other == .failed
                try await stage.finish(
                    task, fails ? .failure(message: "no", retryable: false) : .success(output: "null", items: nil))
            }
        }
        let states = try await stage.states(run)
        #expect(states["gone"] == .removed && states["other"] == other)
        #expect(states["after"] == TriggerRuleTests.known(rule, [.skipped, other]) ?? .success)
        #expect(try await stage.state(run)?.isFinished == true)
        #expect(try await stage.faults() == [])
    }
}
