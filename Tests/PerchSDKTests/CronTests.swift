// SPDX-License-Identifier: Apache-2.0
import Foundation
import PerchSDK
import Testing

@Suite struct CronTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var expression: String
        var zone: String
        var after: String
        var ticks: [String]
        var testDescription: String { "\(expression) in \(zone) after \(after)" }
    }

    static let table: [Case] = [
        Case(
            expression: "0 6 * * *", zone: "Europe/Paris", after: "2026-03-27T12:00:00Z",
            ticks: ["2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z", "2026-03-30T04:00:00Z"]),
        // 2:30 does not exist on 29 March: the first instant after the gap is 3:00.
        Case(
            expression: "30 2 * * *", zone: "Europe/Paris", after: "2026-03-27T12:00:00Z",
            ticks: ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        // Several skipped times run once.
        Case(
            expression: "0,20,40 2 * * *", zone: "Europe/Paris", after: "2026-03-28T02:00:00Z",
            ticks: ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T00:20:00Z"]),
        // A skipped time and one that is due at the end of the gap anyhow run once.
        Case(
            expression: "0 2,3 * * *", zone: "Europe/Paris", after: "2026-03-28T12:00:00Z",
            ticks: ["2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z", "2026-03-30T01:00:00Z"]),
        // 2:30 occurs twice on 25 October: the first counts.
        Case(
            expression: "30 2 * * *", zone: "Europe/Paris", after: "2026-10-24T12:00:00Z",
            ticks: ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
        // Every hour follows elapsed time through both.
        Case(
            expression: "30 * * * *", zone: "Europe/Paris", after: "2026-10-24T23:00:00Z",
            ticks: ["2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]),
        Case(
            expression: "30 * * * *", zone: "Europe/Paris", after: "2026-03-28T23:45:00Z",
            ticks: ["2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", "2026-03-29T02:30:00Z"]),
        Case(
            expression: "*/30 * * * *", zone: "Europe/Paris", after: "2026-10-24T23:40:00Z",
            ticks: [
                "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z",
            ]),
        // Every two hours: the skipped 2:00 is made up for at 3:00, the doubled one runs twice.
        Case(
            expression: "0 */2 * * *", zone: "Europe/Paris", after: "2026-03-28T22:30:00Z",
            ticks: ["2026-03-28T23:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"]),
        Case(
            expression: "0 */2 * * *", zone: "Europe/Paris", after: "2026-10-24T22:30:00Z",
            ticks: ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T03:00:00Z"]),
        Case(
            expression: "30 1 * * *", zone: "America/New_York", after: "2026-10-31T12:00:00Z",
            ticks: ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        Case(
            expression: "15 2 8 3 *", zone: "America/New_York", after: "2026-01-01",
            ticks: ["2026-03-08T07:00:00Z", "2027-03-08T07:15:00Z"]),
        // Half an hour: 2:00 becomes 2:30 on 4 October, 2:00 becomes 1:30 on 5 April.
        Case(
            expression: "15 2 * * *", zone: "Australia/Lord_Howe", after: "2026-10-03T00:00:00Z",
            ticks: ["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        Case(
            expression: "45 1 * * *", zone: "Australia/Lord_Howe", after: "2026-04-04T00:00:00Z",
            ticks: ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
        Case(
            expression: "45 * * * *", zone: "Australia/Lord_Howe", after: "2026-04-04T14:00:00Z",
            ticks: ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z", "2026-04-04T16:15:00Z"]),
        // Midnight itself was skipped in São Paulo.
        Case(
            expression: "0 0 * * *", zone: "America/Sao_Paulo", after: "2018-11-03T12:00:00Z",
            ticks: ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
        Case(
            expression: "30 23 * * *", zone: "America/Sao_Paulo", after: "2018-02-17T12:00:00Z",
            ticks: ["2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"]),
        Case(
            expression: "30 9 * * 1-5", zone: "Asia/Kathmandu", after: "2026-01-02T12:00:00Z",
            ticks: ["2026-01-05T03:45:00Z", "2026-01-06T03:45:00Z"]),
        // A whole date was skipped in Samoa.
        Case(
            expression: "0 6 * * *", zone: "Pacific/Apia", after: "2011-12-29T12:00:00Z",
            ticks: ["2011-12-29T16:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z", "2011-12-31T16:00:00Z"]),
        Case(
            expression: "0 0 29 2 *", zone: "UTC", after: "2096-03-01",
            ticks: ["2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"]),
        Case(
            expression: "0 0 29 2 */7", zone: "America/New_York", after: "2061-01-01",
            ticks: ["2088-02-29T05:00:00Z", "2128-02-29T05:00:00Z"]),
        Case(
            expression: "0 0 13 * fri", zone: "UTC", after: "2026-02-10",
            ticks: ["2026-02-13T00:00:00Z", "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z"]),
        Case(expression: "@quarterly", zone: "UTC", after: "2026-01-01", ticks: ["2026-04-01T00:00:00Z"]),
        Case(expression: "@weekly", zone: "UTC", after: "2026-01-01", ticks: ["2026-01-04T00:00:00Z"]),
        Case(expression: "0 0 * * 7", zone: "UTC", after: "2026-01-01", ticks: ["2026-01-04T00:00:00Z"]),
        Case(
            expression: "0 0 * JAN sat-Sun", zone: "UTC", after: "2026-01-01",
            ticks: ["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-10T00:00:00Z"]),
        // Over the end of the field.
        Case(
            expression: "0 6 * * fri-mon", zone: "UTC", after: "2026-01-01",
            ticks: [
                "2026-01-02T06:00:00Z", "2026-01-03T06:00:00Z", "2026-01-04T06:00:00Z", "2026-01-05T06:00:00Z",
                "2026-01-09T06:00:00Z",
            ]),
        Case(
            expression: "0 0 * * 7-1", zone: "UTC", after: "2026-01-01",
            ticks: ["2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z"]),
        Case(
            expression: "0 22-2/2 * * *", zone: "UTC", after: "2026-01-01T12:00:00Z",
            ticks: [
                "2026-01-01T22:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T02:00:00Z", "2026-01-02T22:00:00Z",
            ]),
        Case(
            expression: "58-1 0 30-2 dec-jan *", zone: "UTC", after: "2026-12-31T00:59:00Z",
            ticks: ["2027-01-01T00:00:00Z", "2027-01-01T00:01:00Z", "2027-01-01T00:58:00Z"]),
        // Quartz writes a question mark where a day is not restricted.
        Case(
            expression: "0 0 1 * ?", zone: "UTC", after: "2026-01-01",
            ticks: ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"]),
        Case(
            expression: "30 0 12 ? * mon", zone: "UTC", after: "2026-01-01",
            ticks: ["2026-01-05T12:00:30Z", "2026-01-12T12:00:30Z"]),
        Case(expression: "@midnight", zone: "Europe/Paris", after: "2026-01-01", ticks: ["2026-01-01T23:00:00Z"]),
        Case(expression: "@annually", zone: "UTC", after: "2026-01-01", ticks: ["2027-01-01T00:00:00Z"]),
        Case(
            expression: "50/5 0 1 1 *", zone: "UTC", after: "2026-01-01",
            ticks: ["2026-01-01T00:50:00Z", "2026-01-01T00:55:00Z", "2027-01-01T00:50:00Z"]),
    ]

    @Test("ticks at clock changes follow the rule", arguments: table) func ticks(_ one: Case) throws {
        let schedule = try CronSchedule(one.expression, timeZone: one.zone)
        var instant = try Timestamp(parsing: one.after)
        var found: [String] = []
        for _ in one.ticks {
            instant = try #require(schedule.next(after: instant))
            found.append(instant.description)
        }
        #expect(found == one.ticks)
        var back: [String] = []
        var later = instant + .seconds(1)
        for _ in one.ticks {
            later = try #require(schedule.previous(before: later))
            back.append(later.description)
        }
        #expect(back.reversed() == one.ticks)
    }

    @Test(
        "a wrong expression names its field",
        arguments: [
            ("", "0 fields"), ("* * * *", "4 fields"), ("* * * * * * *", "7 fields"), ("60 * * * * *", "second"),
            ("60 * * * *", "minute"),
            ("* 24 * * *", "hour"), ("* * 0 * *", "day of the month"), ("* * * 13 *", "month"),
            ("* * * * 8", "day of the week"), ("a * * * *", "minute"), ("*/0 * * * *", "minute"),
            ("1,,2 * * * *", "missing"), ("1- * * * *", "missing"),
            ("1-2-3 * * * *", "no range"), ("*/2/3 * * * *", "more than one step"), ("? * * * *", "minute"),
            ("* * ?/2 * *", "day of the month"), ("@yesterday", "@midnight"),
            ("* * LW * *", "day of the month"), ("* * * foo *", "month"), ("* * * * mon#0", "day of the week"),
            ("-1 * * * *", "minute"), ("+1 * * * *", "minute"), ("0 0 31 2 *", "never comes true"),
            ("0 0 31 4,6,9,11 *", "never comes true"), ("0 0 30 2 */2", "never comes true"), ("@dayly", "@daily"),
            ("99999999999999999999 * * * *", "minute"),
        ]) func wrong(_ expression: String, _ part: String) throws
    {
        let error = try #require(throws: PerchError.self) { try CronSchedule(expression) }
        #expect(error.code == .invalid)
        #expect(error.message.contains(part), "\(error.message)")
    }

    @Test("an impossible day is possible where a weekday is enough") func eitherDay() throws {
        let schedule = try CronSchedule("0 0 31 2 mon")
        #expect(schedule.next(after: try Timestamp(parsing: "2026-01-31"))?.description == "2026-02-02T00:00:00Z")
    }

    @Test("an unknown time zone is refused with a hint") func unknownZone() throws {
        let error = try #require(throws: PerchError.self) { try CronSchedule("0 6 * * *", timeZone: "paris") }
        #expect(error.message == "unknown time zone 'paris'; did you mean 'Europe/Paris'?")
        #expect(throws: PerchError.self) { try CronSchedule("0 6 * * *", timeZone: "") }
        #expect(throws: PerchError.self) { try CronSchedule("0 6 * * *", timeZone: "Mars/Olympus") }
    }

    @Test("the run of a tick covers the time since the tick before") func interval() throws {
        let schedule = try CronSchedule("0 6 * * 1-5", timeZone: "Europe/Paris")
        let interval = schedule.dataInterval(endingAt: try Timestamp(parsing: "2026-03-30T04:00:00Z"))
        #expect(interval.start.description == "2026-03-27T05:00:00Z")
        #expect(interval.end.description == "2026-03-30T04:00:00Z")
    }

    @Test("fractions of a second do not move a tick") func fractions() throws {
        let schedule = try CronSchedule("* * * * *")
        let tick = try Timestamp(parsing: "2026-01-01T00:01:00Z")
        let before = Timestamp(microseconds: tick.microseconds - 1)
        let after = Timestamp(microseconds: tick.microseconds + 1)
        #expect(schedule.next(after: before) == tick)
        #expect(schedule.next(after: tick) == tick + .seconds(60))
        #expect(schedule.next(after: after) == tick + .seconds(60))
        #expect(schedule.previous(before: after) == tick)
        #expect(schedule.previous(before: tick) == tick + .seconds(-60))
    }

    @Test("there is no tick beyond the years that are known") func ends() throws {
        let schedule = try CronSchedule("0 0 * * *", timeZone: "Europe/Paris")
        #expect(schedule.next(after: Timestamp(microseconds: .max)) == nil)
        #expect(schedule.previous(before: Timestamp(microseconds: .min)) == nil)
        #expect(schedule.next(after: Timestamp(microseconds: .min)) != nil)
        #expect(schedule.previous(before: Timestamp(microseconds: .max)) != nil)
    }
}
