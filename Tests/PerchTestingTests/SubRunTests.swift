// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("Runs of other DAGs, and pairs to map over")
struct SubRunTests {
    private struct Sum: Codable, Sendable, Equatable {
        var total: Int
    }

    /// Adds up to a param; fails where it is negative.
    private static let child = DAG("sums", params: ["upTo": .integer(), "label": "none"]) { dag in
        let numbers = dag.task("numbers") { context -> [Int] in
            let most = try context.param("upTo", as: Int.self)
            if most < 0 { throw NonRetryable("below zero") }
            return Array(0...most)
        }
        dag.task("sum", numbers) { _, numbers in Sum(total: numbers.reduce(0, +)) }
        dag.sensor("later", .after(.hours(1)), after: numbers)
    }

    @Test("A task starts a run of another DAG with rendered params, takes no worker, and gives its task's output")
    func result() async throws {
        let parent = DAG("parent", params: ["label": "x"]) { dag in
            let sum = dag.run(
                "sub", of: "sums", outputOf: "sum", as: Sum.self,
                params: ["upTo": 4, "label": "{{ params.label }}-{{ ds }}"])
            dag.task("use", sum) { _, sum in sum.total * 2 }
            dag.run("whole", of: "sums", params: ["upTo": 1])
        }
        let tester = try DAGTester(dags: parent, Self.child, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("parent")
        try await tester.crash()
        #expect(try await tester.output(of: "use", as: Int.self, in: run) == 20)
        #expect(try await tester.state(of: "whole", in: run) == .deferred)
        let children = try await tester.runs(of: "sums")
        #expect(children.count == 2)
        #expect(children.contains { $0.runID == "started__parent__\(run.runID)__sub__-1__1" })
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.output(of: "whole", as: RunEvent.self, in: run).state == .success)
        #expect(try await tester.state(of: run) == .success)
    }

    @Test("A run that fails fails the task, and a retry starts another; wrong params and no such DAG are said")
    func failures() async throws {
        let parent = DAG("parent") { dag in
            dag.run("fails", of: "sums", params: ["upTo": -1], retries: 1, retryDelay: .seconds(5))
            dag.run("wrong", of: "sums", params: ["upTo": "many"])
            dag.run("nobody", of: "missing")
        }
        let tester = try DAGTester(dags: parent, Self.child)
        let run = try await tester.trigger("parent")
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.task("wrong", in: run).message?.contains("'upTo' is an integer") == true)
        #expect(try await tester.task("nobody", in: run).message?.contains("no DAG 'missing'") == true)
        let failed = try await tester.task("fails", in: run)
        #expect(failed.state == .failed && failed.message?.contains("ended as failed") == true)
        #expect(try await tester.states(of: run).values.allSatisfy { $0 == .failed })
    }

    @Test("A product has every pair, a zip has them side by side, and fails where one is longer")
    func pairs() async throws {
        let dag = DAG("pairs") { dag in
            let letters = dag.task("letters") { _ in ["a", "b"] }
            let numbers = dag.task("numbers") { _ in [1, 2] }
            let many = dag.task("many") { _ in [1, 2, 3] }
            dag.map("cross", over: dag.product(letters, numbers)) { _, pair in "\(pair.first)\(pair.second)" }
            dag.map("beside", over: dag.zip(letters, numbers)) { _, pair in "\(pair.first)\(pair.second)" }
            dag.map("uneven", over: dag.zip(letters, many)) { _, pair in pair.second }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("pairs")
        try await tester.finish(atMost: .minutes(1))
        func outputs(_ task: String, _ count: Int) async throws -> [String] {
            var found: [String] = []
            for index in 0..<count {
                found.append(try await tester.output(of: task, as: String.self, in: run, mapIndex: index))
            }
            return found
        }
        #expect(try await outputs("cross", 4) == ["a1", "a2", "b1", "b2"])
        #expect(try await outputs("beside", 2) == ["a1", "b2"])
        let uneven = try await tester.task("letters_with_many", in: run)
        #expect(uneven.message == "'letters' has 2 elements and 'many' 3; as many are needed of each")
    }
}
