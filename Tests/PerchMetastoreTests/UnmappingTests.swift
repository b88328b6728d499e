// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("What is mapped over something that is cleared ends, and is mapped anew")
struct UnmappingTests {
    /// list → load, one an element → report
    private static func dag(_ change: (inout TaskDefinition) -> Void = { _ in }) -> DAGDefinition {
        let load = TaskDefinition.code("load", after: [0]) {
            $0.mappedOver = 0
            change(&$0)
        }
        return DAGDefinition(dagID: "d", tasks: [.code("list"), load, .code("report", after: [1]) { $0.inputs = [1] }])
    }

    /// A run of which the source has given so many numbers, with the instances that were claimed.
    private func begun(
        _ stage: Stage, count: Int = 3, _ change: (inout TaskDefinition) -> Void = { _ in }
    ) async throws -> (run: RunRow, loads: [ClaimedTask]) {
        try await stage.deploy(Self.dag(change))
        let run = try await stage.trigger("d")
        try await list(stage, Array(0..<count))
        return (run, try await stage.claim())
    }

    private func list(_ stage: Stage, _ numbers: [Int]) async throws {
        let list = try #require(try await stage.claim().first { $0.key.taskID == "list" })
        let texts = numbers.map { "\($0)" }
        try await stage.succeed(list, output: "[\(texts.joined(separator: ","))]", items: texts)
        try await stage.advance()
    }

    @discardableResult
    private func clear(_ stage: Stage, _ taskID: String = "list") async throws -> [String] {
        try await stage.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: taskID, mapIndex: nil, downstream: true, onlyFailed: false,
                by: "anna")
        }.map { $0.mapIndex < 0 ? $0.taskID : "\($0.taskID)[\($0.mapIndex)]" }
    }

    /// Runs what is left to its end.
    private func complete(_ stage: Stage, _ run: RunRow) async throws {
        for _ in 0..<20 {
            for task in try await stage.claim() { try await stage.succeed(task) }
            try await stage.advance()
        }
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("Running instances are cancelled, and the task is mapped over the new length when the last has ended")
    func running() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage)
        try await stage.succeed(loads[0])
        #expect(try await clear(stage) == ["list", "load"])
        let orders = try await stage.store.read { [worker = stage.worker] in try $0.cancelOrders(worker: worker) }
        #expect(orders.map(\.taskInstanceID) == loads[1...].map(\.taskInstanceID))
        #expect(try await stage.faults() == [])
        try await list(stage, [7])
        #expect(
            try await stage.states(run) == [
                "list": .success, "load": TaskState.none, "load[1]": .running, "load[2]": .running,
                "report": TaskState.none,
            ])
        #expect(try await stage.finish(loads[2], .cancelled))
        try await stage.advance()
        #expect(try await stage.states(run)["load"] == TaskState.none)
        #expect(try await stage.finish(loads[1], .success(output: "1", items: nil)))
        try await stage.advance()
        let again = try await stage.claim()
        #expect(again.map(\.mapElement) == ["7"] && again.map(\.tryNumber) == [2])
        try await stage.succeed(again[0], output: "70")
        let report = try await stage.claim()
        #expect(report.map(\.inputs) == [["[70]"]])
        try await stage.succeed(report[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("The last old instance may also end before the source has given its new elements")
    func beforeTheSource() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage)
        try await clear(stage)
        for load in loads { #expect(try await stage.finish(load, .cancelled)) }
        try await stage.advance()
        #expect(
            try await stage.states(run) == ["list": .queued, "load": TaskState.none, "report": TaskState.none])
        try await list(stage, [5, 6])
        #expect(try await stage.claim().map(\.mapElement) == ["5", "6"])
        #expect(try await stage.faults() == [])
    }

    @Test("An acknowledgement that comes twice or late changes nothing")
    func acknowledgedTwice() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage, count: 1)
        try await clear(stage)
        #expect(try await stage.finish(loads[0], .cancelled))
        #expect(try await stage.finish(loads[0], .cancelled) == false)
        try await list(stage, [1, 2])
        #expect(try await stage.finish(loads[0], .success(output: "9", items: nil)) == false)
        #expect(try await stage.deferTask(loads[0]) == false)
        #expect(try await stage.claim().map(\.tryNumber) == [2, 2])
        #expect(try await stage.states(run)["load[0]"] == .running)
        #expect(try await stage.faults() == [])
    }

    @Test("Where the worker dies before it acknowledges, the instance ends, or cleans up with the element that it had")
    func lostWorker() async throws {
        for hasOnKill in [false, true] {
            let stage = try await Stage()
            let (run, loads) = try await begun(stage, count: 2) { $0.hasOnKill = hasOnKill }
            #expect(loads.count == 2)
            try await clear(stage)
            try await list(stage, [8])
            #expect(try await stage.store.write { try $0.requeueOrphans(liveWorkers: []) } == 2)
            try await stage.advance()
            if hasOnKill {
                let cleaning = try await stage.claim()
                #expect(cleaning.map(\.mapElement) == ["0", "1"])
                #expect(cleaning.allSatisfy { $0.cancel?.finalState == .removed && $0.tryNumber == 1 })
                for task in cleaning { try await stage.finish(task, .cancelled) }
                try await stage.advance()
            }
            #expect(try await stage.states(run)["load[0]"] == .queued)
            #expect(try await stage.claim().map(\.mapElement) == ["8"])
            #expect(try await stage.faults() == [])
        }
    }

    @Test("Waiting instances end at once, or clean up first; what is queued and has not begun ends")
    func waiting() async throws {
        for hasOnKill in [false, true] {
            let stage = try await Stage()
            try await stage.deploy(Self.dag { $0.hasOnKill = hasOnKill })
            let run = try await stage.trigger("d")
            try await list(stage, [0, 1])
            let first = try #require(try await stage.claim(1).first)
            try await stage.deferTask(first)
            #expect(try await stage.states(run)["load[1]"] == .queued)
            try await clear(stage)
            #expect(try await stage.waits() == [])
            #expect(try await stage.states(run)["load[1]"] == nil)
            #expect(try await stage.states(run)["load[0]"] == (hasOnKill ? .queued : nil))
            try await stage.store.write { _ = try $0.advanceRuns(budget: 100) }
            let claimed = try await stage.claim()
            #expect(claimed.count == (hasOnKill ? 2 : 1))
            for task in claimed where task.cancel != nil {
                #expect(task.mapElement == "0" && task.journal.count == 1)
                try await stage.finish(task, .cancelled)
            }
            let list = try #require(claimed.first { $0.key.taskID == "list" })
            try await stage.succeed(list, output: "[4]", items: ["4"])
            try await stage.advance()
            try await complete(stage, run)
        }
    }

    @Test("A mapped sensor that waits ends with its wait")
    func sensors() async throws {
        let stage = try await Stage()
        let sensor = TaskDefinition.sensor("load", .file("/in/{{ element }}"), after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), sensor]))
        let run = try await stage.trigger("d")
        try await list(stage, [1, 2])
        let before = try await stage.waits()
        #expect(before.map(\.target) == ["/in/1", "/in/2"])
        try await clear(stage)
        try await list(stage, [3])
        #expect(try await stage.waits().map(\.target) == ["/in/3"])
        #expect(try await stage.fire(before[0].waitID) == false)
        _ = try await stage.fire(#require(try await stage.waits().first).waitID)
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A second clear, a mark and a cancel leave the old instances their end")
    func crossed() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage, count: 2)
        try await clear(stage)
        #expect(try await clear(stage) == [])
        try await list(stage, [1])
        #expect(try await clear(stage) == ["list"])
        let key = TaskInstanceKey(dagID: "d", runID: "r1", taskID: "load", mapIndex: 0)
        let intent = CancelIntent(finalState: .failed, reason: "enough", by: "anna")
        #expect(try await stage.store.write { try $0.cancelTask(key, intent: intent) } == false)
        await #expect(throws: PerchError.self) {
            try await stage.store.write {
                try $0.mark(dagID: "d", runID: "r1", taskID: "load", mapIndex: 0, as: .success, by: "anna")
            }
        }
        for load in loads { try await stage.finish(load, .cancelled) }
        try await list(stage, [3])
        #expect(try await stage.claim().map(\.mapElement) == ["3"])
        #expect(try await stage.states(run)["load[0]"] == .running)
        #expect(try await stage.faults() == [])
    }

    @Test("A run that is cancelled meanwhile ends when the old instances have")
    func cancelledRun() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage, count: 2)
        try await clear(stage)
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        try await stage.advance()
        #expect(try await stage.state(run) == .running)
        for load in loads { try await stage.finish(load, .cancelled) }
        try await stage.advance()
        #expect(try await stage.state(run) == .failed)
        #expect(
            try await stage.states(run) == ["list": .skipped, "load": .skipped, "report": .skipped])
        #expect(try await stage.faults() == [])
    }

    @Test("A source that fails the second time blocks the task, and the run ends when the old instances have")
    func failedSource() async throws {
        let stage = try await Stage()
        let (run, loads) = try await begun(stage, count: 1)
        try await clear(stage)
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: false))
        #expect(try await stage.states(run)["load"] == .upstreamFailed)
        #expect(try await stage.state(run) == .running)
        try await stage.finish(loads[0], .cancelled)
        #expect(try await stage.state(run) == .failed)
        #expect(try await stage.faults() == [])
    }

    @Test("A mapped group and a mapping over a mapping go as a whole, whatever of them is under way")
    func groups() async throws {
        let stage = try await Stage()
        let check = TaskDefinition.code("check", after: [0]) { $0.mappedOver = 0 }
        let store = TaskDefinition.code("store", after: [1]) {
            $0.mappedOver = 0
            $0.alignedWith = [1]
            $0.inputs = [1]
            $0.hasOnKill = true
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("list"), check, store]))
        let run = try await stage.trigger("d")
        try await list(stage, [0, 1])
        let checks = try await stage.claim()
        try await stage.succeed(checks[0], output: "10")
        let stores = try await stage.claim()
        #expect(stores.map(\.key.taskID) == ["store"])
        try await stage.deferTask(stores[0])
        #expect(try await clear(stage) == ["list", "check", "store"])
        let cleaning = try #require(try await stage.claim(1).first)
        #expect(cleaning.key.taskID == "store" && cleaning.inputs == ["10"] && cleaning.mapElement == "0")
        try await stage.finish(checks[1], .cancelled)
        try await list(stage, [5])
        let second = try await stage.claim()
        #expect(second.map(\.key.taskID) == ["check"])
        try await stage.succeed(second[0], output: "50")
        // The store of the old mapping still cleans up.
        #expect(try await stage.claim().isEmpty)
        try await stage.finish(cleaning, .cancelled)
        try await stage.advance()
        let last = try await stage.claim()
        #expect(last.map(\.inputs) == [["50"]] && last.map(\.tryNumber) == [2])
        try await stage.succeed(last[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A task that is not mapped cleans up with what it was given, though that is cleared, too")
    func keptInputs() async throws {
        let stage = try await Stage()
        let second = TaskDefinition.code("b", after: [0]) {
            $0.inputs = [0]
            $0.hasOnKill = true
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), second]))
        let run = try await stage.trigger("d")
        try await stage.succeed(#require(try await stage.claim().first), output: "42")
        try await stage.deferTask(#require(try await stage.claim().first))
        #expect(try await clear(stage, "a") == ["a", "b"])
        let claimed = try await stage.claim()
        #expect(claimed.map(\.key.taskID) == ["b", "a"] && claimed[0].inputs == ["42"])
        try await stage.succeed(claimed[1], output: "43")
        try await stage.finish(claimed[0], .cancelled)
        let again = try await stage.claim()
        #expect(again.map(\.inputs) == [["43"]] && again.map(\.tryNumber) == [2])
        try await stage.succeed(again[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("Why the task does not run says what it waits for")
    func hindrance() async throws {
        let stage = try await Stage()
        _ = try await begun(stage, count: 2)
        try await clear(stage)
        try await list(stage, [1])
        let why = try await stage.store.read {
            try $0.hindrances(
                TaskInstanceKey(dagID: "d", runID: "r1", taskID: "load", mapIndex: -1), isEngineRunning: true)
        }.map(\.text).joined(separator: " ")
        #expect(why.contains("mapped anew") && why.contains("2 instances"), "\(why)")
    }
}
