// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchYAML

@Suite("Calendars in YAML")
struct CalendarKeysTests {
    private static func schedule(_ calendar: String, _ when: String = "cron: 0 6 * * *") -> Read {
        Read("id: d\nschedule: {\(when), calendar: \(calendar)}\ntasks: []\n")
    }

    static let table: [(String, DayCalendar)] = [
        ("workdays", DayCalendar.workdays()),
        ("{weekdays: workdays, except: [12-25, 2026-04-06]}", DayCalendar.workdays(except: "12-25", "2026-04-06")),
        ("{only: [01-31, 2026-02-28]}", DayCalendar.dates("01-31", "2026-02-28")),
        ("{except: 12-25}", DayCalendar.everyDay(except: "12-25")),
        ("[mon, Wednesday]", DayCalendar(weekdays: [.monday, .wednesday])),
        (
            "{weekdays: [sat, sunday], except: 02-29}",
            DayCalendar(weekdays: [.saturday, .sunday], except: ["02-29"])
        ),
    ]

    @Test(
        "days of the week and dates are a calendar",
        arguments: table)
    func days(_ text: String, _ calendar: DayCalendar) throws {
        let text = text.replacing("Wednesday", with: "wednesday")
        #expect(try Self.schedule(text).dag().calendar == calendar)
    }

    @Test("ticks of other days are left out, beside events and an interval too")
    func ticks() throws {
        let dag = try Self.schedule("{weekdays: workdays, except: 2026-01-05}").dag()
        var ticks: [String] = []
        var instant = try Timestamp(parsing: "2026-01-01T12:00:00Z")
        for _ in 0..<3 {
            instant = try #require(try dag.ticks()?.next(after: instant))
            ticks.append(instant.description)
        }
        #expect(ticks == ["2026-01-02T06:00:00Z", "2026-01-06T06:00:00Z", "2026-01-07T06:00:00Z"])
        #expect(try Self.schedule("workdays", "every: 6h").dag().calendar == .workdays())
        #expect(try Self.schedule("workdays", "asset: a, cron: '@daily'").dag().calendar == .workdays())
    }

    @Test(
        "what is wrong in a calendar is told at its place",
        arguments: [
            ("{weekdays: weekdays}", "2:50 'weekdays' is no 'weekdays'; did you mean 'workdays'?"),
            ("{weekdays: [mon, frday]}", "2:56 'weekdays[1]' is no 'frday'; did you mean 'friday'?"),
            ("{except: [25-12]}", "2:39 'schedule': the calendar has the date '25-12'; a date is 2026-12-25, or 12-25"),
            ("{except: [2026-02-30]}", "2:39 'schedule': the calendar has the date '2026-02-30'"),
            ("{holidays: [12-25]}", "2:40 a calendar has no 'holidays'; here it is called 'except'"),
            ("{weekdays: []}", "2:39 'schedule': the calendar has no day of the week"),
            ("{}", "2:39 a calendar has one of 'weekdays', 'except' and 'only'"),
            ("3", "2:39 'calendar' is one of workdays, sunday"),
        ])
    func wrong(_ text: String, _ problem: String) {
        let problems = Self.schedule(text).problems
        #expect(problems.contains { $0.hasPrefix(problem) }, "\(problems)")
    }

    @Test("a calendar is for schedules that create runs by time") func events() {
        #expect(
            Self.schedule("workdays", "event: e").problems == [
                "2:32 'schedule': a calendar is for schedules that create runs by time"
            ])
    }
}
