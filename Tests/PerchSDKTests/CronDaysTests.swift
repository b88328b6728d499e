// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Testing

@Suite("Days that cron counts within the month")
struct CronDaysTests {
    private func dates(_ expression: String, from start: String = "2027-12-31T12:00:00Z", _ count: Int) throws
        -> [String]
    {
        let ticks = try CronSchedule(expression)
        var instant = try Timestamp(parsing: start)
        var found: [String] = []
        while found.count < count, let tick = ticks.next(after: instant) {
            found.append(String(tick.description.prefix(10)))
            instant = tick
        }
        return found
    }

    @Test(
        "the last days of months, and the first, second and last of their weekdays",
        arguments: [
            ("0 0 L * *", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]),
            ("0 0 l-2 * *", ["2028-01-29", "2028-02-27", "2028-03-29", "2028-04-28"]),
            ("0 0 15,L * *", ["2028-01-15", "2028-01-31", "2028-02-15", "2028-02-29"]),
            ("0 0 * * fri#2", ["2028-01-14", "2028-02-11", "2028-03-10", "2028-04-14"]),
            ("0 0 * * 5#5", ["2028-03-31", "2028-06-30", "2028-09-29", "2028-12-29"]),
            ("0 0 * * MONL", ["2028-01-31", "2028-02-28", "2028-03-27", "2028-04-24"]),
            ("0 0 * * L0", ["2028-01-30", "2028-02-27", "2028-03-26", "2028-04-30"]),
            ("0 0 * * 7#1,wed#1", ["2028-01-02", "2028-01-05", "2028-02-02", "2028-02-06"]),
            ("0 0 L 2 *", ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28"]),
            ("0 0 L * mon#1", ["2028-01-03", "2028-01-31", "2028-02-07", "2028-02-29"]),
        ])
    func known(_ expression: String, _ expected: [String]) throws {
        #expect(try dates(expression, expected.count) == expected)
    }

    /// Asks Foundation for every day of twenty years.
    @Test("twenty years of days are those that a calendar counts", arguments: 0..<7, 0..<6)
    func years(_ weekday: Int, _ place: Int) throws {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = try #require(TimeZone(identifier: "UTC"))
        let expression = place == 0 ? "0 0 * * \(weekday)L" : "0 0 * * \(weekday)#\(place)"
        let ticks = try CronSchedule(expression)
        let start = try Timestamp(parsing: "2019-12-31T23:00:00Z")
        var tick = ticks.next(after: start)
        for day in 0..<7_305 {
            let seconds = start.microseconds / 1_000_000 + 3_600 + Int64(day) * 86_400
            let date = Date(timeIntervalSince1970: Double(seconds))
            let parts = calendar.dateComponents([.weekday, .weekdayOrdinal, .day], from: date)
            let length = try #require(calendar.range(of: .day, in: .month, for: date)).count
            let isPlace = place == 0 ? parts.day! + 7 > length : parts.weekdayOrdinal == place
            guard parts.weekday! - 1 == weekday, isPlace else { continue }
            #expect(tick?.microseconds == seconds * 1_000_000)
            tick = tick.flatMap { ticks.next(after: $0) }
        }
    }

    @Test(
        "what cannot be is refused, with what could be",
        arguments: [
            ("0 0 L-31 * *", "L-n"), ("0 0 LL * *", "L-n"), ("0 0 * * fri#6", "day#n"), ("0 0 * * fri#", "day#n"),
            ("0 0 * * 8#1", "day#n"), ("0 0 * * L", "dayL"), ("0 L * * *", "is no value"),
            ("0 0 L-29 2 *", "never comes true"),
            ("0 0 * * fri#2#3", "day#n"), ("0 0 1-L * *", "is no value"),
        ])
    func wrong(_ expression: String, _ words: String) {
        #expect {
            try CronExpression(expression)
        } throws: {
            "\($0)".contains(words)
        }
    }
}
