// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("Long outputs")
struct LongOutputTests {
    enum Way: String, Codable { case left, right }

    private static let long = String(repeating: "long ", count: 40_000)

    @Test("What is too long for a row reaches inputs, mapped tasks, their templates, branches and other DAGs")
    func everywhere() async throws {
        let inner = DAG("inner") { dag in
            dag.task("give") { _ in Self.long + "from inside" }
        }
        let outer = DAG("outer") { dag in
            let words = dag.task("words") { _ in ["short", Self.long] }
            let each = dag.map("each", over: words) { context, word in
                word + (try await context.render("{{ element | length }}"))
            }
            dag.task("lengths", words, each) { _, words, each in words.map(\.count) + each.map(\.count) }
            let event = dag.sensor("event", .event("go", key: "{{ element | last }}"), over: words)
            dag.task("events", event) { _, events in events.map { $0.key ?? "" } }
            let inside = dag.run("inside", of: "inner", outputOf: "give", as: String.self)
            dag.task("inside_length", inside) { _, text in text.count }
            let ways = dag.task("ways") { _ in [Way](repeating: .left, count: 20_000) }
            dag.task("left", after: ways.when(.left)) { _ in "taken" }
            dag.task("right", after: ways.when(.right)) { _ in "taken" }
        }
        let tester = try DAGTester(dags: inner, outer, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("outer")
        try await tester.emit("go", key: "t")
        try await tester.emit("go", key: " ")
        try await tester.finish(atMost: .minutes(5))
        let states = try await tester.states(of: run)
        #expect(states["left"] == .success && states["right"] == .skipped, "\(states)")
        let length = Self.long.count
        #expect(
            try await tester.output(of: "lengths", as: [Int].self, in: run) == [5, length, 6, length + 6], "\(states)")
        #expect(try await tester.output(of: "inside_length", as: Int.self, in: run) == length + "from inside".count)
        #expect(try await tester.output(of: "events", as: [String].self, in: run) == ["t", " "])
        #expect(try await tester.output(of: "words", as: [String].self, in: run) == ["short", Self.long])
        #expect(try await tester.output(of: "each", as: [String].self, in: run)[1] == Self.long + "\(length)")
        #expect(try await tester.output(of: "each", as: String.self, in: run, mapIndex: 1) == Self.long + "\(length)")
    }

    @Test("A long output outlives a kill -9 of the engine and of the bundle")
    func crash() async throws {
        let dag = DAG("d") { dag in
            let words = dag.task("words") { _ in Self.long }
            dag.task("count", words) { context, words in
                try await context.sleep(for: .hours(1))
                return words.count
            }
        }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(1))
        try await tester.crash()
        try await tester.finish(atMost: .hours(3))
        #expect(try await tester.output(of: "count", as: Int.self, in: run) == Self.long.count)
    }
}
