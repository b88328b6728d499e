// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Testing

@Suite("Composite waits in a whole engine")
struct CompositeTests {
    private static let any = DAG("any") { dag in
        let first = dag.sensor("first", EventTrigger.event("go").or(.file("/in/a")), timeout: .days(1))
        dag.task("act", first) { _, first -> String in
            switch first {
            case .first(let event): "event \(event.eventID)"
            case .second(let file): "file \(file.path)"
            }
        }
    }

    @Test("The first of two wins, and its event is typed", arguments: [true, false])
    func either(isEvent: Bool) async throws {
        let tester = try DAGTester(dags: Self.any)
        let run = try await tester.trigger("any")
        try await tester.advance(by: .hours(1))
        #expect(try await tester.waits().map(\.kind) == ["composite"])
        if isEvent {
            try await tester.emit("go", id: "e1")
        } else {
            try await tester.files.write("/in/a", "x")
        }
        try await tester.finish(atMost: .minutes(1))
        let said = try await tester.output(of: "act", as: String.self, in: run)
        #expect(said == (isEvent ? "event e1" : "file /in/a"))
        #expect(try await tester.waits().isEmpty)
    }

    @Test("All of several may come in any order, over crashes; what came and went counts")
    func all() async throws {
        let dag = DAG("all") { dag in
            dag.task("work") { context -> String in
                let (file, event, time) = try await context.wait(
                    forAll: .file("/in/a"), .event("go", key: "k"), .after(.hours(5)), timeout: .days(1))
                return "\(file.path) \(event.eventID) \(time.dueAt)"
            }
        }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:00:00Z")
        let run = try await tester.trigger("all")
        try await tester.advance(by: .minutes(30))
        try await tester.files.write("/in/a", "x")
        try await tester.advance(by: .minutes(5))
        try await tester.files.remove("/in/a")
        try await tester.crash(powerLoss: true)
        try await tester.advance(by: .minutes(5))
        try await tester.emit("go", key: "other", id: "wrong")
        try await tester.emit("go", key: "k", id: "right")
        try await tester.crash()
        try await tester.advance(by: .hours(4))
        #expect(try await tester.state(of: "work", in: run) == .deferred)
        try await tester.finish(atMost: .hours(1))
        let said = try await tester.output(of: "work", as: String.self, in: run)
        #expect(said.hasPrefix("/in/a right 2026-01-01T05:00:0"), "\(said)")
    }

    @Test("Events from before the wait count for each member, in the order in which they came")
    func past() async throws {
        let dag = DAG("past") { dag in
            dag.task("work") { context -> [String?] in
                try await context.sleep(for: .hours(1))
                let (a, b) = try await context.wait(forAny: .event("a"), .event("b"))
                return [a?.eventID, b?.eventID]
            }
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("past")
        try await tester.emit("b", id: "b1")
        try await tester.emit("a", id: "a1")
        try await tester.finish(atMost: .hours(2))
        #expect(try await tester.output(of: "work", as: [String?].self, in: run) == [nil, "b1"])
    }

    private static let watchdog = DAG("watchdog") { dag in
        dag.sensor("silence", .not(.event("beat"), within: .hours(1)), timeout: .days(2))
    }

    @Test("Silence is noticed at the end of its time; what comes in time fails the sensor and says so")
    func silence() async throws {
        let quiet = try DAGTester(dags: Self.watchdog)
        let run = try await quiet.trigger("watchdog")
        try await quiet.advance(by: .minutes(59))
        #expect(try await quiet.state(of: "silence", in: run) == .deferred)
        try await quiet.finish(atMost: .minutes(2))
        #expect(try await quiet.state(of: "silence", in: run) == .success)

        let loud = try DAGTester(dags: Self.watchdog)
        let other = try await loud.trigger("watchdog")
        try await loud.advance(by: .minutes(59))
        try await loud.emit("beat", id: "1")
        try await loud.finish(atMost: .minutes(2))
        let task = try await loud.task("silence", in: other)
        #expect(task.state == .failed)
        #expect(task.message?.contains("event beat came at") == true, "\(task.message ?? "")")
    }

    @Test("In an any, what can never come any more leaves the others their chance; a timeout ends it")
    func others() async throws {
        let dag = DAG("others") { dag in
            dag.sensor("go", .any(.not(.event("beat"), within: .hours(1)), .event("late")), timeout: .hours(3))
            dag.sensor(
                "never", .all(.event("beat"), .event("never")), timeout: .hours(3), softFail: true)
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("others")
        try await tester.advance(by: .minutes(10))
        try await tester.emit("beat")
        try await tester.advance(by: .hours(2))
        #expect(try await tester.state(of: "go", in: run) == .deferred)
        try await tester.emit("late")
        try await tester.settle()
        #expect(try await tester.state(of: "go", in: run) == .success)
        try await tester.finish(atMost: .hours(1))
        #expect(try await tester.state(of: "never", in: run) == .skipped)
    }

    @Test("Templates of members are filled in, and a member of a kind that cannot be one fails the task")
    func members() async throws {
        let dag = DAG("members") { dag in
            dag.sensor("dated", .any(.file("/in/{{ ds }}.csv"), .after(.days(1))))
        }
        let tester = try DAGTester(dags: dag)
        let run = try await tester.trigger("members", logicalDate: "2026-02-03")
        try await tester.files.write("/in/2026-02-03.csv", "x")
        try await tester.finish(atMost: .minutes(1))
        #expect(try await tester.output(of: "dated", as: CompositeEvent.self, in: run).met.map(\.member) == [0])
    }
}
