// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchMetastore
import PerchSDK
import PerchTesting
import Testing

@Suite("Assets", .timeLimit(.minutes(1)))
struct AssetTests {
    @Test("The success of a task that updates an asset ends the waits for it; a failure does not")
    func updates() async throws {
        let maker = DAG("maker", params: ["fail": false]) { dag in
            let rows = dag.task("rows", outlets: ["db://rows"]) { context in
                if try context.param("fail", as: Bool.self) { throw NonRetryable("no rows") }
                return [1, 2]
            }
            dag.map("report", over: rows, outlets: ["s3://report", "s3://index"]) { _, row in row }
        }
        let user = DAG("user") { dag in
            let rows = dag.sensor("rows", .asset("db://rows"))
            dag.sensor("index", .asset("s3://index"))
            dag.sensor("other", .asset("db://row"), timeout: .hours(1), softFail: true)
            dag.task("told", rows) { _, event in "\(event.asset.name) by \(event.dagID ?? "?").\(event.taskID ?? "?")" }
        }
        let tester = try DAGTester(dags: maker, user)
        let run = try await tester.trigger("user")
        _ = try await tester.trigger("maker", params: ["fail": true])
        try await tester.settle()
        #expect(try await tester.state(of: "rows", in: run) == .deferred)
        let made = try await tester.trigger("maker")
        try await tester.settle()
        try await tester.crash()
        try await tester.settle()
        #expect(try await tester.state(of: made) == .success)
        #expect(try await tester.output(of: "told", as: String.self, in: run) == "db://rows by maker.rows")
        #expect(try await tester.state(of: "index", in: run) == .success)
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.state(of: "other", in: run) == .skipped)
        await tester.close()
    }

    @Test("Each success is one update, of a mapped task its whole; updates come from outside, too, and from before")
    func counted() async throws {
        let maker = DAG("maker") { dag in
            let rows = dag.task("rows") { _ in [1, 2, 3] }
            dag.map("each", over: rows, outlets: ["a"]) { _, row in row }
        }
        let user = DAG("user") { dag in
            dag.task("waits") { context in
                let first = try await context.wait(for: .asset("a", since: .ago(.hours(1))))
                let second = try await context.wait(for: .asset("a"))
                return [first.taskID ?? "outside", second.taskID ?? "outside"]
            }
        }
        let tester = try DAGTester(dags: maker, user)
        _ = try await tester.trigger("maker")
        try await tester.settle()
        let run = try await tester.trigger("user")
        try await tester.settle()
        #expect(try await tester.state(of: "waits", in: run) == .deferred)
        try await tester.emit("asset", key: "a")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "waits", as: [String].self, in: run) == ["each", "outside"])
        await tester.close()
    }

    @Test("A name that is none is a problem of the declaration")
    func problems() {
        let dag = DAG("d") { dag in
            dag.task("a", outlets: [""]) { _ in }
            dag.sensor("b", .asset(Asset(String(repeating: "x", count: 501))))
        }
        #expect(dag.problems.count == 2)
        #expect(dag.problems.map(\.description).allSatisfy { $0.contains("the name of an asset is 1 to 500 bytes") })
    }

    @Test("What a task updates is stored with its DAG")
    func stored() throws {
        let dag = DAG("d") { dag in dag.task("a", outlets: ["x", "y"]) { _ in } }
        let task = try TaskDefinition(json: dag.definition.tasks[0].json)
        #expect(task.outlets == ["x", "y"] && task == dag.definition.tasks[0])
    }
}
