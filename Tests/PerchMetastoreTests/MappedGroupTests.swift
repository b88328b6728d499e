// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("A mapped group goes element by element", .onEveryGround)
struct MappedGroupTests {
    /// list → (check → store), one an element → report
    private static func dag(
        rule: TriggerRule = .allSuccess, _ change: (inout DAGDefinition) -> Void = { _ in }
    ) -> DAGDefinition {
        let check = TaskDefinition.code("check", after: [0]) { $0.mappedOver = 0 }
        let store = TaskDefinition.code("store", after: [1]) {
            $0.mappedOver = 0
            $0.alignedWith = [1]
            $0.inputs = [1]
            $0.triggerRule = rule
        }
        let report = TaskDefinition.code("report", after: [2]) { $0.inputs = [2] }
        var dag = DAGDefinition(dagID: "d", tasks: [.code("list"), check, store, report])
        change(&dag)
        return dag
    }

    /// A run of which the source has given so many numbers.
    private func begun(_ stage: Stage, _ dag: DAGDefinition = dag(), count: Int = 3) async throws -> RunRow {
        try await stage.deploy(dag)
        let run = try await stage.trigger("d")
        try await list(stage, count)
        return run
    }

    private func list(_ stage: Stage, _ count: Int) async throws {
        let numbers = (0..<count).map { "\($0)" }
        let list = try #require(try await stage.claim().first)
        try await stage.succeed(list, output: "[\(numbers.joined(separator: ","))]", items: numbers)
        try await stage.advance()
    }

    private func clear(
        _ stage: Stage, _ taskID: String, mapIndex: Int? = nil, downstream: Bool = true, onlyFailed: Bool = false
    ) async throws -> [String] {
        try await stage.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: taskID, mapIndex: mapIndex, downstream: downstream,
                onlyFailed: onlyFailed, by: "anna")
        }.map { $0.mapIndex < 0 ? $0.taskID : "\($0.taskID)[\($0.mapIndex)]" }
    }

    private func names(_ tasks: [ClaimedTask]) -> [String] {
        tasks.map { $0.key.mapIndex < 0 ? $0.key.taskID : "\($0.key.taskID)[\($0.key.mapIndex)]" }
    }

    @Test(
        "An instance begins as soon as the one of its element before it has ended, with its output; what follows takes all"
    )
    func depthFirst() async throws {
        let stage = try await Stage()
        let run = try await begun(stage)
        let checks = try await stage.claim()
        #expect(names(checks) == ["check[0]", "check[1]", "check[2]"])
        try await stage.succeed(checks[2], output: "20")
        let third = try await stage.claim()
        #expect(names(third) == ["store[2]"])
        #expect(third[0].inputs == ["20"] && third[0].mapElement == "2")
        try await stage.succeed(third[0], output: "200")
        try await stage.succeed(checks[0], output: "0")
        try await stage.succeed(checks[1], output: "10")
        for store in try await stage.claim() {
            #expect(store.inputs == ["\(store.key.mapIndex)0"] || store.key.mapIndex == 0)
            try await stage.succeed(store, output: "\(store.key.mapIndex)")
        }
        let report = try await stage.claim()
        #expect(names(report) == ["report"] && report[0].inputs == ["[0,1,200]"])
        try await stage.succeed(report[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test(
        "Each trigger rule is one of the element alone",
        arguments: [
            (TriggerRule.allSuccess, ["store[0]"], TaskState.upstreamFailed, TaskState.skipped),
            (.allDone, ["store[0]", "store[1]", "store[2]"], nil, nil),
            (.oneFailed, ["store[1]"], nil, .skipped), (.allFailed, ["store[1]"], nil, .skipped),
            (.noneFailed, ["store[0]", "store[2]"], .upstreamFailed, nil),
            (.always, ["store[0]", "store[1]", "store[2]"], nil, nil),
            (.oneSuccess, ["store[0]"], .upstreamFailed, .skipped),
            (.allSkipped, ["store[2]"], .skipped, nil), (.oneDone, ["store[0]", "store[1]"], nil, .skipped),
        ] as [(TriggerRule, [String], TaskState?, TaskState?)])
    func rules(rule: TriggerRule, running: [String], afterFailure: TaskState?, afterSkip: TaskState?) async throws {
        let stage = try await Stage()
        let run = try await begun(stage, Self.dag(rule: rule))
        let first = try await stage.claim()
        let checks = first.filter { $0.key.taskID == "check" }
        #expect(checks.count == 3)
        try await stage.succeed(checks[0])
        try await stage.finish(checks[1], .failure(message: "no", retryable: false))
        try await stage.finish(checks[2], .skipped(message: "not today"))
        let stores = try await stage.claim() + first.filter { $0.key.taskID == "store" }
        #expect(names(stores).sorted() == running)
        let states = try await stage.states(run)
        if let afterFailure { #expect(states["store[1]"] == afterFailure) }
        if let afterSkip { #expect(states["store[2]"] == afterSkip) }
        for store in stores { try await stage.succeed(store) }
        for report in try await stage.claim() { try await stage.succeed(report) }
        #expect(try await stage.state(run)?.isFinished == true)
        #expect(try await stage.faults() == [])
    }

    @Test("A failed element fails its own task after it, the gathering one, and the run; no other element")
    func failure() async throws {
        let stage = try await Stage()
        let run = try await begun(stage)
        let checks = try await stage.claim()
        try await stage.finish(checks[1], .failure(message: "no", retryable: false))
        try await stage.succeed(checks[0])
        try await stage.succeed(checks[2])
        for store in try await stage.claim() { try await stage.succeed(store) }
        #expect(
            try await stage.states(run) == [
                "list": .success, "check[0]": .success, "check[1]": .failed, "check[2]": .success,
                "store[0]": .success, "store[1]": .upstreamFailed, "store[2]": .success, "report": .upstreamFailed,
            ])
        #expect(try await stage.state(run) == .failed)
        #expect(try await stage.faults() == [])
        #expect(try await clear(stage, "check", onlyFailed: true) == ["check[1]", "store[1]", "report"])
        let again = try await stage.claim()
        #expect(names(again) == ["check[1]"])
        #expect(try await stage.states(run)["store[1]"] == TaskState.none)
        try await stage.succeed(again[0], output: "7")
        let store = try await stage.claim()
        #expect(names(store) == ["store[1]"] && store[0].inputs == ["7"])
        try await stage.succeed(store[0])
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("One element is cleared with what comes after it of that element, and all that comes after the group")
    func clearElement() async throws {
        let stage = try await Stage()
        let run = try await begun(stage)
        for check in try await stage.claim() { try await stage.succeed(check) }
        for store in try await stage.claim() { try await stage.succeed(store) }
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await clear(stage, "check", mapIndex: 1) == ["check[1]", "store[1]", "report"])
        let again = try await stage.claim()
        #expect(names(again) == ["check[1]"] && again[0].tryNumber == 2)
        try await stage.succeed(again[0])
        let store = try await stage.claim()
        #expect(names(store) == ["store[1]"])
        try await stage.succeed(store[0])
        #expect(names(try await stage.claim()) == ["report"])
        #expect(try await stage.faults() == [])
    }

    @Test("An instance that is cleared alone waits for the one before it where that is under way")
    func clearBehind() async throws {
        let stage = try await Stage()
        let run = try await begun(stage, count: 1)
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: false))
        #expect(try await clear(stage, "check", downstream: false) == ["check[0]"])
        let check = try #require(try await stage.claim().first)
        #expect(try await clear(stage, "store", downstream: false) == ["store[0]"])
        #expect(try await stage.states(run)["store[0]"] == TaskState.none)
        try await stage.succeed(check)
        #expect(names(try await stage.claim()) == ["store[0]"])
        #expect(try await stage.faults() == [])
    }

    @Test("A cleared source has the whole group mapped anew, and it has as many instances as there are elements then")
    func clearSource() async throws {
        let stage = try await Stage()
        let run = try await begun(stage)
        let checks = try await stage.claim()
        try await stage.succeed(checks[0])
        try await stage.succeed(#require(try await stage.claim().first))
        try await stage.succeed(checks[1])
        try await stage.finish(checks[2], .failure(message: "no", retryable: false))
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: false))
        _ = try await clear(stage, "list")
        #expect(
            try await stage.states(run) == [
                "list": .queued, "check": TaskState.none, "store": TaskState.none, "report": TaskState.none,
            ])
        try await list(stage, 2)
        let again = try await stage.claim()
        #expect(names(again) == ["check[0]", "check[1]"])
        for check in again { try await stage.succeed(check) }
        for store in try await stage.claim() { try await stage.succeed(store) }
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("Over an empty list the whole group is skipped, and what follows too; a failed source blocks all of it")
    func nothing() async throws {
        let stage = try await Stage()
        let run = try await begun(stage, count: 0)
        #expect(
            try await stage.states(run) == [
                "list": .success, "check": .skipped, "store": .skipped, "report": .skipped,
            ])
        _ = try await clear(stage, "list")
        try await stage.finish(#require(try await stage.claim().first), .failure(message: "no", retryable: false))
        #expect(
            try await stage.states(run) == [
                "list": .failed, "check": .upstreamFailed, "store": .upstreamFailed, "report": .upstreamFailed,
            ])
        _ = try await clear(stage, "list")
        try await list(stage, 1)
        #expect(names(try await stage.claim()) == ["check[0]"])
        #expect(try await stage.faults() == [])
    }

    @Test("Instances that end before those after them are created count when they are")
    func pages() async throws {
        let stage = try await Stage()
        try await stage.deploy(Self.dag { $0.tasks[1].kind = .empty })
        let run = try await stage.trigger("d")
        let numbers = (0..<450).map { "\($0)" }
        try await stage.succeed(#require(try await stage.claim().first), output: "[]", items: numbers)
        var began = 0
        for _ in 0..<2_000 {
            let isLeft = try await stage.store.write { try $0.advanceRuns(budget: 7) }
            for store in try await stage.claim(1_000) {
                began += 1
                try await stage.succeed(store, output: "1")
            }
            #expect(try await stage.faults() == [])
            if !isLeft { break }
        }
        #expect(began == 450)
        let report = try #require(try await stage.claim().first)
        try await stage.succeed(report)
        #expect(report.inputs[0] == "[\((0..<450).map { _ in "1" }.joined(separator: ","))]")
        #expect(try await stage.state(run) == .success)
    }

    @Test("A branch and a short circuit in the group decide for their element; what gathers is not cut short")
    func branches() async throws {
        let stage = try await Stage()
        let dag = Self.dag {
            $0.tasks[2].branches = [BranchEdge(upstream: 1, outputs: ["large"])]
            $0.tasks[3].triggerRule = .allDone
        }
        let run = try await begun(stage, dag, count: 2)
        let checks = try await stage.claim()
        try await stage.succeed(checks[0], output: "\"large\"")
        try await stage.succeed(checks[1], output: "\"small\"")
        let states = try await stage.states(run)
        #expect(states["store[0]"] == .queued && states["store[1]"] == .skipped)

        let other = try await Stage()
        let cutting = Self.dag(rule: .allDone) {
            $0.tasks[1].shortCircuits = true
            $0.tasks[3].upstream = [1, 2]
        }
        #expect(throws: Never.self) { try DAGDefinition(json: cutting.json) }
        let second = try await begun(other, cutting, count: 2)
        let deciding = try await other.claim()
        try await other.succeed(deciding[0], output: "false")
        try await other.succeed(deciding[1], output: "true")
        #expect(try await other.states(second)["store[0]"] == .skipped)
        // A clear counts the short circuit again.
        _ = try await other.store.write {
            try $0.clear(
                dagID: "d", runID: "r1", taskID: "store", mapIndex: 0, downstream: false, onlyFailed: false, by: "anna")
        }
        #expect(try await other.states(second)["store[0]"] == .skipped)
        for store in try await other.claim() { try await other.succeed(store) }
        #expect(names(try await other.claim()) == ["report"])
        #expect(try await stage.faults() == [])
        #expect(try await other.faults() == [])
    }

    @Test("A cancelled run ends all of the group, also what is not created yet")
    func cancel() async throws {
        let stage = try await Stage()
        try await stage.deploy(Self.dag())
        let run = try await stage.trigger("d")
        let numbers = (0..<300).map { "\($0)" }
        try await stage.succeed(#require(try await stage.claim().first), output: "[]", items: numbers)
        _ = try await stage.store.write { try $0.advanceRuns(budget: 20) }
        _ = try await stage.claim(2)
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        try await stage.advance()
        _ = try await stage.store.write { try $0.requeueOrphans(liveWorkers: []) }
        try await stage.advance()
        #expect(try await stage.state(run) == .failed)
        let states = try await stage.states(run)
        #expect(states.values.filter { $0 == .skipped }.count > 590)
        #expect(!states.values.contains(.upstreamFailed))
        #expect(try await stage.faults() == [])
    }

    @Test(
        "A marked instance lets its element go on; a task that is marked before it is mapped stands for all its instances"
    )
    func mark() async throws {
        let stage = try await Stage()
        let run = try await begun(stage, count: 2)
        let checks = try await stage.claim()
        try await stage.finish(checks[0], .failure(message: "no", retryable: false))
        func mark(_ taskID: String, _ mapIndex: Int?, _ state: TaskState) async throws {
            _ = try await stage.store.write {
                try $0.mark(dagID: "d", runID: "r1", taskID: taskID, mapIndex: mapIndex, as: state, by: "anna")
            }
        }
        try await mark("check", 0, .success)
        #expect(try await stage.states(run)["store[0]"] == .upstreamFailed)
        _ = try await clear(stage, "store", mapIndex: 0, downstream: false)
        #expect(names(try await stage.claim()) == ["store[0]"])
        try await mark("check", 1, .skipped)
        #expect(try await stage.faults() == [])

        let other = try await Stage()
        try await other.deploy(Self.dag())
        let second = try await other.trigger("d")
        _ = try await other.store.write {
            try $0.mark(dagID: "d", runID: "r1", taskID: "check", mapIndex: nil, as: .success, by: "anna")
        }
        // Over what is not known by then.
        #expect(try await other.states(second)["store"] == .skipped)
        try await list(other, 2)
        #expect(try await clear(other, "store") == ["store", "report"])
        try await other.advance()
        let stores = try await other.claim()
        #expect(names(stores) == ["store[0]", "store[1]"] && stores[0].inputs == ["null"])
        for store in stores { try await other.succeed(store) }
        #expect(names(try await other.claim()) == ["report"])
        #expect(try await other.states(second)["check"] == .success)
        #expect(try await other.faults() == [])
    }

    @Test("Tries that fail are repeated, and sensors of the group wait, each for its element")
    func retriesAndSensors() async throws {
        let stage = try await Stage()
        let dag = Self.dag {
            $0.tasks[1].retries = 1
            $0.tasks[1].retryDelay = .seconds(1)
            $0.tasks[2] = .sensor("store", .file("/in/{{ element }}"), after: [1]) {
                $0.mappedOver = 0
                $0.alignedWith = [1]
            }
        }
        let run = try await begun(stage, dag, count: 2)
        let checks = try await stage.claim()
        try await stage.finish(checks[0], .failure(message: "no", retryable: true))
        try await stage.succeed(checks[1])
        #expect(try await stage.waits().map(\.target) == ["/in/1"])
        stage.clock.advance(.seconds(1))
        _ = try await stage.store.write { try $0.retryDue(limit: 10) }
        try await stage.succeed(#require(try await stage.claim().first))
        for wait in try await stage.waits() { _ = try await stage.fire(wait.waitID) }
        try await stage.succeed(#require(try await stage.claim().first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("What an instance waits for is the one of its element, and why it did not run too")
    func hindrances() async throws {
        let stage = try await Stage()
        _ = try await begun(stage, count: 2)
        func why(_ taskID: String, _ mapIndex: Int) async throws -> String {
            try await stage.store.read {
                try $0.hindrances(
                    TaskInstanceKey(dagID: "d", runID: "r1", taskID: taskID, mapIndex: mapIndex),
                    isEngineRunning: true)
            }.map(\.text).joined(separator: " ")
        }
        #expect(try await why("store", 1).contains("It waits for 'check[1]'"))
        let checks = try await stage.claim()
        try await stage.finish(checks[1], .failure(message: "no such file", retryable: false))
        let blocked = try await why("store", 1)
        #expect(blocked.contains("check[1]") && blocked.contains("no such file"), "\(blocked)")
        #expect(try await why("store", 0).contains("It waits for 'check[0]'"))
        #expect(try await why("report", -1).contains("'store' (1 of 2 instances have ended)"))

        let other = try await Stage()
        try await other.deploy(Self.dag())
        _ = try await other.trigger("d")
        let waiting = try await other.store.read {
            try $0.hindrances(
                TaskInstanceKey(dagID: "d", runID: "r1", taskID: "store", mapIndex: -1), isEngineRunning: true)
        }
        #expect(waiting.map(\.text).joined().contains("It waits for 'check'"))
    }

    @Test(
        "A definition that aligns what does not belong together is refused; one that is right comes back from its JSON")
    func definitions() throws {
        let dag = Self.dag()
        #expect(try DAGDefinition(json: dag.json) == dag)
        #expect(dag.json.text.contains("\"aligned_with\":[1]"))
        let wrong: [(String, (inout DAGDefinition) -> Void)] = [
            ("not mapped over what it is mapped over", { $0.tasks[2].mappedOver = nil }),
            ("not mapped over what it is mapped over", { $0.tasks[1].mappedOver = nil }),
            ("'aligned_with' are upstream too", { $0.tasks[2].alignedWith = [0] }),
            ("ascending", { $0.tasks[2].alignedWith = [1, 1] }),
            ("does not wait for that", { $0.tasks[1].triggerRule = .oneDone }),
            ("a branch is decided by one task", { $0.tasks[3].branches = [BranchEdge(upstream: 2, outputs: ["a"])] }),
            ("one task decides whether what follows is skipped", { $0.tasks[2].shortCircuits = true }),
        ]
        for (words, change) in wrong {
            var dag = Self.dag()
            change(&dag)
            do {
                _ = try DAGDefinition(json: dag.json)
                Issue.record("accepted, though \(words)")
            } catch {
                #expect(error.message.contains(words), "\(error.message)")
            }
        }
    }
}
