// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Synchronization
import Testing

@Suite("Tasks that begin with a wait, and mapped sensors")
struct StartTests {
    private struct Order: Codable, Sendable {
        var path: String
        var count: Int
    }

    @Test("a task waits first without having run, and runs once with its event and its inputs")
    func startFrom() async throws {
        let begun = Mutex(0)
        let dag = DAG("d") { dag in
            let number = dag.task("number") { _ in 20 }
            dag.task("load", number, startFrom: .file("/in/{{ ds }}.csv")) { context, file, number in
                begun.withLock { $0 += 1 }
                try await context.sleep(for: .hours(1))
                return "\(file.path) \(number + 1)"
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("d", logicalDate: "2026-01-01")
        try await tester.advance(by: .minutes(10))
        #expect(try await tester.states(of: run) == ["number": .success, "load": .deferred])
        let wait = try #require(try await tester.waits().first)
        #expect(wait.kind == "file" && !wait.isSensor && wait.taskID == "load")
        #expect(begun.withLock { $0 } == 0)
        try await tester.crash()
        try await tester.files.write("/in/2026-01-01.csv", "x")
        try await tester.advance(by: .minutes(10))
        #expect(begun.withLock { $0 } == 1)
        try await tester.finish(atMost: .hours(2))
        // Once to the sleep, once after it.
        #expect(begun.withLock { $0 } == 2)
        #expect(try await tester.output(of: "load", as: String.self, in: run) == "/in/2026-01-01.csv 21")
    }

    @Test("the instances of mapped tasks and sensors wait each for its own element")
    func mapped() async throws {
        let dag = DAG("d") { dag in
            let orders = dag.task("orders") { _ in [Order(path: "/in/a", count: 1), Order(path: "/in/b", count: 2)] }
            let landed = dag.sensor("landed", .file("{{ element.path }}.ready"), over: orders)
            let loaded = dag.map("loaded", over: orders, startFrom: .file("{{ element.path }}")) {
                context, file, order in
                let done = try await context.wait(for: .file("{{ element.path }}.done"))
                return "\(file.path) \(order.count) \(done.path)"
            }
            dag.task("sum", landed, loaded) { _, landed, loaded in landed.map(\.path) + loaded }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(1))
        let targets = try await tester.waits().map(\.target).sorted()
        #expect(targets.count == 4 && targets[0].contains("/in/a") && targets[3].contains("/in/b.ready"), "\(targets)")
        for name in ["b.ready", "b", "b.done", "a", "a.done"] {
            try await tester.files.write("/in/\(name)", "x")
            try await tester.advance(by: .minutes(1))
        }
        #expect(try await tester.waits().map(\.taskID) == ["landed"])
        try await tester.files.write("/in/a.ready", "x")
        try await tester.finish(atMost: .hours(1))
        #expect(
            try await tester.output(of: "sum", as: [String].self, in: run) == [
                "/in/a.ready", "/in/b.ready", "/in/a 1 /in/a.done", "/in/b 2 /in/b.done",
            ])
    }

    @Test("the first wait times out like any other, and each try begins with it anew")
    func timeout() async throws {
        let begun = Mutex(0)
        let dag = DAG("d") { dag in
            dag.task(
                "load", startFrom: .event("go"), startTimeout: .minutes(10), retries: 1, retryDelay: .minutes(5)
            ) { _, event in
                begun.withLock { $0 += 1 }
                return try event.decode(Int.self)
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(11))
        #expect(try await tester.state(of: "load", in: run) == .upForRetry)
        #expect(begun.withLock { $0 } == 0)
        try await tester.advance(by: .minutes(5))
        #expect(try await tester.state(of: "load", in: run) == .deferred)
        try await tester.emit("go", payload: 7)
        try await tester.finish(atMost: .minutes(5))
        #expect(try await tester.output(of: "load", as: Int.self, in: run) == 7)
        #expect(begun.withLock { $0 } == 1)
    }

    @Test("a task that is cancelled while it waits first cleans up, and its code never begins")
    func cancelled() async throws {
        let begun = Mutex(0)
        let cleaned = Mutex(0)
        let dag = DAG("d") { dag in
            dag.task(
                "load", startFrom: .event("go"), onKill: { _ in cleaned.withLock { $0 += 1 } },
                run: { _, _ in begun.withLock { $0 += 1 } })
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("d")
        try await tester.settle()
        #expect(try await tester.cancel(run))
        try await tester.finish(atMost: .minutes(5))
        #expect(try await tester.state(of: "load", in: run) != .success)
        #expect(begun.withLock { $0 } == 0)
        #expect(cleaned.withLock { $0 } == 1)
    }

    @Test("an element without what its template wants fails its instance alone, and says which name it is")
    func missing() async throws {
        let dag = DAG("d") { dag in
            let names = dag.task("names") { _ in [["path": "/in/a"], ["name": "/in/b"]] }
            dag.sensor("landed", .file("{{ element.path }}"), over: names)
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("d")
        try await tester.files.write("/in/a", "x")
        try await tester.finish(atMost: .hours(1))
        let instances = try await tester.tasks(of: run).filter { $0.taskID == "landed" }
        #expect(instances.map(\.state) == [.success, .failed])
        #expect(instances[1].message?.contains("element.path is not in the element") == true, "\(instances)")
    }

    @Test("what is declared wrongly is said where it stands")
    func problems() {
        let dag = DAG("d") { dag in
            dag.sensor("alone", .file("/in/{{ element }}"))
            dag.task("never", startFrom: .file("/in/{{ nonsense }}"), startTimeout: .seconds(0)) { _, _ in }
        }
        let problems = DAG.problems(in: [dag]).map(\.description)
        #expect(problems.count == 3, "\(problems)")
        #expect(problems.contains { $0.contains("'element' is for mapped tasks") })
        #expect(problems.contains { $0.contains("startTimeout") })
        #expect(problems.contains { $0.contains("'nonsense' is unknown") })
    }
}
