// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Marking says how a task has ended", .onEveryGround)
struct MarkTests {
    private func mark(_ stage: Stage, _ task: String, _ state: TaskState, mapIndex: Int? = nil) async throws -> Int {
        try await stage.store.write {
            try $0.mark(dagID: "d", runID: "r1", taskID: task, mapIndex: mapIndex, as: state, by: "anna")
        }.count
    }

    @Test("A failed task that is marked success makes the run one; what was upstream_failed begins when it is cleared")
    func failed() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])]))
        let run = try await stage.trigger("d")
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: false))
        #expect(try await stage.states(run) == ["a": .failed, "b": .upstreamFailed])
        #expect(try await mark(stage, "a", .success) == 1)
        #expect(try await stage.states(run) == ["a": .success, "b": .upstreamFailed])
        #expect(try await stage.state(run) == .failed)
        #expect(try await mark(stage, "a", .success) == 0)
        _ = try await stage.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: "b", mapIndex: nil, downstream: false, onlyFailed: true, by: "anna")
        }
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("What a run does not have yet, or not at all, is said")
    func missing() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        try await stage.store.write { try $0.setPaused("d", true) }
        _ = try await stage.trigger("d")
        let early = await #expect(throws: PerchError.self) { try await mark(stage, "a", .success) }
        #expect(early?.code == .conflict && early?.message.contains("is queued and has no instance of 'a' yet") == true)
        try await stage.store.write { try $0.setPaused("d", false) }
        _ = try await stage.store.write { try $0.advanceRuns(budget: 100) }
        let none = await #expect(throws: PerchError.self) { try await mark(stage, "a", .success, mapIndex: 3) }
        #expect(none?.code == .notFound && none?.message.contains("no instance [3]") == true)
    }

    @Test("What runs, waits, is queued or has not begun ends as it is marked, and what follows goes on")
    func underWay() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("runs"), .sensor("waits", .file("/a")), .code("queued"), .code("late", after: [0, 1, 2]),
                    .code("last", after: [3]),
                ]))
        let run = try await stage.trigger("d")
        let held = try await stage.claim(1)
        let running = try #require(held.first)
        for task in ["runs", "waits", "queued", "late"] { #expect(try await mark(stage, task, .success) == 1) }
        // A worker says that its task was cancelled; the others have ended at once.
        #expect(try await stage.states(run)[running.key.taskID] == .running)
        try await stage.finish(running, .cancelled)
        let states = try await stage.states(run)
        #expect(states.filter { $0.value == .success }.count == 4, "\(states)")
        #expect(try await stage.claim().map(\.key.taskID) == ["last"])
        #expect(try await stage.waits().isEmpty)
        #expect(try await stage.faults() == [])
    }

    @Test("An instance of a mapped task is marked alone; wrong names and states are refused")
    func mapped() async throws {
        let stage = try await Stage()
        var each = TaskDefinition.code("each", after: [0])
        each.mappedOver = 0
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), each, .code("after", after: [1])]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "[1,2]", items: ["1", "2"])
        try await stage.advance()
        for task in try await stage.claim() {
            try await stage.finish(task, .failure(message: "no", retryable: false))
        }
        #expect(try await stage.state(run) == .failed)
        #expect(try await mark(stage, "each", .success, mapIndex: 1) == 1)
        #expect(
            try await stage.states(run) == [
                "list": .success, "each[0]": .failed, "each[1]": .success, "after": .upstreamFailed,
            ])
        #expect(try await mark(stage, "each", .skipped) == 2)
        #expect(try await stage.faults() == [])
        await #expect(throws: PerchError.self) { try await mark(stage, "nobody", .success) }
        await #expect(throws: PerchError.self) { try await mark(stage, "each", .running) }
    }
}
