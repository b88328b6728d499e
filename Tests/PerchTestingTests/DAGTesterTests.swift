// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Synchronization
import Testing

@Suite("A tester runs DAGs on a virtual clock")
struct DAGTesterTests {
    @Test("a sensor waits thirty days, and then its task has run")
    func thirtyDays() async throws {
        let dag = DAG("slow") { dag in
            let later = dag.sensor("later", .after(.days(30)), timeout: .days(40))
            dag.task("act", after: later) { _ in 7 }
        }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T06:00:00Z")
        let run = try await tester.trigger("slow", runID: "one")
        #expect(try await tester.state(of: "later", in: run) == .deferred)
        let wait = try #require(try await tester.waits().first)
        #expect(wait.kind == "time" && wait.isSensor && wait.run == run && wait.taskID == "later")
        try await tester.advance(by: .days(29))
        #expect(try await tester.state(of: run) == .running)
        try await tester.finish(atMost: .days(2))
        #expect(try await tester.now == Timestamp(parsing: "2026-01-31T06:00:00Z"))
        #expect(try await tester.states(of: run) == ["later": .success, "act": .success])
        #expect(try await tester.output(of: "act", as: Int.self, in: run) == 7)
        #expect(try await tester.state(of: run) == .success)
        #expect(try await tester.waits().isEmpty)
    }

    @Test("a sensor waits for the next tick, and a task until its window opens; what comes too late for it waits again")
    func wallClock() async throws {
        let dag = DAG("nights") { dag in
            dag.sensor("tick", .cron("0 7 * * *", timeZone: "Europe/Paris"), timeout: .days(2))
            dag.task("load") { context in
                try await context.wait(for: .within("22:00", "23:00"))
                return try await context.now.description
            }
        }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T05:30:00Z")
        let run = try await tester.trigger("nights")
        try await tester.advance(by: .minutes(29))
        #expect(try await tester.state(of: "tick", in: run) == .deferred)
        try await tester.advance(by: .minutes(2))
        #expect(try await tester.state(of: "tick", in: run) == .success)
        try await tester.finish(atMost: .hours(20))
        let began = try await tester.output(of: "load", as: String.self, in: run)
        #expect(began.hasPrefix("2026-01-01T22:00:0"))
    }

    @Test("a file sensor fires when its file is there")
    func file() async throws {
        let dag = DAG("files") { dag in
            dag.sensor("landed", .file("/data/in/{{ ds }}.csv"), timeout: .hours(6))
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("files", logicalDate: "2026-01-01")
        try await tester.advance(by: .hours(2))
        try await tester.files.write("/data/in/other.csv", "x")
        try await tester.advance(by: .minutes(1))
        #expect(try await tester.state(of: "landed", in: run) == .deferred)
        try await tester.files.write("/data/in/new", "id\n1\n")
        try await tester.files.rename("/data/in/new", to: "/data/in/2026-01-01.csv")
        try await tester.finish(atMost: .seconds(10))
        #expect(try await tester.state(of: run) == .success)
        #expect(try await tester.files.text(of: "/data/in/2026-01-01.csv") == "id\n1\n")
        await #expect(throws: PerchError.self) { try await tester.files.remove("/nowhere") }
    }

    @Test("an HTTP sensor asks until the answer is right")
    func http() async throws {
        let dag = DAG("web") { dag in
            dag.sensor(
                "ready", .http("http://api.test/ready", every: .minutes(5), until: .status(200)), timeout: .hours(6))
        }
        let tester = try DAGTester(dags: dag)
        try await tester.http.respond(to: "http://api.test/ready", status: 404)
        let run = try await tester.trigger("web")
        try await tester.advance(by: .minutes(31))
        #expect(try await tester.state(of: "ready", in: run) == .deferred)
        #expect(try await tester.http.requests(to: "http://api.test/ready").count >= 6)
        try await tester.http.respond(to: "http://api.test/ready") { request in
            TestServers.Answer(status: request.method == "GET" ? 200 : 500, body: "yes")
        }
        try await tester.finish(atMost: .minutes(6))
        #expect(try await tester.state(of: run) == .success)
    }

    private struct Order: Codable, Hashable, Sendable {
        var number: Int
    }

    @Test("an event fires the wait of code, and the journal tells it")
    func event() async throws {
        let dag = DAG("orders", params: ["region": "eu"]) { dag in
            dag.task("handle") { context -> String in
                let number = try await context.step("prepare") { 4 }
                _ = try await context.wait(for: .event("orders.created", key: "a"), as: "order")
                context.log.info("it came")
                return "\(number) \(try context.param("region", as: String.self))"
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("orders", params: ["region": "us"])
        #expect(try await tester.emit("orders.created", key: "b", payload: Order(number: 1)))
        #expect(try await tester.state(of: "handle", in: run) == .deferred)
        #expect(try await tester.emit("orders.created", key: "a", payload: Order(number: 2), id: "x"))
        #expect(try await tester.emit("orders.created", key: "a", payload: ["number": 3], id: "x") == false)
        try await tester.finish(atMost: .seconds(10))
        #expect(try await tester.output(of: "handle", as: String.self, in: run) == "4 us")
        let journal = try await tester.journal(of: "handle", in: run)
        #expect(journal.count == 2)
        #expect(journal.first?.record == .step(4))
        guard case .wait("event", _, .event)? = journal.last?.record else {
            Issue.record("no event: \(journal)")
            return
        }
        let task = try await tester.task("handle", in: run)
        #expect(task.dispatches == 2 && task.tryNumber == 1)
        #expect(try await tester.log(of: "handle", in: run).map(\.message).contains("it came"))
    }

    @Test("a retry comes after its delay")
    func retry() async throws {
        let dag = DAG("flaky") { dag in
            dag.task("try", retries: 2, retryDelay: .minutes(10)) { context -> Int in
                if context.tryNumber < 3 { throw PerchError(.unavailable, "not yet") }
                return context.tryNumber
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("flaky")
        #expect(try await tester.state(of: "try", in: run) == .upForRetry)
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.output(of: "try", as: Int.self, in: run) == 3)
        #expect(try await tester.now >= Timestamp(parsing: "2026-01-01T00:20:00Z"))
    }

    @Test("a mapped task has an output for each element, and one for all")
    func mapped() async throws {
        let dag = DAG("mapped") { dag in
            let numbers = dag.task("numbers") { _ in [1, 2, 3] }
            let squares = dag.map("square", over: numbers) { _, number in number * number }
            dag.task("sum", squares) { _, squares in squares.reduce(0, +) }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("mapped")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "square", as: [Int].self, in: run) == [1, 4, 9])
        #expect(try await tester.output(of: "square", as: Int.self, in: run, mapIndex: 2) == 9)
        #expect(try await tester.output(of: "sum", as: Int.self, in: run) == 14)
        #expect(try await tester.states(of: run)["square[1]"] == .success)
        let error = await #expect(throws: PerchError.self) { try await tester.state(of: "square", in: run) }
        #expect(error?.message.contains("3 instances") == true)
        let other = await #expect(throws: PerchError.self) {
            try await tester.output(of: "sum", as: String.self, in: run)
        }
        #expect(other?.message.contains("it is 14") == true)
    }

    @Test("a sensor that times out fails, and finish says what waits")
    func timeout() async throws {
        let dag = DAG("never") { dag in
            dag.sensor("nothing", .event("nothing.comes"), timeout: .hours(6))
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("never", runID: "one")
        let error = await #expect(throws: PerchError.self) { try await tester.finish(atMost: .hours(5)) }
        #expect(error?.message.contains("never/one: 'nothing' is deferred for event nothing.comes") == true)
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.state(of: run) == .failed)
        let over = try await tester.now - Timestamp(parsing: "2026-01-01T06:00:00Z")
        #expect(over.microseconds >= 0 && over < .seconds(1))
    }

    @Test("a run can be cancelled and a task cleared")
    func cancel() async throws {
        let dag = DAG("cancelled") { dag in
            dag.sensor("event", .event("go"), timeout: .hours(6))
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("cancelled")
        #expect(try await tester.cancel(run))
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .failed)
        #expect(try await tester.cancel(run) == false)
        try await tester.clear("event", in: run)
        #expect(try await tester.state(of: "event", in: run) == .deferred)
        try await tester.emit("go")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("a paused DAG does nothing until it is not paused any more")
    func pause() async throws {
        let tester = try DAGTester(dags: DAG("paused") { dag in dag.task("one") { _ in 1 } })
        try await tester.pause("paused")
        let run = try await tester.trigger("paused")
        try await tester.advance(by: .hours(1))
        #expect(try await tester.state(of: run) == .queued)
        try await tester.unpause("paused")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("schedules create runs as time passes")
    func schedule() async throws {
        let dag = DAG("daily", schedule: .cron("0 6 * * *"), start: "2026-01-01", catchup: true) { dag in
            dag.task("one") { context in context.ds }
        }
        let tester = try DAGTester(dags: dag)
        try await tester.advance(to: "2026-01-05T07:00:00Z")
        let runs = try await tester.runs(of: "daily")
        #expect(runs.count >= 4)
        for run in runs { #expect(try await tester.state(of: run) == .success) }
    }

    @Test("wrong names say what there is")
    func names() async throws {
        let tester = try DAGTester(dags: DAG("real") { dag in dag.task("one") { _ in 1 } })
        let run = try await tester.trigger("real", runID: "first")
        let dag = await #expect(throws: PerchError.self) { try await tester.trigger("unreal") }
        #expect(dag?.message == "there is no DAG 'unreal'; there is 'real'")
        let task = await #expect(throws: PerchError.self) { try await tester.state(of: "two", in: run) }
        #expect(task?.message == "the DAG 'real' has no task 'two'; there is 'one'")
        let other = await #expect(throws: PerchError.self) {
            try await tester.state(of: TestRun(dagID: "real", runID: "second"))
        }
        #expect(other?.message == "the DAG 'real' has no run 'second'; there is 'first'")
        await tester.close()
        await #expect(throws: PerchError.self) { try await tester.settle() }
    }

    @Test("what is wrong with a declaration is thrown with its line")
    func declaration() throws {
        let error = #expect(throws: PerchError.self) {
            try DAGTester(dags: DAG("not good") { dag in dag.task("one") { _ in 1 } })
        }
        #expect(error?.message.contains("DAGTesterTests.swift:") == true)
    }

    private struct Bundle: DAGBundle {
        let dags = [DAG("bundled") { dag in dag.task("one") { _ in 1 } }]
    }

    @Test("a bundle is tested as it is")
    func bundle() async throws {
        let tester = try DAGTester(Bundle())
        let run = try await tester.trigger("bundled")
        #expect(try await tester.state(of: run) == .success)
    }
}
