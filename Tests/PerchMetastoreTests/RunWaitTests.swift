// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

extension TriggerSpec {
    /// A wait for a run as the family codes it.
    static func run(
        of dagID: String, task: String? = nil, mapIndex: Int? = nil, which: RunSelection = .id("r1"),
        in allowed: Set<TaskState> = [.success], failingOn failing: Set<TaskState>? = nil
    ) -> TriggerSpec {
        let aim = RunAim(
            dagID: dagID, taskID: task, mapIndex: mapIndex, selection: which, allowed: allowed, failing: failing)
        return TriggerSpec(kind: RunAim.kind, target: aim.target, definition: aim.json)
    }
}

@Suite("Waits for runs are fired by the transaction that stores the end, or that registers them", .onEveryGround)
struct RunWaitTests {
    /// The DAG `up` of one task `t`, and a DAG of sensors that is running.
    private func stage(_ sensors: TriggerSpec...) async throws -> (Stage, RunRow, RunRow) {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "up", tasks: [.code("t")]),
            DAGDefinition(
                dagID: "waits", tasks: sensors.enumerated().map { .sensor("s\($0.offset)", $0.element) }))
        let up = try await stage.trigger("up")
        return (stage, up, try await stage.trigger("waits", runID: "w"))
    }

    private func message(_ stage: Stage, _ run: RunRow, _ task: String) async throws -> String {
        let key = TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: task)
        return try await stage.store.read { try $0.taskInstance(key)?.message } ?? ""
    }

    @Test("The end of a run ends the waits for it and for its task in its own transaction, and tells the triggerer")
    func sameTransaction() async throws {
        let (stage, up, run) = try await stage(
            .run(of: "up"), .run(of: "up", task: "t"), .run(of: "up", which: .next),
            .run(of: "up", which: .sameDate), .run(of: "up", which: .id("other")))
        #expect(Set(try await stage.states(run).values) == [.deferred])
        // The clock stands still: both runs have one logical date.
        #expect(try await stage.waits().map(\.target).contains("up @ 2026-01-01T00:00:00Z"))
        let task = try #require(try await stage.claim().first)
        let waits = try await stage.waits()
        stage.clock.advance(.seconds(5))
        try await stage.succeed(task)
        #expect(
            try await stage.states(run) == [
                "s0": .success, "s1": .success, "s2": .success, "s3": .success, "s4": .deferred,
            ])
        let notes = try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }
        #expect(notes.map(\.waitID).sorted() == waits.filter { $0.key.taskID != "s4" }.map(\.waitID).sorted())
        // A report that comes twice, and a fire that comes too late, change nothing.
        #expect(try await stage.succeed(task) == false)
        for wait in waits where wait.key.taskID != "s4" { #expect(try await stage.fire(wait.waitID) == false) }
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }.count == 4)
        let key = TaskInstanceKey(dagID: "waits", runID: "w", taskID: "s1")
        let output = try await stage.store.read { try $0.taskInstance(key)?.output }
        let event = try JSONValue(parsing: try #require(output)).decode(RunEvent.self)
        #expect(
            event
                == RunEvent(
                    dagID: "up", runID: "r1", logicalDate: up.logicalDate, taskID: "t", state: .success,
                    endedAt: stage.clock.now))
        #expect(try JSONValue(encoding: event).text == event.json.text)
        #expect(try await stage.faults() == [])
    }

    @Test("What has ended already ends its wait in the transaction that registers it, unheard of by the triggerer")
    func alreadyTrue() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "up", tasks: [.code("t")]),
            DAGDefinition(
                dagID: "waits",
                tasks: [
                    .sensor("run", .run(of: "up")), .sensor("task", .run(of: "up", task: "t"), after: [0]),
                    .sensor("date", .run(of: "up", which: .sameDate), after: [1]),
                    .sensor("early", .run(of: "up", which: .shifted(by: .seconds(-60))), after: [2]),
                    .sensor("next", .run(of: "up", which: .next)), .code("after", after: [2]), .code("code"),
                ]))
        _ = try await stage.trigger("up")
        try await stage.succeed(try #require(try await stage.claim().first))
        let run = try await stage.trigger("waits", runID: "w")
        #expect(
            try await stage.states(run) == [
                "run": .success, "task": .success, "date": .success, "early": .deferred, "next": .deferred,
                "after": .queued, "code": .queued,
            ])
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }.isEmpty)
        let code = try #require(try await stage.claim().first { $0.key.taskID == "code" })
        try await stage.deferTask(code, trigger: .run(of: "up"))
        #expect(try await stage.states(run)["code"] == .queued)
        let again = try #require(try await stage.claim().first)
        #expect(again.journal.first?.outcome?.contains("\"state\":\"success\"") == true)
        #expect(try await stage.faults() == [])
    }

    @Test("A failing state fails the sensor without a retry, and says which run it was")
    func failing() async throws {
        let stage = try await Stage()
        let sensor = TaskDefinition.sensor("s", .run(of: "up")) { $0.retries = 3 }
        try await stage.deploy(
            DAGDefinition(dagID: "up", tasks: [.code("t"), .code("u", after: [0])]),
            DAGDefinition(
                dagID: "waits",
                tasks: [
                    sensor, .sensor("task", .run(of: "up", task: "u")), .code("code"),
                    .sensor("any", .run(of: "up", in: [.success, .failed])),
                    .sensor("patient", .run(of: "up", failingOn: [])),
                ]))
        _ = try await stage.trigger("up")
        let run = try await stage.trigger("waits", runID: "w")
        let claimed = try await stage.claim()
        try await stage.deferTask(try #require(claimed.first { $0.key.taskID == "code" }), trigger: .run(of: "up"))
        try await stage.finish(
            try #require(claimed.first { $0.key.taskID == "t" }), .failure(message: "no", retryable: false))
        #expect(
            try await stage.states(run) == [
                "s": .failed, "task": .failed, "code": .failed, "any": .success, "patient": .deferred,
            ])
        let said = "the run 'r1' of the DAG 'up' ended as failed, so the wait for it cannot be met"
        #expect(try await message(stage, run, "s") == said)
        #expect(try await message(stage, run, "code") == said)
        #expect(try await message(stage, run, "task").contains("the task 'u' of the run 'r1'"))
        // The same at registration.
        let late = try await stage.trigger("waits", runID: "late")
        #expect(try await stage.states(late)["s"] == .failed)
        #expect(try await message(stage, late, "s") == said)
        #expect(try await stage.faults() == [])
    }

    @Test("A run that was cleared is waited for until it has ended again; the next end is not the last one")
    func clear() async throws {
        let (stage, up, first) = try await stage(.run(of: "up", which: .next))
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.state(first) == .success)
        _ = try await stage.store.write {
            try $0.clear(
                dagID: "up", runID: "r1", taskID: nil, mapIndex: nil, downstream: false, onlyFailed: false, by: "anna")
        }
        try await stage.deploy(
            DAGDefinition(
                dagID: "waits",
                tasks: [
                    .sensor("run", .run(of: "up")), .sensor("task", .run(of: "up", task: "t")),
                    .sensor("next", .run(of: "up", which: .next)),
                ]))
        let run = try await stage.trigger("waits", runID: "again")
        #expect(Set(try await stage.states(run).values) == [.deferred])
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(Set(try await stage.states(run).values) == [.success])
        #expect(try await stage.state(up) == .success)
    }

    @Test("A cancelled run has failed, whether it had begun or not")
    func cancelled() async throws {
        let (stage, _, run) = try await stage(.run(of: "up"), .run(of: "up", which: .id("r2")))
        _ = try await stage.claim()
        try await stage.store.write { try $0.setPaused("up", true) }
        _ = try await stage.trigger("up", runID: "r2")
        for runID in ["r1", "r2"] {
            _ = try await stage.store.write { try $0.cancelRun(dagID: "up", runID: runID, by: "anna") }
        }
        #expect(try await stage.states(run)["s1"] == .failed)
        #expect(try await stage.states(run)["s0"] == .deferred, "its task has not ended yet")
    }

    @Test("A wait on a mapped task ends with its last instance, one on an instance with that")
    func mapped() async throws {
        let stage = try await Stage()
        let mapped = TaskDefinition.code("m", after: [0]) { $0.mappedOver = 0 }
        try await stage.deploy(
            DAGDefinition(dagID: "up", tasks: [.code("list"), mapped]),
            DAGDefinition(
                dagID: "waits",
                tasks: [
                    .sensor("all", .run(of: "up", task: "m")), .sensor("one", .run(of: "up", task: "m", mapIndex: 1)),
                ]))
        _ = try await stage.trigger("up")
        let run = try await stage.trigger("waits", runID: "w")
        try await stage.succeed(try #require(try await stage.claim().first), output: "[1,2]", items: ["1", "2"])
        try await stage.advance()
        let instances = try await stage.claim().sorted { $0.key.mapIndex > $1.key.mapIndex }
        try await stage.succeed(instances[0])
        #expect(try await stage.states(run) == ["all": .deferred, "one": .success])
        try await stage.succeed(instances[1])
        #expect(try await stage.states(run) == ["all": .success, "one": .success])
        let late = try await stage.trigger("waits", runID: "late")
        #expect(Set(try await stage.states(late).values) == [.success])
    }

    @Test(
        "A thousand waits on one run end in its transaction; of more the rest follows, and a next end stays theirs alone"
    )
    func many() async throws {
        let stage = try await Stage()
        let sensors = (0..<1_500).map { TaskDefinition.sensor("s\($0)", .run(of: "up")) }
        try await stage.deploy(
            DAGDefinition(dagID: "up", tasks: [.code("t")]),
            DAGDefinition(dagID: "thousand", tasks: Array(sensors[..<1_000])),
            DAGDefinition(dagID: "more", tasks: sensors),
            DAGDefinition(dagID: "next", tasks: [.sensor("n", .run(of: "up", which: .next))]))
        let up = try await stage.trigger("up")
        let thousand = try await stage.trigger("thousand", runID: "w")
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.waits().isEmpty)
        #expect(try await stage.state(thousand) == .success)

        try await stage.store.write { transaction in
            _ = try transaction.clear(
                dagID: "up", runID: "r1", taskID: nil, mapIndex: nil, downstream: false, onlyFailed: false, by: "anna")
        }
        let more = try await stage.trigger("more", runID: "w")
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.store.read { try $0.waitCount() } == 500)
        #expect(try await stage.state(more) == .running)
        // Registered after the end, before all were told of it; and the run begins once more meanwhile.
        let next = try await stage.store.write { transaction in
            try transaction.createRun(RunRequest(dagID: "next", runID: "w"))
        }
        _ = try await stage.store.write {
            try $0.clear(
                dagID: "up", runID: "r1", taskID: nil, mapIndex: nil, downstream: false, onlyFailed: false, by: "anna")
        }
        try await stage.advance()
        #expect(try await stage.state(more) == .success)
        #expect(try await stage.states(next) == ["n": .deferred])
        #expect(try await stage.state(up) == .running)
        #expect(try await stage.faults() == [])
    }

    @Test(
        "A chain of three hundred DAGs, each waiting for the one before, ends in one transaction without growing a stack"
    )
    func chain() async throws {
        let stage = try await Stage()
        let definitions = (1...300).map { place in
            DAGDefinition(dagID: "d\(place)", tasks: [.sensor("s", .run(of: "d\(place - 1)"))])
        }
        let all = [DAGDefinition(dagID: "d0", tasks: [.code("t")])] + definitions
        try await stage.store.write { try $0.storeDAGs(all, bundle: "default", bundleVersion: "1") }
        let runs = try await stage.store.write { transaction in
            try (0...300).map { try transaction.createRun(RunRequest(dagID: "d\($0)", runID: "r1")) }
        }
        try await stage.advance()
        #expect(try await stage.waits().count == 300)
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.waits().isEmpty)
        #expect(try await stage.state(try #require(runs.last)) == .success)
    }

    @Test("A wait for its own run or for itself fails at once; one for a sibling is none of that")
    func itself() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .sensor("run", .run(of: "d", which: .sameDate)),
                    .sensor("self", .run(of: "d", task: "self", which: .sameDate)),
                    .sensor("sibling", .run(of: "d", task: "code", which: .sameDate)), .code("code"),
                    .sensor(
                        "bad", TriggerSpec(kind: "run", target: "x", definition: .object(["dag_id": .string("x")]))),
                ]))
        let run = try await stage.trigger("d")
        #expect(
            try await stage.states(run) == [
                "run": .failed, "self": .failed, "sibling": .deferred, "code": .queued, "bad": .failed,
            ])
        #expect(try await message(stage, run, "run").contains("its own run, which cannot end before it has"))
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.states(run)["sibling"] == .success)
        #expect(try await stage.state(run) == .failed)
    }

    @Test("An end that came before a wait in its own transaction is not its next one")
    func nextInOneTransaction() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [.code("t"), .sensor("s", .run(of: "d", task: "t", which: .next), after: [0])]))
        let run = try await stage.trigger("d")
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.states(run) == ["t": .success, "s": .deferred])
        let other = try await stage.trigger("d", runID: "r2")
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.states(run) == ["t": .success, "s": .success])
        #expect(try await stage.states(other)["s"] == .deferred)
    }

    @Test("A wait whose definition cannot be read fails alone, and holds up neither the end nor the others")
    func damaged() async throws {
        let (stage, up, run) = try await stage(.run(of: "up"), .run(of: "up"))
        let waits = try await stage.waits()
        try await stage.store.write { transaction in
            _ = try transaction.run("UPDATE wait SET definition = '{}' WHERE wait_id = :1", waits[0].waitID)
        }
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(try await stage.state(up) == .success)
        #expect(try await stage.states(run)[waits[0].key.taskID] == .failed)
        #expect(try await stage.states(run)[waits[1].key.taskID] == .success)
    }

    @Test("A wait for what there is not yet goes on, and is explained")
    func unknown() async throws {
        let (stage, _, _) = try await stage(
            .run(of: "later"), .run(of: "up", which: .id("r9")), .run(of: "up", task: "x"))
        func said(_ place: Int) async throws -> [String] {
            let wait = try await stage.waits()[place]
            return try await stage.store.read { try $0.runWaitSentences(wait) }
        }
        let sentences = [try await said(0), try await said(1), try await said(2)].flatMap { $0 }
        #expect(
            Set(sentences) == [
                "There is no DAG 'later' yet; the wait goes on, for one may come.", "The DAG 'up' has no such run yet.",
                "Its run 'r1' is running; it has no task 'x'.",
            ])
        try await stage.deploy(DAGDefinition(dagID: "later", tasks: [.code("t")]))
        _ = try await stage.trigger("later")
        let task = try #require(try await stage.claim().first { $0.key.dagID == "later" })
        try await stage.succeed(task)
        #expect(try await stage.waits().count == 2)
    }

    @Test("The look-up goes by the index of waits for runs, and whether there are any is one step in it")
    func plan() async throws {
        // SQLite's own word for it.
        guard Ground.current == .sqlite else { return }
        let stage = try await Stage()
        let plans = try await stage.store.read { snapshot in
            try [
                "SELECT 1 FROM wait WHERE edge_key IS NOT NULL LIMIT 1",
                "SELECT 1 FROM wait WHERE edge_key = 5 LIMIT 1",
                """
                SELECT wait_id, target_key, target, definition FROM wait
                WHERE edge_key IS NOT NULL AND target_key IN (1, 2, 3) AND wait_id <= 9
                    AND (target_key > 4 OR target_key = 4 AND wait_id > 5)
                ORDER BY target_key, wait_id LIMIT 7
                """,
            ].map { query in
                var lines: [String] = []
                try snapshot.connection.query(text: "EXPLAIN QUERY PLAN " + query, []) { lines.append($0.text(3)) }
                return lines.joined(separator: "; ")
            }
        }
        #expect(
            plans.allSatisfy { $0.contains("INDEX wait_edge") })
        #expect(plans[2].contains("wait_edge_target (target_key=?") && !plans[2].contains("TEMP B-TREE"), "\(plans)")
    }
}
