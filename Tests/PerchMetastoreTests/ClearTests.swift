// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Clearing gives new tries", .onEveryGround)
struct ClearTests {
    private func clear(
        _ stage: Stage, _ taskID: String?, mapIndex: Int? = nil, downstream: Bool = false, onlyFailed: Bool = false
    ) async throws -> [String] {
        try await stage.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: taskID, mapIndex: mapIndex, downstream: downstream,
                onlyFailed: onlyFailed,
                by: "anna")
        }.map(\.taskID)
    }

    @Test("A failed task and what comes after it run again, with a higher try number and the run going on")
    func withDownstream() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0]), .code("c", after: [1])]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first))
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: true))
        #expect(try await stage.state(run) == .failed)
        #expect(try await clear(stage, "b", downstream: true) == ["b", "c"])
        #expect(try await stage.state(run) == .running)
        let again = try #require(try await stage.claim().first)
        #expect(again.key.taskID == "b" && again.tryNumber == 2)
        try await stage.succeed(again)
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("Where there is nothing to clear the run stays as it is", arguments: [true, false])
    func nothing(isCancelled: Bool) async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        if isCancelled {
            _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        } else {
            try await stage.succeed(#require(try await stage.claim().first))
        }
        let before = try await stage.state(run)
        #expect(before == (isCancelled ? .failed : .success))
        #expect(try await clear(stage, nil, onlyFailed: true) == [])
        #expect(try await clear(stage, "a", mapIndex: 7) == [])
        #expect(try await stage.state(run) == before)
        #expect(try await stage.faults() == [])
    }

    @Test("A waiting task is cancelled first, and its next try follows")
    func waiting() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .sensor("s", .file("/a"))]))
        let run = try await stage.trigger("d")
        try await stage.deferTask(#require(try await stage.claim().first))
        #expect(try await stage.waits().count == 2)
        #expect(try await clear(stage, nil) == ["a", "s"])
        #expect(try await stage.waits().map(\.tryNumber) == [2])
        let again = try #require(try await stage.claim().first)
        #expect(again.tryNumber == 2 && again.journal.isEmpty)
        try await stage.succeed(again)
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A running task is cleared when its worker has acknowledged the cancel")
    func running() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        #expect(try await clear(stage, "a") == ["a"])
        #expect(try await stage.states(run) == ["a": .running])
        #expect(try await stage.finish(first, .cancelled))
        let second = try #require(try await stage.claim().first)
        #expect(second.tryNumber == 2 && second.cancel == nil)
        try await stage.succeed(second)
        #expect(try await stage.state(run) == .success)
    }

    @Test("A mapped task whose source is cleared is mapped anew")
    func mapped() async throws {
        let stage = try await Stage()
        let load = TaskDefinition.code("load", after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), load]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "[1,2]", items: ["1", "2"])
        try await stage.advance()
        let instances = try await stage.claim()
        try await stage.succeed(instances[0])
        try await stage.finish(instances[1], .failure(message: "no", retryable: false))
        #expect(try await stage.state(run) == .failed)
        _ = try await clear(stage, "list", downstream: true)
        try await stage.succeed(#require(try await stage.claim().first), output: "[3]", items: ["3"])
        try await stage.advance()
        let again = try await stage.claim()
        #expect(again.map(\.mapElement) == ["3"] && again[0].tryNumber == 2)
        try await stage.succeed(again[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("One failed instance of a mapped task is cleared alone")
    func oneInstance() async throws {
        let stage = try await Stage()
        let load = TaskDefinition.code("load", after: [0]) { $0.mappedOver = 0 }
        let end = TaskDefinition.code("end", after: [1])
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), load, end]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "[1,2]", items: ["1", "2"])
        try await stage.advance()
        let instances = try await stage.claim()
        try await stage.succeed(instances[0])
        try await stage.finish(instances[1], .failure(message: "no", retryable: false))
        #expect(try await stage.states(run)["end"] == .upstreamFailed)
        #expect(try await clear(stage, "load", downstream: true, onlyFailed: true) == ["load", "end"])
        let again = try await stage.claim()
        #expect(again.map(\.key.mapIndex) == [1])
        try await stage.succeed(again[0])
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("An unknown run or task is named")
    func unknown() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        await #expect(throws: PerchError.self) { try await clear(stage, "a") }
        _ = try await stage.trigger("d")
        await #expect(throws: PerchError.self) { try await clear(stage, "z") }
    }

    @Test("A clear holds what waits until its cleared upstream has ended again")
    func deferredDownstream() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first))
        try await stage.deferTask(#require(try await stage.claim().first))
        _ = try await clear(stage, "a", downstream: true)
        #expect(try await stage.states(run) == ["a": .queued, "b": .none])
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.states(run) == ["a": .success, "b": .queued])
        #expect(try await stage.faults() == [])
    }

    @Test("A run that was cancelled before it began runs once it is cleared")
    func cancelledBeforeItBegan() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])]))
        let run = try await stage.store.write { try $0.createRun(RunRequest(dagID: "d", runID: "r1")) }
        #expect(try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") })
        _ = try await clear(stage, nil, downstream: false)
        try await stage.advance()
        #expect(try await stage.states(run) == ["a": .queued, "b": .none])
        for _ in 0..<2 { try await stage.succeed(#require(try await stage.claim().first)) }
        #expect(try await stage.state(run) == .success)
    }

    @Test("What comes after a mapping that is cleared away waits for the new one and for all else")
    func afterAnUnmappedTask() async throws {
        let stage = try await Stage()
        let mapped = TaskDefinition.code("mapped", after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: [.code("list"), .code("slow"), mapped, .code("last", after: [1, 2])]))
        let run = try await stage.trigger("d")
        func succeed(_ task: ClaimedTask) async throws {
            try await stage.succeed(task, output: "[1]", items: task.key.taskID == "list" ? ["1"] : nil)
            try await stage.advance()
        }
        let first = try await stage.claim()
        let slow = try #require(first.first { $0.key.taskID == "slow" })
        try await succeed(#require(first.first { $0.key.taskID == "list" }))
        try await succeed(#require(try await stage.claim().first))
        _ = try await clear(stage, "list", downstream: true)
        for _ in 0..<2 { try await succeed(#require(try await stage.claim().first)) }
        #expect(try await stage.states(run)["last"] == TaskState.none)
        try await succeed(slow)
        #expect(try await stage.states(run)["last"] == .queued)
        #expect(try await stage.faults() == [])
    }

    @Test("A mapping over a mapping is cleared away with it")
    func mappingOverMapping() async throws {
        let stage = try await Stage()
        let inner = TaskDefinition.code("inner", after: [0]) { $0.mappedOver = 0 }
        let outer = TaskDefinition.code("outer", after: [1]) { $0.mappedOver = 1 }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), inner, outer]))
        let run = try await stage.trigger("d")
        for _ in 0..<3 {
            for task in try await stage.claim() {
                let items = task.key.taskID == "list" ? ["1", "2"] : nil
                try await stage.succeed(task, output: "[1,2]", items: items)
            }
            try await stage.advance()
        }
        #expect(try await stage.state(run) == .success)
        _ = try await clear(stage, "list", downstream: true)
        try await stage.advance()
        #expect(try await stage.states(run) == ["list": .queued, "inner": .none, "outer": .none])
        for _ in 0..<3 {
            for task in try await stage.claim() {
                let items = task.key.taskID == "list" ? ["1"] : nil
                try await stage.succeed(task, output: "[1]", items: items)
            }
            try await stage.advance()
        }
        #expect(try await stage.states(run) == ["list": .success, "inner[0]": .success, "outer[0]": .success])
        #expect(try await stage.state(run) == .success)
    }

    @Test("A mapped instance keeps its element while what it is mapped over runs again")
    func elementOfAClearedSource() async throws {
        let stage = try await Stage()
        let mapped = TaskDefinition.code("mapped", after: [0]) {
            $0.mappedOver = 0
            $0.retries = 1
            $0.retryDelay = .seconds(1)
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), mapped]))
        _ = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "[7]", items: ["7"])
        try await stage.advance()
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: true))
        _ = try await clear(stage, "list", downstream: false)
        stage.clock.advance(.seconds(2))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        let claimed = try await stage.claim()
        #expect(claimed.first { $0.key.taskID == "mapped" }?.mapElement == "7")
    }

    @Test("A cancelled sensor journals how its wait ended")
    func cancelledSensor() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"))]))
        let run = try await stage.trigger("d")
        let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
        let key = TaskInstanceKey(dagID: "d", runID: "r1", taskID: "s")
        #expect(try await stage.store.write { try $0.cancelTask(key, intent: intent) })
        let row = try #require(try await stage.store.read { try $0.taskInstances(runKey: run.runKey) }.first)
        let journal = try await stage.store.read {
            try $0.journal(taskInstanceID: row.taskInstanceID, tryNumber: row.tryNumber)
        }
        #expect(journal.map(\.outcome) == [WaitOutcome.cancelled(intent).json.text])
    }
}
