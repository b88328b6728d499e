// SPDX-License-Identifier: Apache-2.0
import Foundation
import PerchSDK
import Synchronization
import Testing

@Suite struct ContextTests {
    @Test("a step runs once and answers from the journal afterwards") func steps() async throws {
        let runtime = MemoryRuntime()
        let runs = Mutex(0)
        for _ in 0..<3 {
            let context = runtime.dispatch()
            let row = try await context.step("load") {
                runs.withLock { $0 += 1 }
                return Row(name: "a", size: 1)
            }
            #expect(row == Row(name: "a", size: 1))
            try await context.step("void") { runs.withLock { $0 += 1 } }
            #expect(try await context.step("nothing", keep: .acrossRetries) { Int?.none } == nil)
        }
        #expect(runs.withLock { $0 } == 2)
        #expect(runtime.state.withLock { $0.kept } == ["nothing#0"])
        #expect(runtime.state.withLock { $0.journal["void#0"] } == "null")
    }

    @Test("scopes and repeats make keys that cannot meet") func keys() async throws {
        let runtime = MemoryRuntime()
        let context = runtime.dispatch()
        for _ in 0..<2 { try await context.scope("a").step("b") {} }
        try await context.step("a/b") {}
        try await context.scope("x#1").scope("é").step("50%") {}
        #expect(
            runtime.state.withLock { $0.journal.keys.sorted() } == ["a%2Fb#0", "a/b#0", "a/b#1", "x%231/é/50%25#0"])
        await #expect(throws: PerchError.self) { try await context.step("") {} }
        await #expect(throws: PerchError.self) { try await context.step(String(repeating: "x", count: 251)) {} }
    }

    @Test("an idempotency key belongs to its step and try") func idempotency() async throws {
        let runtime = MemoryRuntime()
        func keys(_ context: TaskContext) async throws -> [String] {
            var keys = [context.idempotencyKey]
            for name in ["a", "a", "b"] { keys.append(try await context.step(name) { context.idempotencyKey }) }
            keys.append(try await context.scope("s").step("a") { context.idempotencyKey })
            return keys
        }
        let first = try await keys(runtime.dispatch())
        #expect(Set(first).count == 5)
        #expect(first[0] == "perch-" + first[0].dropFirst(6) && first[0].count == 38)
        runtime.state.withLock { $0.journal = [:] }
        #expect(try await keys(runtime.dispatch()) == first)
        let retried = try await keys(MemoryRuntime(tryNumber: 2).dispatch())
        #expect(Set(first).isDisjoint(with: retried))
        let other = try await keys(MemoryRuntime(mapIndex: 0).dispatch())
        #expect(Set(first).isDisjoint(with: other))
    }

    @Test("a wait unwinds, and returns its event when the code runs again") func waits() async throws {
        let runtime = MemoryRuntime()
        await #expect(throws: Suspension(key: "wait#0")) {
            try await runtime.dispatch().wait(for: .probe("/{{ ds }}"), timeout: .hours(1))
        }
        #expect(runtime.state.withLock { $0.waits["wait#0"]?.target } == "/2026-01-01")
        #expect(runtime.state.withLock { $0.timeouts["wait#0"] } == TimeSpan.seconds(3_600))
        runtime.fire("wait#0", .event(["answer": 42]))
        let context = runtime.dispatch()
        let event = try await context.wait(for: .probe("/{{ ds }}"), timeout: .hours(1))
        #expect(event.answer == 42)
        await #expect(throws: Suspension(key: "wait#1")) { try await context.wait(for: .probe("/b")) }
        await #expect(throws: Suspension(key: "s/named#0")) {
            try await context.scope("s").wait(for: .probe("/b"), as: "named")
        }
    }

    @Test("a timeout throws, or gives the value for it") func timeouts() async throws {
        let runtime = MemoryRuntime()
        for index in 0..<3 { runtime.fire("wait#\(index)", .timeout) }
        let context = runtime.dispatch()
        let error = await #expect(throws: WaitTimeout.self) {
            try await context.wait(for: .probe("/a"), timeout: .minutes(90))
        }
        #expect(error?.description == "the wait 'wait' for /a was not over after 1h30m")
        let other = try await context.wait(for: .probe("/a"), timeout: .hours(1), onTimeout: Probe.Event(answer: -1))
        #expect(other.answer == -1)
        let none: Probe.Event? = try await context.wait(for: .probe("/a"), timeout: .hours(1), onTimeout: nil)
        #expect(none == nil)
    }

    @Test("an event of another shape is a mismatch that names both sides") func mismatch() async throws {
        let runtime = MemoryRuntime()
        runtime.fire("wait#0", .event(["reply": 1]))
        let error = await #expect(throws: JournalMismatch.self) { try await runtime.dispatch().wait(for: .probe("/a")) }
        #expect(error?.description.contains("Event") == true && error?.description.contains(#"{"reply":1}"#) == true)
        try await runtime.dispatch().step("x") { "text" }
        await #expect(throws: JournalMismatch.self) { try await runtime.dispatch().step("x") { 5 } }
    }

    @Test("sleeps are waits for time") func sleeps() async throws {
        let runtime = MemoryRuntime()
        let context = runtime.dispatch()
        await #expect(throws: Suspension(key: "sleep#0")) { try await context.sleep(for: .minutes(90)) }
        await #expect(throws: Suspension(key: "sleep#1")) { try await context.sleep(until: context.logicalDate) }
        let waits = runtime.state.withLock { $0.waits }
        #expect(waits["sleep#0"] == .time(.after(.seconds(5_400))) && waits["sleep#0"]?.target == "after 1h30m")
        #expect(waits["sleep#1"]?.due == .at("2026-01-01T00:00:00Z"))
    }

    @Test("time and chance are journalled") func journalled() async throws {
        let runtime = MemoryRuntime()
        func draw(_ context: TaskContext) async throws -> [String] {
            [
                "\(try await context.now)", "\(try await context.random)", "\(try await context.random(in: 1...6))",
                "\(try await context.uuid)", "\(try await context.uuid)",
            ]
        }
        let first = try await draw(runtime.dispatch())
        #expect(try await draw(runtime.dispatch()) == first)
        #expect(first[3] != first[4])
        #expect(Array(first[3])[14] == "4" && "89AB".contains(Array(first[3])[19]))
    }

    @Test("params are read with their types") func params() async throws {
        let context = MemoryRuntime(params: ["n": 5, "a": ["b": ["x", "y"]], "day": "2026-01-01T00:00:00Z"]).dispatch()
        #expect(try context.param("n", as: Int.self) == 5)
        #expect(try context.param("a.b") as [String] == ["x", "y"])
        #expect(try context.param("day", as: Date.self) == Date(timeIntervalSince1970: 1_767_225_600))
        #expect(try context.param("m", default: 7) == 7 && context.param("n", default: 7) == 5)
        let missing = try #require(throws: PerchError.self) { try context.param("m", as: Int.self) }
        #expect(missing.code == .notFound && missing.message.contains("'m'"))
        let wrong = try #require(throws: PerchError.self) { try context.param("n", as: String.self) }
        #expect(wrong.code == .invalid && wrong.message.contains("'n' is 5"))
        #expect(try await context.render("{{ params.n }}-{{ ds }}") == "5-2026-01-01")
        #expect(context.ds == "2026-01-01" && context.ts == "2026-01-01T00:00:00Z")
    }
}

@Suite struct TaskCodeTests {
    static func dag() -> DAG {
        DAG("typed") { dag in
            let rows = dag.task("rows") { _ in [Row(name: "a", size: 1), Row(name: "b", size: 2)] }
            let count = dag.task("count") { _ in 2 }
            let sizes = dag.map("sizes", over: rows) { context, row in row.size * 10 + context.mapIndex }
            dag.task("report", rows, count, sizes) { _, rows, count, sizes in "\(rows.count) \(count) \(sizes)" }
            dag.task("lenient", count.optional, sizes.optionalElements(), triggerRule: .allDone) { _, count, sizes in
                "\(count ?? -1) \(sizes.map { $0 ?? -1 })"
            }
            dag.map("again", over: sizes) { _, size in size + 1 }
            dag.task("kill", onKill: { $0.log.info("killed \($0.taskID)") }) { _ in }
            dag.add("tell", Tell())
            dag.add("shell", .shell("{{ ds }}"))
        }
    }

    static func run(_ id: String, _ inputs: [String] = [], element: String? = nil) async throws -> TaskOutput {
        let dag = dag()
        let index = try #require(dag.definition.tasks.firstIndex { $0.taskID == id })
        let runtime = MemoryRuntime(taskID: id, mapIndex: element == nil ? -1 : 3)
        return try await #require(dag.code[index]).run(runtime.dispatch(), inputs, element)
    }

    @Test("outputs and inputs pass as JSON, with their elements where something is mapped over them") func typed()
        async throws
    {
        #expect(Self.dag().problems == [])
        let rows = try await Self.run("rows")
        #expect(rows.items == [#"{"name":"a","size":1}"#, #"{"name":"b","size":2}"#])
        #expect(try await Self.run("count") == TaskOutput(json: "2"))
        #expect(try await Self.run("sizes", element: rows.items?[1]) == TaskOutput(json: "23"))
        #expect(try await Self.run("report", [rows.json, "2", "[10,21]"]).json == #""2 2 [10, 21]""#)
        #expect(try await Self.run("lenient", ["null", "[10,null]"]).json == #""-1 [10, -1]""#)
        #expect(try await Self.run("tell") == TaskOutput(json: "null"))
        #expect(try await Self.run("shell").json == "10")
    }

    @Test("an input that cannot be read names the task that gave it") func wrongInputs() async throws {
        let none = await #expect(throws: NonRetryable.self) { try await Self.run("report", ["null", "2", "[]"]) }
        #expect(none?.message.contains("'rows' gave no output") == true)
        let wrong = await #expect(throws: NonRetryable.self) { try await Self.run("report", ["[]", #""x""#, "[]"]) }
        #expect(wrong?.message == "task 'report' cannot read the output of 'count' as Int: $ is no Int")
        let few = await #expect(throws: NonRetryable.self) { try await Self.run("report", ["[]"]) }
        #expect(few?.message.contains("3 inputs") == true)
        let element = await #expect(throws: NonRetryable.self) { try await Self.run("sizes", element: "5") }
        #expect(element?.message.contains("its element of the output of 'rows'") == true)
        await #expect(throws: NonRetryable.self) { try await Self.run("sizes") }
    }

    @Test("clean-up given to a closure task is registered before it runs") func kill() async throws {
        let dag = Self.dag()
        let index = try #require(dag.definition.tasks.firstIndex { $0.taskID == "kill" })
        #expect(dag.definition.tasks[index].hasOnKill)
        let runtime = MemoryRuntime(taskID: "kill")
        _ = try await #require(dag.code[index]).run(runtime.dispatch(), [], nil)
        for handler in runtime.state.withLock({ $0.killHandlers }) { try await handler() }
        #expect(runtime.state.withLock { $0.lines } == ["info: killed kill"])
    }
}
