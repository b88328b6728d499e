// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Synchronization
import Testing

@Suite("Mapped groups in runs")
struct MappedGroupTests {
    private final class Heard: Sendable {
        let lines = Mutex<[String]>([])
    }

    struct Checked: Codable, Sendable { var size: Int }

    private func tester(_ build: @escaping (borrowing DAGBuilder) -> Void) throws -> DAGTester {
        try DAGTester(dags: DAG("d") { build($0) }, at: "2026-01-01T00:00:00Z")
    }

    @Test("A thousand elements each go their way, and what follows has their results in order")
    func order() async throws {
        let tester = try tester { dag in
            let numbers = dag.task("list") { _ in Array(0..<1_000) }
            let stored = dag.mapGroup("load", over: numbers) { group, number in
                let checked = group.task("check", number) { context, number in
                    #expect(context.mapIndex == number)
                    return Checked(size: number * 2)
                }
                return group.task("store", number, checked) { context, number, checked in checked.size + number }
            }
            dag.task("report", stored) { _, stored in stored == (0..<1_000).map { $0 * 3 } }
        }
        let run = try await tester.trigger("d")
        try await tester.finish(atMost: .minutes(5))
        #expect(try await tester.output(of: "report", as: Bool.self, in: run))
        #expect(try await tester.output(of: "load.store", as: [Int].self, in: run).count == 1_000)
    }

    @Test("An element goes ahead of one that waits; it fails, is tried again and is cleared alone")
    func alone() async throws {
        let stored = Heard()
        let tester = try tester { dag in
            let numbers = dag.task("list") { _ in [0, 1, 2] }
            dag.mapGroup("load", over: numbers) { group, number in
                let checked = group.task("check", number, retries: 1, retryDelay: .seconds(1)) { context, number in
                    if number == 0 { try await context.sleep(for: .hours(1)) }
                    if number == 1 || context.tryNumber == 1 { throw RetryAfter(.seconds(1), "no \(number)") }
                    return number * 10
                }
                group.task("store", number, checked) { context, number, checked in
                    stored.lines.withLock { $0.append("\(number): \(checked) at \(context.tryNumber)") }
                }
            }
        }
        let run = try await tester.trigger("d")
        try await tester.advance(by: .minutes(5))
        #expect(try await tester.state(of: "load.store", in: run, mapIndex: 2) == .success)
        #expect(try await tester.state(of: "load.check", in: run, mapIndex: 0) == .deferred)
        #expect(try await tester.state(of: "load.store", in: run, mapIndex: 1) == .upstreamFailed)
        try await tester.finish(atMost: .hours(5))
        #expect(stored.lines.withLock { $0 } == ["2: 20 at 1", "0: 0 at 1"])
        try await tester.clear("load.check", in: run, mapIndex: 2)
        try await tester.finish(atMost: .hours(5))
        #expect(stored.lines.withLock { $0.last } == "2: 20 at 2")
        #expect(try await tester.states(of: run)["load.check[0]"] == .success)
    }

    @Test("Branches, short circuits and groups inside decide for their element; an empty list skips all")
    func decisions() async throws {
        let tester = try tester { dag in
            let numbers = dag.task("list") { context in try context.param("many") ? [1, 2, 3] : [] as [Int] }
            let done = dag.mapGroup("each", over: numbers) { group, number in
                let isOdd = group.task("is_odd", number) { _, number in number % 2 == 1 }
                let odd = group.task("odd", after: isOdd.when(true)) { _ in }
                let isOne = group.task("is_one", number, after: odd) { _, number in number == 1 }
                group.shortCircuit(isOne)
                return group.group("inner", after: isOne) { inner in
                    inner.task("last", number, triggerRule: .allDone) { _, number in number }
                }.value
            }
            dag.task("report", done.optionalElements(), triggerRule: .allDone) { _, numbers in numbers }
        }
        let run = try await tester.trigger("d", params: ["many": true])
        try await tester.finish(atMost: .minutes(1))
        let states = try await tester.states(of: run)
        #expect(states["each.odd[0]"] == .success && states["each.odd[1]"] == .skipped)
        #expect(states["each.inner.last[0]"] == .success)
        // Its short circuit was skipped, and cut nothing short; the third one gave false.
        #expect(states["each.inner.last[1]"] == .success && states["each.inner.last[2]"] == .skipped)
        #expect(try await tester.output(of: "report", as: [Int?].self, in: run) == [1, 2, nil])
        let empty = try await tester.trigger("d", params: ["many": false])
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.states(of: empty)["each.inner.last"] == .skipped)
        #expect(try await tester.state(of: "report", in: empty) == .success)
    }

    @Test("Sensors and first waits of the group have the element of their instance")
    func waits() async throws {
        let tester = try tester { dag in
            let names = dag.task("list") { _ in ["a", "b"] }
            let sizes = dag.mapGroup("load", over: names) { group, name in
                let landed = group.sensor("landed", .file("/in/{{ element }}.csv"))
                return group.task("size", name, landed, startFrom: .event("{{ element }}.ready")) { _, _, name, file in
                    "\(name) \(file.path)"
                }
            }
            dag.task("report", sizes) { _, sizes in sizes }
        }
        let run = try await tester.trigger("d")
        try await tester.advance(by: .seconds(1))
        try await tester.files.write("/in/b.csv", "x")
        try await tester.advance(by: .minutes(1))
        #expect(try await tester.state(of: "load.size", in: run, mapIndex: 1) == .deferred)
        #expect(try await tester.state(of: "load.size", in: run, mapIndex: 0) == TaskState.none)
        try await tester.files.write("/in/a.csv", "x")
        try await tester.emit("a.ready")
        try await tester.emit("b.ready")
        try await tester.finish(atMost: .minutes(5))
        #expect(try await tester.output(of: "report", as: [String].self, in: run) == ["a /in/a.csv", "b /in/b.csv"])
    }
}
