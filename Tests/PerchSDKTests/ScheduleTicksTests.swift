// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@Suite("Ticks of several crons, and of intervals")
struct ScheduleTicksTests {
    private func ticks(_ schedule: Schedule, from start: String? = nil) throws -> ScheduleTicks {
        #expect(schedule.problem == nil)
        return try #require(try schedule.definition.ticks(from: try start.map { try Timestamp(parsing: $0) }))
    }

    private func next(_ ticks: ScheduleTicks, after instant: String, _ count: Int) throws -> [String] {
        var found: [String] = []
        var instant = try Timestamp(parsing: instant)
        for _ in 0..<count {
            instant = try #require(ticks.next(after: instant))
            found.append(instant.description)
        }
        return found
    }

    @Test("several crons tick at each of their instants, once where they meet")
    func several() throws {
        let ticks = try ticks(.cron("0 6 * * mon-fri", "0 9 * * sat,sun", "0 6 1 * *", timeZone: "Europe/Paris"))
        // 30 January 2026 is a Friday, 1 June a Monday.
        #expect(
            try next(ticks, after: "2026-01-30T00:00:00Z", 4) == [
                "2026-01-30T05:00:00Z", "2026-01-31T08:00:00Z", "2026-02-01T05:00:00Z", "2026-02-01T08:00:00Z",
            ])
        #expect(
            try next(ticks, after: "2026-05-31T12:00:00Z", 2) == ["2026-06-01T04:00:00Z", "2026-06-02T04:00:00Z"])
        let interval = ticks.dataInterval(endingAt: try Timestamp(parsing: "2026-02-01T08:00:00Z"))
        #expect(interval.start.description == "2026-02-01T05:00:00Z")
    }

    @Test("presets stand among several, too, but those that are no cron expression")
    func severalPresets() throws {
        let ticks = try ticks(.cron("@daily", "@hourly"))
        #expect(try next(ticks, after: "2026-01-01T22:30:00Z", 2) == ["2026-01-01T23:00:00Z", "2026-01-02T00:00:00Z"])
        #expect(Schedule.cron("@hourly", "@once").problem?.contains("unknown preset '@once'") == true)
    }

    @Test("an interval is counted from the start of the DAG, to both sides")
    func intervals() throws {
        let ticks = try ticks(.every(.minutes(90)), from: "2026-03-01T00:10:00Z")
        #expect(
            try next(ticks, after: "2026-03-01T00:10:00Z", 2) == ["2026-03-01T01:40:00Z", "2026-03-01T03:10:00Z"])
        #expect(try next(ticks, after: "2026-02-28T23:00:00Z", 1) == ["2026-03-01T00:10:00Z"])
        #expect(try next(ticks, after: "2026-02-28T22:39:59Z", 1) == ["2026-02-28T22:40:00Z"])
        let tick = try Timestamp(parsing: "2026-03-01T00:10:00Z")
        #expect(ticks.previous(before: tick)?.description == "2026-02-28T22:40:00Z")
        #expect(ticks.previous(before: tick + .seconds(1)) == tick)
        #expect(ticks.next(after: tick + .seconds(-1)) == tick)
        #expect(ticks.dataInterval(endingAt: tick).start.description == "2026-02-28T22:40:00Z")
    }

    @Test("without a start it is counted from 1970, and clock changes do not move it")
    func plainInterval() throws {
        let ticks = try ticks(.every(.hours(6)))
        #expect(
            try next(ticks, after: "2026-03-28T13:00:00Z", 3) == [
                "2026-03-28T18:00:00Z", "2026-03-29T00:00:00Z", "2026-03-29T06:00:00Z",
            ])
        #expect(ticks.next(after: Timestamp(microseconds: .max)) == nil)
    }

    @Test("it is stored and read again")
    func coding() throws {
        for schedule: Schedule in [.every(.days(2)), .cron("0 6 * * *", "30 18 * * fri#1", timeZone: "Asia/Tokyo")] {
            #expect(try ScheduleDefinition(parsing: schedule.definition.text) == schedule.definition)
        }
    }

    @Test(
        "what cannot be is refused where it is declared",
        arguments: [
            (Schedule.every(.milliseconds(999)), "every second"), (.every(.zero), "every second"),
            (.cron("0 6 * * *", "0 25 * * *"), "25 is out of range"), (.cron(), "0 fields"),
            (.cron("0 6 * * *;"), "0 fields"),
        ])
    func problems(_ schedule: Schedule, _ words: String) {
        #expect(schedule.problem?.contains(words) == true, "\(schedule.problem ?? "none")")
    }

    @Test("an interval from elsewhere that is too short is refused")
    func wrong() {
        #expect(throws: PerchError.self) { try ScheduleDefinition(parsing: #"{"every": 5}"#) }
        #expect(throws: PerchError.self) { try ScheduleDefinition(parsing: #"{"every": "1h"}"#) }
    }

    private func ticks(_ schedule: Schedule, of dagID: String) throws -> ScheduleTicks {
        let dag = DAG(dagID, schedule: schedule) { _ in }
        #expect(dag.problems.isEmpty, "\(dag.problems)")
        // As it is stored and read again.
        return try #require(try DAGDefinition(parsing: dag.definition.text).ticks())
    }

    @Test("a cron of six fields begins with the seconds, also where the clock changes")
    func seconds() throws {
        let ticks = try ticks(.cron("*/20 59 1 * * *", timeZone: "Europe/Paris"))
        #expect(
            try next(ticks, after: "2026-03-28T00:59:20Z", 4) == [
                "2026-03-28T00:59:40Z", "2026-03-29T00:59:00Z", "2026-03-29T00:59:20Z", "2026-03-29T00:59:40Z",
            ])
        // Skipped wall times tick once, at the end of the gap.
        let skipped = try self.ticks(.cron("10,40 30 2 * * *", timeZone: "Europe/Paris"))
        #expect(
            try next(skipped, after: "2026-03-28T01:30:40Z", 3) == [
                "2026-03-29T01:00:00Z", "2026-03-30T00:30:10Z", "2026-03-30T00:30:40Z",
            ])
        let everySecond = try self.ticks(.cron("* * * * * *"))
        let instant = try Timestamp(parsing: "2026-03-01T00:00:59.5Z")
        #expect(everySecond.next(after: instant)?.description == "2026-03-01T00:01:00Z")
        #expect(everySecond.previous(before: instant)?.description == "2026-03-01T00:00:59Z")
        let previous = ticks.previous(before: try Timestamp(parsing: "2026-03-29T00:59:20Z"))
        #expect(previous?.description == "2026-03-29T00:59:00Z")
        #expect(Schedule.cron("60 * * * * *").problem?.contains("second '60'") == true)
        #expect(Schedule.cron("* * * * * * *").problem?.contains("7 fields") == true)
    }

    @Test("a calendar leaves out the ticks of other days, by the clock of the zone, and the interval reaches over them")
    func calendar() throws {
        let schedule = Schedule.cron("0 22 * * *", timeZone: "America/New_York").on(
            .workdays(except: "12-25", "2026-12-28"))
        let ticks = try ticks(schedule, of: "d")
        // 24 December 2026 is a Thursday.
        #expect(
            try next(ticks, after: "2026-12-24T00:00:00Z", 4) == [
                "2026-12-24T03:00:00Z", "2026-12-25T03:00:00Z", "2026-12-30T03:00:00Z", "2026-12-31T03:00:00Z",
            ])
        let tick = try Timestamp(parsing: "2026-12-30T03:00:00Z")
        #expect(ticks.dataInterval(endingAt: tick).start.description == "2026-12-25T03:00:00Z")
        let minutes = try self.ticks(.cron("*/30 * * * *").on(.dates("2026-02-01", "03-01")), of: "d")
        #expect(
            try next(minutes, after: "2026-02-01T23:29:00Z", 2) == ["2026-02-01T23:30:00Z", "2026-03-01T00:00:00Z"])
        #expect(
            minutes.previous(before: try Timestamp(parsing: "2026-03-01T00:00:00Z"))?.description
                == "2026-02-01T23:30:00Z")
        let never = try self.ticks(.daily.on(DayCalendar(weekdays: [.monday], only: ["2026-02-01"])), of: "d")
        #expect(never.next(after: tick) == nil)
    }

    @Test("a calendar or a jitter that means nothing is said to")
    func wrongCalendars() {
        let wrong: [(Schedule, String)] = [
            (.daily.on(.workdays(except: "25.12.")), "'25.12.'"), (.daily.on(.dates("02-30")), "'02-30'"),
            (.daily.on(DayCalendar(weekdays: [])), "no day"), (.once.on(.workdays()), "by time"),
            (.event("e").jitter(.minutes(1)), "by time"), (.daily.jitter(.seconds(-1)), "from 0"),
        ]
        for (schedule, words) in wrong {
            #expect(schedule.problem?.contains(words) == true, "\(words): \(schedule.problem ?? "")")
        }
    }
}
