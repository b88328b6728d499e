// SPDX-License-Identifier: Apache-2.0

import Perch
import PerchTesting
import Synchronization
import Testing

/// Days of a list, at six.
private struct Days: Timetable {
    let summary = "the days of a list, at six"
    let days: [String]

    func next(after instant: Timestamp) throws -> Timestamp? {
        try days.lazy.map { try Timestamp(parsing: "\($0)T06:00:00Z") }.first { $0 > instant }
    }
}

/// Every hour, for ever; counts how often it is asked.
private final class Hours: Timetable {
    let summary = "every hour"
    let asked = Mutex(0)
    let failures: Mutex<Int>

    init(failures: Int = 0) { self.failures = Mutex(failures) }

    func next(after instant: Timestamp) throws -> Timestamp? {
        asked.withLock { $0 += 1 }
        let fails = failures.withLock { left in
            defer { left = max(0, left - 1) }
            return left > 0
        }
        if fails { throw PerchError(.unavailable, "the calendar is not there") }
        let hour: Int64 = 3_600_000_000
        return Timestamp(microseconds: (instant.microseconds / hour + 1) * hour)
    }

    func dataInterval(of tick: Timestamp) -> (start: Timestamp, end: Timestamp)? {
        (tick + .seconds(-86_400), tick)
    }
}

@Suite("Timetables in code, on the virtual clock")
struct TimetableTests {
    private func dates(_ tester: DAGTester, _ dag: String) async throws -> [String] {
        try await tester.runs(of: dag).map { String($0.runID.dropFirst("scheduled__".count).prefix(16)) }.sorted()
    }

    @Test(
        "runs are created at the ticks that code tells, each with the time since the one before, and none after the last"
    )
    func finite() async throws {
        let days = Days(days: ["2026-01-02", "2026-01-05", "2026-01-06", "2026-01-09"])
        let dag = DAG("d", schedule: .timetable(days), start: "2026-01-03") { dag in
            dag.task("t") { context in "\(context.dataIntervalStart) \(context.dataIntervalEnd)" }
        }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:00:00Z")
        try await tester.advance(by: .days(5))
        #expect(try await dates(tester, "d") == ["2026-01-05T06:00"])
        try await tester.crash()
        try await tester.advance(by: .days(30))
        #expect(try await dates(tester, "d") == ["2026-01-05T06:00", "2026-01-06T06:00", "2026-01-09T06:00"])
        let last = try #require(try await tester.runs(of: "d").first { $0.runID.contains("01-09") })
        #expect(
            try await tester.output(of: "t", as: String.self, in: last) == "2026-01-06T06:00:00Z 2026-01-09T06:00:00Z")
    }

    @Test("of ticks that were missed the latest is run, or each with catch-up, however many have to be asked for")
    func missed() async throws {
        for catchup in [false, true] {
            let dag = DAG(
                "d", schedule: .timetable(Hours()), start: "2025-12-01", catchup: catchup, maxActiveRuns: 1_000
            ) { dag in dag.task("t") { context in context.dataIntervalStart.description } }
            let tester = try DAGTester(dags: dag, at: "2026-01-01T00:30:00Z")
            try await tester.settle()
            let runs = try await dates(tester, "d")
            #expect(runs.count == (catchup ? 31 * 24 + 1 : 1) && runs.last == "2026-01-01T00:00", "\(runs.count)")
            let last = try #require(try await tester.runs(of: "d").first { $0.runID.contains("2026-01-01T00") })
            #expect(try await tester.output(of: "t", as: String.self, in: last) == "2025-12-31T00:00:00Z")
        }
    }

    @Test("a timetable is asked seldom: what it has told is stored") func stored() async throws {
        let hours = Hours()
        let dag = DAG("d", schedule: .timetable(hours)) { dag in dag.task("t") { _ in } }
        let tester = try DAGTester(dags: dag, at: "2026-01-01T00:30:00Z")
        try await tester.advance(by: .days(8))
        #expect(try await dates(tester, "d").count == 8 * 24)
        #expect(hours.asked.withLock { $0 } <= 2 * 201)
    }

    @Test("one that fails is asked again, and other DAGs run meanwhile") func failing() async throws {
        let dag = DAG("d", schedule: .timetable(Hours(failures: 2))) { dag in dag.task("t") { _ in } }
        let other = DAG("other", schedule: .hourly) { dag in dag.task("t") { _ in } }
        let tester = try DAGTester(dags: dag, other, at: "2026-01-01T00:30:00Z")
        // Here a worker looks by itself once an hour.
        try await tester.advance(by: .hours(5))
        #expect(try await dates(tester, "other").count == 5)
        let created = try await dates(tester, "d")
        #expect(created.count == 3, "\(created)")
    }

    @Test("ticks that do not go on, and intervals that end before they begin, are told and start nothing")
    func wrong() async throws {
        struct Stuck: Timetable {
            let summary = "always the same"
            func next(after instant: Timestamp) -> Timestamp? { instant }
        }
        struct Backwards: Timetable {
            let summary = "backwards"
            func next(after instant: Timestamp) -> Timestamp? { instant + .seconds(60) }
            func dataInterval(of tick: Timestamp) -> (start: Timestamp, end: Timestamp)? { (tick, tick + .seconds(-1)) }
        }
        let stuck = DAG("stuck", schedule: .timetable(Stuck())) { dag in dag.task("t") { _ in } }
        let backwards = DAG("backwards", schedule: .timetable(Backwards())) { dag in dag.task("t") { _ in } }
        let tester = try DAGTester(dags: stuck, backwards)
        try await tester.advance(by: .hours(1))
        #expect(try await tester.runs(of: "stuck").isEmpty)
        #expect(try await tester.runs(of: "backwards").isEmpty)
    }

    @Test("a timetable without a summary, and one with a calendar, are refused") func declared() {
        struct Nameless: Timetable {
            let summary = ""
            func next(after instant: Timestamp) -> Timestamp? { nil }
        }
        let nameless = DAG("a", schedule: .timetable(Nameless())) { dag in dag.task("t") { _ in } }
        #expect(nameless.problems.contains { $0.description.contains("the summary of a timetable") })
        let both = DAG("b", schedule: .timetable(Hours()).on(.workdays())) { dag in dag.task("t") { _ in } }
        #expect(both.problems.contains { $0.description.contains("takes no calendar") })
        let jitter = DAG("c", schedule: .timetable(Hours()).jitter(.minutes(5))) { dag in dag.task("t") { _ in } }
        #expect(jitter.problems.isEmpty)
    }
}
