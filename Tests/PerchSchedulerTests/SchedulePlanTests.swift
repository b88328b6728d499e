// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchScheduler

@Suite("Plans of runs by their schedules")
struct SchedulePlanTests {
    /// A step by texts; `""` is nil.
    private func step(
        _ schedule: ScheduleDefinition, start: String = "", end: String = "", catchup: Bool = false, most: Int = 16,
        last: String = "", planned: String = "", now: String, unfinished: Int = 0, limit: Int = 100
    ) throws -> ScheduleStep {
        var definition = DAGDefinition(dagID: "d", schedule: schedule)
        definition.start = try instant(start)
        definition.end = try instant(end)
        definition.catchup = catchup
        definition.maxActiveRuns = most
        return try SchedulePlan(definition).step(
            lastScheduled: try instant(last), planned: try instant(planned), now: try #require(try instant(now)),
            unfinished: unfinished, limit: limit)
    }

    private func instant(_ text: String) throws -> Timestamp? {
        text.isEmpty ? nil : try Timestamp(parsing: text)
    }

    private func dates(_ step: ScheduleStep) -> [String] { step.runs.map(\.logicalDate.description) }

    private let daily = ScheduleDefinition.cron(expression: "0 6 * * *", timeZone: "UTC")
    private let hourly = ScheduleDefinition.cron(expression: "0 * * * *", timeZone: "UTC")

    @Test("A DAG that is run by hand is never due")
    func byHand() throws {
        #expect(try step(.none, start: "2026-01-01", now: "2026-03-01") == ScheduleStep())
    }

    @Test("A new DAG without a start begins with the next tick")
    func newWithoutStart() throws {
        let step = try step(daily, now: "2026-03-01T12:00:00Z")
        #expect(step.runs.isEmpty)
        #expect(step.next?.description == "2026-03-02T06:00:00Z")
    }

    @Test("A new DAG with a start in the past runs the latest tick, once")
    func newWithStart() throws {
        let step = try step(daily, start: "2026-01-01", now: "2026-03-01T12:00:00Z")
        #expect(dates(step) == ["2026-03-01T06:00:00Z"])
        #expect(step.next?.description == "2026-03-02T06:00:00Z")
        #expect(step.lastScheduled?.description == "2026-03-01T06:00:00Z")
    }

    @Test("An interval is counted from the start, which is its first tick")
    func everySoOften() throws {
        let schedule = ScheduleDefinition.every(.seconds(5_400))
        let step = try step(schedule, start: "2026-03-01T00:10:00Z", catchup: true, now: "2026-03-01T03:30:00Z")
        #expect(dates(step) == ["2026-03-01T00:10:00Z", "2026-03-01T01:40:00Z", "2026-03-01T03:10:00Z"])
        #expect(step.runs.first?.intervalStart.description == "2026-02-28T22:40:00Z")
        #expect(step.next?.description == "2026-03-01T04:40:00Z")
    }

    @Test("A start in the future is waited for; a tick at the start itself counts")
    func futureStart() throws {
        let early = try step(daily, start: "2026-05-01T06:00:00Z", now: "2026-03-01")
        #expect(early.runs.isEmpty)
        #expect(early.next?.description == "2026-05-01T06:00:00Z")
    }

    @Test("A tick covers the time since the tick before it")
    func interval() throws {
        let run = try #require(
            try step(daily, planned: "2026-03-02T06:00:00Z", now: "2026-03-02T06:00:00Z").runs.first)
        #expect(run.intervalStart.description == "2026-03-01T06:00:00Z")
        #expect(run.intervalEnd.description == "2026-03-02T06:00:00Z")
    }

    @Test("Without catch-up only the latest of the missed ticks is run")
    func latestOnly() throws {
        let step = try step(
            hourly, last: "2026-03-01T00:00:00Z", planned: "2026-03-01T01:00:00Z", now: "2026-03-03T10:30:00Z")
        #expect(dates(step) == ["2026-03-03T10:00:00Z"])
        #expect(step.next?.description == "2026-03-03T11:00:00Z")
    }

    @Test("With catch-up every missed tick from the start on is run, in order")
    func everyTick() throws {
        let step = try step(hourly, start: "2026-03-01", catchup: true, now: "2026-03-01T03:30:00Z")
        #expect(
            dates(step) == [
                "2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z",
            ])
        #expect(step.next?.description == "2026-03-01T04:00:00Z")
    }

    @Test("Catch-up stops at the number of active runs, and goes on when one has ended")
    func boundedByActiveRuns() throws {
        let first = try step(hourly, start: "2026-03-01", catchup: true, most: 3, now: "2026-03-02", unfinished: 1)
        #expect(dates(first) == ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"])
        #expect(first.untilRunEnds)
        #expect(first.next?.description == "2026-03-01T02:00:00Z")

        let second = try step(
            hourly, start: "2026-03-01", catchup: true, most: 3, last: "2026-03-01T01:00:00Z",
            planned: "2026-03-01T02:00:00Z", now: "2026-03-02", unfinished: 2)
        #expect(dates(second) == ["2026-03-01T02:00:00Z"])
        #expect(second.untilRunEnds)
    }

    @Test("A step creates no more runs than its transaction has room for; the rest stays due")
    func boundedByLimit() throws {
        let step = try step(hourly, start: "2026-03-01", catchup: true, now: "2026-03-02", limit: 2)
        #expect(step.runs.count == 2)
        #expect(!step.untilRunEnds)
        #expect(step.next?.description == "2026-03-01T02:00:00Z")
    }

    @Test("A step without room gives the next instant alone")
    func noRoom() throws {
        for schedule in [daily, .once, .continuous] {
            let step = try step(schedule, start: "2026-01-01", now: "2026-03-01T12:00:00Z", limit: 0)
            #expect(step.runs.isEmpty)
            #expect(step.next != nil)
            #expect(!step.untilRunEnds)
        }
    }

    @Test("Nothing is run after the end, and ticks before it that were missed still are")
    func end() throws {
        let step = try step(
            daily, end: "2026-03-02T06:00:00Z", planned: "2026-03-01T06:00:00Z", now: "2026-03-05T12:00:00Z")
        #expect(dates(step) == ["2026-03-02T06:00:00Z"])
        #expect(step.next == nil)
        let later = try self.step(daily, end: "2026-03-02", last: "2026-03-01T06:00:00Z", now: "2026-03-05")
        #expect(later == ScheduleStep(lastScheduled: try instant("2026-03-01T06:00:00Z")))
    }

    @Test("A changed schedule goes on after the last run's date and repeats none")
    func changedSchedule() throws {
        let step = try step(hourly, last: "2026-03-01T06:00:00Z", now: "2026-03-01T06:20:00Z")
        #expect(step.runs.isEmpty)
        #expect(step.next?.description == "2026-03-01T07:00:00Z")
    }

    @Test("@once runs once, at its start or as soon as it is seen")
    func once() throws {
        #expect(dates(try step(.once, now: "2026-03-01")) == ["2026-03-01T00:00:00Z"])
        let early = try step(.once, start: "2026-04-01", now: "2026-03-01")
        #expect(early.runs.isEmpty)
        #expect(early.next?.description == "2026-04-01T00:00:00Z")
        let due = try step(.once, start: "2026-04-01", planned: "2026-04-01", now: "2026-04-02")
        #expect(dates(due) == ["2026-04-01T00:00:00Z"])
        #expect(due.next == nil)
        #expect(try step(.once, last: "2026-03-01", now: "2026-04-02").runs.isEmpty)
        #expect(try step(.once, start: "2026-04-01", end: "2026-03-01", now: "2026-05-01").runs.isEmpty)
    }

    @Test("@continuous runs again whenever nothing of the DAG runs any more")
    func continuous() throws {
        let first = try step(.continuous, now: "2026-03-01")
        #expect(first.runs.count == 1)
        #expect(first.untilRunEnds)
        let busy = try step(.continuous, last: "2026-03-01", now: "2026-03-02", unfinished: 1)
        #expect(busy.runs.isEmpty)
        #expect(busy.untilRunEnds)
        let again = try step(.continuous, last: "2026-03-01", now: "2026-03-02")
        #expect(again.runs.map(\.intervalStart.description) == ["2026-03-01T00:00:00Z"])
        let sameInstant = try step(.continuous, last: "2026-03-01", now: "2026-03-01")
        #expect(dates(sameInstant) == ["2026-03-01T00:00:00.000001Z"])
        #expect(try step(.continuous, end: "2026-03-01", now: "2026-03-02") == ScheduleStep())
        #expect(
            try step(.continuous, start: "2026-04-01", now: "2026-03-02").next?.description == "2026-04-01T00:00:00Z")
    }

    @Test("A wall time that spring skips runs at the first instant after the gap, once")
    func spring() throws {
        let schedule = ScheduleDefinition.cron(expression: "30 2 * * *", timeZone: "Europe/Paris")
        let step = try step(
            schedule, catchup: true, planned: "2026-03-28T01:30:00Z", now: "2026-03-30T12:00:00Z")
        #expect(dates(step) == ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"])
    }

    @Test("A wall time that autumn doubles runs once; an hourly schedule runs in both")
    func autumn() throws {
        let nightly = ScheduleDefinition.cron(expression: "30 2 * * *", timeZone: "Europe/Paris")
        let once = try step(nightly, catchup: true, planned: "2026-10-24T00:30:00Z", now: "2026-10-26T12:00:00Z")
        #expect(dates(once) == ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"])
        let every = ScheduleDefinition.cron(expression: "0 * * * *", timeZone: "Europe/Paris")
        let both = try step(every, catchup: true, planned: "2026-10-24T23:00:00Z", now: "2026-10-25T02:00:00Z")
        #expect(
            dates(both) == [
                "2026-10-24T23:00:00Z", "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z",
            ])
    }

    @Test("The latest of a year of missed minutes is found at once")
    func longOutage() throws {
        let minutely = ScheduleDefinition.cron(expression: "* * * * *", timeZone: "UTC")
        let step = try step(minutely, planned: "2025-03-01", now: "2026-03-01T12:34:56Z")
        #expect(dates(step) == ["2026-03-01T12:34:00Z"])
    }

    @Test("A time zone that this machine does not know is an error that names it")
    func unknownZone() throws {
        let error = #expect(throws: PerchError.self) {
            try step(.cron(expression: "0 6 * * *", timeZone: "Mars/Olympus"), now: "2026-03-01")
        }
        #expect(error?.message.contains("Mars/Olympus") == true)
    }

    @Test("With jitter runs come by the same time after each tick, and their dates are the ticks")
    func jitter() throws {
        var definition = DAGDefinition(dagID: "d", schedule: daily)
        definition.jitter = .seconds(600)
        definition.start = try instant("2026-03-01")
        let delay = definition.tickDelay
        #expect(delay > TimeSpan.seconds(0) && delay < .seconds(600))
        let plan = try SchedulePlan(definition)
        func step(_ last: String, _ planned: Timestamp?, _ now: Timestamp) throws -> ScheduleStep {
            plan.step(
                lastScheduled: try instant(last), planned: planned, now: now, unfinished: 0, limit: 10)
        }
        let tick = try #require(try instant("2026-03-02T06:00:00Z"))
        let early = try step("2026-03-01T06:00:00Z", nil, tick)
        #expect(early.runs.isEmpty && early.next == tick + delay)
        let due = try step("2026-03-01T06:00:00Z", early.next, tick + delay)
        #expect(due.runs.map(\.logicalDate) == [tick])
        #expect(due.next == tick + .seconds(86_400) + delay)
        // The engine was down for two days: the last tick alone is run.
        let late = try step("2026-03-01T06:00:00Z", early.next, tick + .seconds(3 * 86_400))
        #expect(dates(late) == ["2026-03-04T06:00:00Z"])
    }

    @Test("With jitter, too, a DAG without a start begins with the next tick")
    func jitterOfANewDAG() throws {
        var definition = DAGDefinition(dagID: "d", schedule: hourly)
        definition.jitter = .seconds(86_400)
        let plan = try SchedulePlan(definition)
        let now = try #require(try instant("2026-03-02T06:30:00Z"))
        let step = plan.step(lastScheduled: nil, planned: nil, now: now, unfinished: 0, limit: 10)
        #expect(step.runs.isEmpty)
        #expect(step.next == (try instant("2026-03-02T07:00:00Z")).map { $0 + definition.tickDelay })
    }

    /// The ticks of a schedule, as code that tells them.
    private struct Told: Timetable {
        let summary = "told"
        var ticks: ScheduleTicks
        func next(after instant: Timestamp) -> Timestamp? { ticks.next(after: instant) }
    }

    @Test("ticks that code tells, a few at a time, give the runs that the same ticks give as a cron schedule")
    func told() throws {
        let ticks = try #require(try daily.ticks(from: nil))
        for (start, end) in [("", ""), ("2026-01-10", ""), ("2026-01-10", "2026-02-20"), ("2026-04-01", "")] {
            for (last, planned) in [("", ""), ("2026-02-10T06:00:00Z", ""), ("", "2026-02-27T06:00:00Z")] {
                // A plan from before the start is none.
                for catchup in [false, true] where planned.isEmpty || start < planned {
                    var cron = DAGDefinition(dagID: "d", schedule: daily)
                    cron.start = try instant(start)
                    cron.end = try instant(end)
                    cron.catchup = catchup
                    cron.maxActiveRuns = 7
                    var told = cron
                    told.schedule = .timetable("told")
                    let now = try #require(try instant("2026-03-01T12:00:00Z"))
                    let wanted = try SchedulePlan(cron).step(
                        lastScheduled: try instant(last), planned: try instant(planned), now: now, unfinished: 2,
                        limit: 100)
                    var links: [StoredTicks.Link] = []
                    var created: [PlannedRun] = []
                    var step = ScheduleStep(lastScheduled: try instant(last))
                    step.next = try instant(planned)
                    for _ in 0..<100 {
                        step = try SchedulePlan(told).step(
                            lastScheduled: step.lastScheduled, planned: step.next, now: now,
                            unfinished: 2 + created.count, limit: 100, stored: StoredTicks(links))
                        created += step.runs
                        guard let after = step.wantedAfter else { break }
                        let answer = try Told(ticks: ticks).ticks(after: after, count: 3)
                        var before = after
                        for tick in answer.ticks {
                            links.append(StoredTicks.Link(after: before, tick: tick))
                            before = tick.at
                        }
                    }
                    let name = "\(start) \(end) \(last) \(planned) \(catchup)"
                    #expect(created.map(\.logicalDate) == wanted.runs.map(\.logicalDate), "\(name)")
                    #expect(step.lastScheduled == wanted.lastScheduled && step.next == wanted.next, "\(name)")
                    #expect(step.wantedAfter == nil && step.untilRunEnds == wanted.untilRunEnds, "\(name)")
                }
            }
        }
    }
}
