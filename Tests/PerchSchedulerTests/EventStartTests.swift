// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import Testing

@testable import PerchScheduler

@Suite("DAGs that events start, on SQLite", .timeLimit(.minutes(1)))
struct EventStartTests {
    private static let now = "2026-03-01T05:00:00Z"

    private func dag(_ id: String, _ schedule: Schedule, start: String? = nil) throws -> DAGDefinition {
        let dag = DAG(id, schedule: schedule, start: start) { dag in dag.task("t") { _ in } }
        #expect(dag.problems.isEmpty)
        return dag.definition
    }

    private func emit(_ bench: SchedulerBench, _ events: NewEvent...) async throws {
        let events = events
        _ = try await bench.metastore.write { try $0.emit(events) }
    }

    private func started(_ bench: SchedulerBench, _ seq: Int64) async throws -> [StartedRun] {
        try await bench.metastore.read { try $0.started(byEvent: seq) }
    }

    /// Until something is noted of an event.
    private func untilLookedAt(_ bench: SchedulerBench, _ seq: Int64) async throws {
        for _ in 0..<100_000 {
            if try await !started(bench, seq).isEmpty { return }
            await Task.yield()
        }
        Issue.record("nothing becomes of event \(seq)")
    }

    @Test("Each event that matches starts one run, which has it as a param; others start none")
    func each() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await emit(bench, NewEvent(name: "orders.created", payload: ["total": 500], eventID: "early"))
        try await bench.store(
            dag("big", .event("orders.created", where: .json("$.total", .greaterThan(100)))),
            dag("eu", .event("orders.created", key: "eu")))
        await bench.scheduler.start()
        try await emit(
            bench, NewEvent(name: "orders.created", payload: ["total": 7], eventID: "small"),
            NewEvent(name: "orders.created", key: "eu", payload: ["total": 101], eventID: "o1"),
            NewEvent(name: "orders.created", payload: ["total": 102], eventID: "o2"),
            NewEvent(name: "orders.created", payload: ["total": 103], eventID: "o1"),
            NewEvent(name: "orders.paid", key: "eu", payload: ["total": 1_000]))
        let big = try await bench.runs(of: "big") { $0.count == 2 && $0.allSatisfy { $0.state == .running } }
        #expect(big.map(\.type) == [.eventTriggered, .eventTriggered])
        #expect(big.map(\.runID) == ["event_triggered__\(Self.now)__3", "event_triggered__\(Self.now)__4"])
        #expect(big.map { $0.params["event"]?["event_id"] } == ["o1", "o2"])
        #expect(big.map { $0.params["event"]?["payload"]?["total"] } == [101, 102])
        let eu = try await bench.runs(of: "eu") { $0.count == 1 }
        #expect(eu.first?.params["event"]?["key"] == "eu")
        #expect(try await started(bench, 3).map(\.dagID) == ["big", "eu"])
        #expect(try await started(bench, 3).map(\.runID) == [big[0].runID, eu[0].runID])
        for early in [Int64(1), 2] { #expect(try await started(bench, early).isEmpty) }
        try await bench.end()
    }

    @Test("An update of an asset starts those that name it")
    func assets() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("d", .asset("s3://a", "s3://b")))
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "asset", key: "s3://c"), NewEvent(name: "asset", key: "s3://b"))
        try await emit(bench, NewEvent(name: "asset", key: "s3://a"))
        let runs = try await bench.runs(of: "d") { $0.count == 2 }
        #expect(runs.map(\.type) == [.assetTriggered, .assetTriggered])
        #expect(runs.map { $0.params["event"]?["key"] } == ["s3://b", "s3://a"])
        try await bench.end()
    }

    @Test("Events that come while nobody schedules start their runs later, each once, however often a scheduler begins")
    func restarts() async throws {
        let bench = try SchedulerBench(at: Self.now)
        let definition = try dag("d", .event("go"))
        try await bench.store(definition)
        for number in 0..<5 { try await emit(bench, NewEvent(name: "go", payload: .integer(Int64(number)))) }
        await bench.scheduler.start()
        _ = try await bench.runs(of: "d") { $0.count == 5 }
        await bench.scheduler.stop()
        // The bundle describes its DAGs at each start.
        try await bench.store(definition)
        try await emit(bench, NewEvent(name: "other"), NewEvent(name: "go", payload: 5))
        let second = Scheduler(metastore: bench.metastore, reactor: bench.reactor, log: SchedulerBench.log)
        await second.start()
        let runs = try await bench.runs(of: "d") { $0.count == 6 }
        #expect(runs.map { $0.params["event"]?["payload"] } == [0, 1, 2, 3, 4, 5])
        await second.stop()
        try await bench.end()
    }

    @Test("What a transaction has room for is started, and the rest after it")
    func bounded() async throws {
        var configuration = SchedulerConfiguration()
        configuration.runsPerTransaction = 7
        let bench = try SchedulerBench(at: Self.now, configuration: configuration)
        try await bench.store(dag("a", .event("go")), dag("b", .event("go")), dag("c", .event("go", key: "k")))
        await bench.scheduler.start()
        let events = (0..<50).map { NewEvent(name: "go", key: $0 % 2 == 0 ? "k" : nil) }
        _ = try await bench.metastore.write { try $0.emit(events) }
        #expect(try await bench.runs(of: "a") { $0.count == 50 }.count == 50)
        #expect(try await bench.runs(of: "b") { $0.count == 50 }.count == 50)
        #expect(try await bench.runs(of: "c") { $0.count == 25 }.count == 25)
        try await bench.end()
    }

    @Test("A paused DAG is started by no event, and each says so; later ones start it again")
    func paused() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("d", .event("go")))
        try await bench.metastore.write { try $0.setPaused("d", true) }
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "go"))
        _ = try await bench.row(of: "d") { _ in true }
        try await untilLookedAt(bench, 1)
        let refused = try await started(bench, 1)
        #expect(refused.map(\.dagID) == ["d"] && refused.map(\.runID) == [nil])
        #expect(refused.map(\.reason) == ["the DAG was paused"])
        try await bench.metastore.write { try $0.setPaused("d", false) }
        try await emit(bench, NewEvent(name: "go"))
        let runs = try await bench.runs(of: "d") { !$0.isEmpty }
        #expect(runs.map { $0.params["event"]?["seq"] } == [2])
        try await bench.end()
    }

    @Test("Events before the DAG's start, and those from while it was not deployed, start nothing")
    func times() async throws {
        let bench = try SchedulerBench(at: Self.now)
        let later = try dag("later", .event("go"), start: "2026-03-02")
        let gone = try dag("gone", .event("go"))
        try await bench.store(later, gone)
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "go"))
        _ = try await bench.runs(of: "gone") { $0.count == 1 }
        try await bench.store(later)
        try await emit(bench, NewEvent(name: "go"))
        try await bench.store(later, gone)
        try bench.move(to: "2026-03-02T00:00:00Z")
        try await emit(bench, NewEvent(name: "go"))
        #expect(try await bench.runs(of: "later") { !$0.isEmpty }.map { $0.params["event"]?["seq"] } == [3])
        let runs = try await bench.runs(of: "gone") { $0.count >= 2 }
        #expect(runs.map { $0.params["event"]?["seq"] } == [1, 3])
        try await bench.end()
    }

    private func payloads(_ run: RunRow) -> [JSONValue] {
        elements(run).compactMap { $0["payload"] }
    }

    private func elements(_ run: RunRow) -> [JSONValue] {
        if case .array(let events) = run.params["events"] { events } else { [] }
    }

    @Test("A batch starts one run when it is full, and when its time is over")
    func batches() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(
            dag("full", .event("go", batch: 3)), dag("timed", .event("go", batch: 100, within: .minutes(5))))
        await bench.scheduler.start()
        let events = (0..<8).map { NewEvent(name: "go", payload: .integer(Int64($0))) }
        _ = try await bench.metastore.write { try $0.emit(events) }
        let full = try await bench.runs(of: "full") { $0.count == 2 }
        #expect(full.map(payloads) == [[0, 1, 2], [3, 4, 5]])
        #expect(full.map { $0.params["event"]?["payload"] } == [2, 5])
        #expect(try await started(bench, 8).map(\.reason) == Array(repeating: "it is gathered with others", count: 2))
        try bench.clock.set("2026-03-01T05:04:59Z")
        try await emit(bench, NewEvent(name: "go", payload: 8))
        _ = try await bench.runs(of: "full") { $0.count == 3 }
        #expect(try await bench.metastore.read { try $0.nextBatchInstant() }?.description == "2026-03-01T05:05:00Z")
        #expect(try await bench.runs(of: "timed") { _ in true }.isEmpty)
        try bench.move(to: "2026-03-01T05:05:00Z")
        let timed = try await bench.runs(of: "timed") { !$0.isEmpty }
        #expect(timed.map(payloads) == [[0, 1, 2, 3, 4, 5, 6, 7, 8]])
        // One event whose time is over is a batch, too.
        try await emit(bench, NewEvent(name: "go", payload: 9))
        try await untilLookedAt(bench, 10)
        try bench.move(to: "2026-03-01T05:10:00Z")
        #expect(try await bench.runs(of: "timed") { $0.count == 2 }.map(payloads).last == [9])
        #expect(try await bench.metastore.read { try $0.nextBatchInstant() } == nil)
        try await bench.end()
    }

    @Test(
        "All of some assets start one run when each has been updated; pausing or changing the schedule lets go of them")
    func all() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("d", .allAssets("a", "b")))
        await bench.scheduler.start()
        let seen = { @Sendable (seq: Int64) in
            for _ in 0..<100_000 {
                let found = try await bench.metastore.read { try $0.started(byEvent: seq) }
                if let reason = found.first?.reason { return reason }
                await Task.yield()
            }
            return "nothing"
        }
        for key in ["a", "a"] { try await emit(bench, NewEvent(name: "asset", key: key)) }
        #expect(try await seen(2) == "it is gathered with others")
        try await emit(bench, NewEvent(name: "asset", key: "b"))
        let runs = try await bench.runs(of: "d") { $0.count == 1 }
        #expect(elements(runs[0]).compactMap { $0["key"] } == ["a", "a", "b"])
        #expect(runs[0].type == .assetTriggered)
        try await emit(bench, NewEvent(name: "asset", key: "b"))
        #expect(try await seen(4) == "it is gathered with others")
        try await bench.store(dag("d", .allAssets("a", "b", "c")))
        #expect(try await seen(4) == "the schedule was changed")
        try await bench.end()
    }

    @Test("A run of one DAG starts after each run of another that ends so, and also at the ticks beside them")
    func after() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(
            dag("first", .manual), dag("then", .after(dag: "first").or(.cron("0 6 * * *"))),
            dag("else", .after(dag: "first", states: [.failed])))
        await bench.scheduler.start()
        let states: [(String, RunState)] = [("r1", .success), ("r2", .failed)]
        for (runID, state) in states {
            _ = try await bench.metastore.write { try $0.createRun(RunRequest(dagID: "first", runID: runID)).runKey }
            _ = try await bench.runs(of: "first") { $0.contains { $0.runID == runID && $0.state == .running } }
            try await bench.metastore.write { transaction in
                guard state == .success else {
                    _ = try transaction.cancelRun(dagID: "first", runID: runID, by: "me")
                    return
                }
                let worker = try transaction.registerProcess(
                    role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(100))
                let claimed = try transaction.claim(limit: 1, worker: worker)
                _ = try transaction.finish(
                    claimed.map {
                        TaskReport(
                            taskInstanceID: $0.taskInstanceID, dispatchID: $0.dispatchID,
                            outcome: .success(output: "null", items: nil))
                    })
            }
        }
        let then = try await bench.runs(of: "then") { !$0.isEmpty }
        #expect(then.map { $0.params["event"]?["payload"]?["run_id"] } == ["r1"])
        let otherwise = try await bench.runs(of: "else") { !$0.isEmpty }
        #expect(otherwise.map { $0.params["event"]?["payload"]?["run_id"] } == ["r2"])
        try bench.move(to: "2026-03-01T06:00:00Z")
        #expect(try await bench.runs(of: "then") { $0.count == 2 }.map(\.type) == [.eventTriggered, .scheduled])
        try await bench.end()
    }

    @Test("An event that is heard of before the DAG that it starts is not lost for it")
    func storedMeanwhile() async throws {
        let bench = try SchedulerBench(at: Self.now)
        let (first, second) = (try dag("first", .event("go")), try dag("second", .event("go")))
        try await bench.store(first)
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "go"))
        _ = try await bench.runs(of: "first") { $0.count == 1 }
        // The bell that tells of the new DAG is lost, the one of the event is not.
        try await bench.metastore.write { transaction in
            try transaction.storeDAGs([first, second], bundle: "default", bundleVersion: "2")
            _ = try transaction.emit([NewEvent(name: "go")])
            transaction.silence(.runs)
        }
        _ = try await bench.runs(of: "first") { $0.count == 2 }
        bench.metastore.doorbells.ring(.runs)
        #expect(try await started(bench, 2).map(\.dagID) == ["first", "second"])
        try await bench.end()
    }

    @Test("What was gathered is let go of when the DAG is not started by events any more")
    func notByEvents() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("d", .event("go", batch: 2)))
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "go"))
        try await untilLookedAt(bench, 1)
        try await bench.store(dag("d", .manual))
        #expect(try await started(bench, 1).map(\.reason) == ["the schedule was changed"])
        try await bench.end()
    }

    @Test("What an event has started is forgotten with it")
    func cleaned() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("d", .event("go")))
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "go"))
        _ = try await bench.runs(of: "d") { !$0.isEmpty }
        let after = try Timestamp(parsing: "2026-03-09T00:00:00Z")
        while try await bench.metastore.write({ try $0.clean(runsBefore: nil, eventsBefore: after, limit: 10) }) {}
        #expect(try await started(bench, 1).isEmpty)
        try await bench.end()
    }
}

@Suite("Schedules of events")
struct EventScheduleTests {
    @Test("A schedule is stored, read again and said in words")
    func coding() throws {
        let schedule = Schedule.event("a", key: "k", where: .json("$.n", .greaterThan(1)))
        #expect(schedule.problem == nil)
        #expect(try ScheduleDefinition(parsing: schedule.definition.text) == schedule.definition)
        guard case .events(let events) = schedule.definition else { return #expect(Bool(false)) }
        #expect("\(events)" == "event a/k on a condition")
        for schedule: Schedule in [
            .event("a", batch: 5), .event("a", batch: 5, within: .minutes(2)), .allAssets("a", "b"),
            .after(dag: "d"), .asset("a").or(.cron("0 6 * * *", timeZone: "Europe/Paris")),
        ] {
            #expect(schedule.problem == nil)
            #expect(try ScheduleDefinition(parsing: schedule.definition.text) == schedule.definition)
        }
        guard case .events(let assets) = Schedule.asset("s3://x").definition else { return #expect(Bool(false)) }
        #expect("\(assets)" == "asset s3://x")
    }

    @Test(
        "What cannot be is refused where it is declared",
        arguments: [
            (Schedule.event(""), "is not empty"), (.event("a", key: ""), "is not empty"),
            (.event("orders.{{ ds }}"), "no template"), (.asset(), "names no asset"), (.asset(""), "1 to 500 bytes"),
            (.event("a", where: .any([])), "never true"), (.event("a", batch: 0), "1 to 1000"),
            (.event("a", within: .seconds(5)), "'batch' says"), (.event("a", batch: 5, within: .zero), "above 0"),
            (.after(dag: "a/b"), "DAG id"), (.after(dag: "a", states: [.running]), "success or failed"),
            (.daily.or(.hourly), "goes with one of cron"), (.asset("a").or(.cron("nonsense")), "nonsense"),
        ])
    func problems(_ schedule: Schedule, _ sentence: String) {
        #expect(schedule.problem?.contains(sentence) == true, "\(schedule.problem ?? "none")")
        let dag = DAG("d", schedule: schedule) { dag in dag.task("t") { _ in } }
        #expect(dag.problems.count == 1)
    }

    @Test(
        "A description from elsewhere that is wrong names the field",
        arguments: [
            (#"{"events": []}"#, "names no event"), (#"{"events": [{"key": "k"}]}"#, "'name'"),
            (#"{"events": [{"name": "a", "where": 7}]}"#, "condition"), (#"{"events": 7}"#, "array"),
        ])
    func wrong(_ text: String, _ word: String) {
        #expect {
            try ScheduleDefinition(parsing: text)
        } throws: {
            "\($0)".contains(word)
        }
    }
}

extension EventStartTests {
    @Test("assets joined by and and or start a run when the expression is met, and then anew") func expression()
        async throws
    {
        let bench = try SchedulerBench(at: Self.now)
        let expression: AssetExpression = "orders" & ("rates" | "fallback")
        try await bench.store(dag("join", .assets(expression)))
        await bench.scheduler.start()
        func update(_ name: String) async throws {
            try await emit(bench, NewEvent(name: Asset.eventName, key: name))
        }
        try await update("rates")
        try await update("fallback")
        try await untilLookedAt(bench, 2)
        #expect(try await bench.runs(of: "join") { _ in true }.isEmpty)
        try await update("orders")
        var runs = try await bench.runs(of: "join") { $0.count == 1 }
        #expect(runs[0].type == .assetTriggered)
        guard case .array(let events)? = runs[0].params["events"] else { throw PerchError(.invalid, "no events") }
        #expect(events.map { $0["key"] } == ["rates", "fallback", "orders"])
        try await update("orders")
        try await untilLookedAt(bench, 4)
        #expect(try await bench.runs(of: "join") { _ in true }.count == 1)
        try await update("fallback")
        runs = try await bench.runs(of: "join") { $0.count == 2 }
        #expect(runs.allSatisfy { $0.params["event"] != nil })
    }

    @Test("there is one run for each value at the path of dedupe, and events without one start none")
    func dedupe() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(dag("order", .event("orders", dedupe: "$.id")))
        await bench.scheduler.start()
        try await emit(
            bench, NewEvent(name: "orders", payload: ["id": "A-1"]),
            NewEvent(name: "orders", payload: ["id": "A-1", "n": 2]),
            NewEvent(name: "orders", payload: ["id": 7]), NewEvent(name: "orders", payload: ["id": ["x"]]),
            NewEvent(name: "orders", payload: [:]), NewEvent(name: "orders", payload: ["id": "a/b"]))
        // What a run's id cannot hold is written as in addresses; a long key has its hash behind its beginning.
        let long = String(repeating: "x", count: 300)
        try await emit(
            bench, NewEvent(name: "orders", payload: ["id": "a%2Fb"]),
            NewEvent(name: "orders", payload: ["id": .string(long)]),
            NewEvent(name: "orders", payload: ["id": .string(long + "y")]))
        let runs = try await bench.runs(of: "order") { $0.count == 6 }
        #expect(
            Set(runs.map(\.runID)).isSuperset(of: [
                "event_triggered__A-1", "event_triggered__7", "event_triggered__a%2Fb", "event_triggered__a%252Fb",
            ]))
        try await untilLookedAt(bench, 9)
        #expect(try await started(bench, 2).first?.reason?.contains("has a run 'event_triggered__A-1' already") == true)
        for seq in [4, 5] as [Int64] {
            #expect(try await started(bench, seq).first?.reason?.contains("no text or whole number at $.id") == true)
        }
    }

    @Test("what stands in the payload becomes params of the run, checked by their types") func params() async throws {
        let bench = try SchedulerBench(at: Self.now)
        let schedule = Schedule.event("orders", params: ["order": "$.id", "count": "$.lines.n"])
        let dag = DAG("order", schedule: schedule, params: ["order": .string(), "count": .integer(1, in: 1...9)]) {
            dag in
            dag.task("t") { _ in }
        }
        #expect(dag.problems.isEmpty)
        try await bench.store(dag.definition)
        await bench.scheduler.start()
        try await emit(
            bench, NewEvent(name: "orders", payload: ["id": "a", "lines": ["n": 3]]),
            NewEvent(name: "orders", payload: ["id": "b"]), NewEvent(name: "orders", payload: ["lines": ["n": 3]]),
            NewEvent(name: "orders", payload: ["id": "c", "lines": ["n": 10]]),
            NewEvent(name: "orders", payload: ["id": 4]))
        let runs = try await bench.runs(of: "order") { $0.count == 2 }
        #expect(runs.map { $0.params["order"] } == ["a", "b"])
        #expect(runs.map { $0.params["count"] } == [3, 1])
        #expect(runs[0].params["event"]?["payload"]?["id"] == "a")
        try await untilLookedAt(bench, 5)
        for (seq, name) in [(3, "order"), (4, "count"), (5, "order")] as [(Int64, String)] {
            let reason = try await started(bench, seq).first?.reason ?? ""
            #expect(reason.contains("'\(name)'"), "\(reason)")
        }
    }

    @Test("a batch gives the params of its last event") func batchParams() async throws {
        let bench = try SchedulerBench(at: Self.now)
        let dag = DAG("views", schedule: .event("v", batch: 2, params: ["page": "$.p"]), params: ["page": "none"]) {
            dag in
            dag.task("t") { _ in }
        }
        try await bench.store(dag.definition)
        await bench.scheduler.start()
        try await emit(bench, NewEvent(name: "v", payload: ["p": "x"]), NewEvent(name: "v", payload: ["p": "y"]))
        #expect(try await bench.runs(of: "views") { $0.count == 1 }[0].params["page"] == "y")
    }

    @Test(
        "wrong declarations are told",
        arguments: [
            (Schedule.event("e", dedupe: "id"), "the path of 'dedupe'"),
            (.event("e", batch: 3, dedupe: "$.id"), "'dedupe' is for events that start a run each"),
            (.event("e", params: ["a": "b"]), "the path of 'a'"),
            (.event("e", params: ["tabel": "$.t"]), "did you mean 'table'?"),
        ])
    func wrong(_ schedule: Schedule, _ words: String) {
        let dag = DAG("d", schedule: schedule, params: ["table": "x", "a": 1]) { dag in dag.task("t") { _ in } }
        #expect(dag.problems.contains { $0.description.contains(words) }, "\(dag.problems)")
    }

    @Test("an expression is read as it was written, and told in words") func expressionText() throws {
        let expression: AssetExpression = ("a" | "b") & "c" & ("a" & "d" | "e")
        let definition = Schedule.assets(expression).definition
        #expect(try ScheduleDefinition(json: definition.json) == definition)
        guard case .events(let events) = definition else { throw PerchError(.invalid, "no events") }
        #expect(events.description == "(asset a or asset b) and asset c and ((asset a and asset d) or asset e)")
        for text in [#"{"all": [1]}"#, #"{"all": []}"#, #"{"one": [0]}"#, "-1", #"{"any": [0], "all": [0]}"#] {
            let json = try JSONValue(parsing: "{\"events\": [{\"name\": \"e\"}], \"when\": \(text)}")
            #expect(throws: PerchError.self) { try EventSchedule(json: json) }
        }
        let old = try EventSchedule(json: ["events": [["name": "a"], ["name": "b"]], "all": true])
        #expect(old.gathering == .when(.all([.pattern(0), .pattern(1)])))
    }
}
