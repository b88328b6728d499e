// SPDX-License-Identifier: Apache-2.0

/// Days on which a schedule creates runs: weekdays, less some dates, or some dates alone.
public struct DayCalendar: Hashable, Sendable {
    /// Days of the week.
    public enum Weekday: Int, Sendable, Hashable, CaseIterable {
        case sunday, monday, tuesday, wednesday, thursday, friday, saturday
    }

    /// The days of the week that count.
    public var weekdays: Set<Weekday>
    /// Dates that do not, as `2026-12-25`, or `12-25` for that of every year.
    public var except: [String]
    /// Where it is not empty, the only dates that count, written alike.
    public var only: [String]

    /// A calendar of weekdays and dates.
    public init(weekdays: Set<Weekday> = Set(Weekday.allCases), except: [String] = [], only: [String] = []) {
        self.weekdays = weekdays
        self.except = except
        self.only = only
    }

    /// Monday to Friday, less some dates: `2026-12-25`, or `12-25` for that of every year.
    public static func workdays(except: String...) -> DayCalendar {
        DayCalendar(weekdays: [.monday, .tuesday, .wednesday, .thursday, .friday], except: except)
    }

    /// These dates and no others.
    public static func dates(_ dates: String...) -> DayCalendar { DayCalendar(only: dates) }

    /// Every day but these dates.
    public static func everyDay(except: String...) -> DayCalendar { DayCalendar(except: except) }

    /// How many days in a row without a tick are looked through for the next one: a dozen years.
    static let farthest = 366 * 12

    /// What is wrong with it; nil where nothing is.
    var problem: String? {
        if weekdays.isEmpty { return "the calendar has no day of the week" }
        for text in except + only where Self.date(text) == nil {
            return "the calendar has the date '\(text.shown(40))'; a date is 2026-12-25, or 12-25 for every year"
        }
        return nil
    }

    func contains(_ date: (year: Int, month: Int, day: Int, weekday: Int)) -> Bool {
        guard let weekday = Weekday(rawValue: date.weekday), weekdays.contains(weekday) else { return false }
        func isNamed(_ text: String) -> Bool {
            guard let named = Self.date(text) else { return false }
            return named.month == date.month && named.day == date.day && (named.year ?? date.year) == date.year
        }
        if !only.isEmpty, !only.contains(where: isNamed) { return false }
        return !except.contains(where: isNamed)
    }

    private static func date(_ text: String) -> (year: Int?, month: Int, day: Int)? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let lengths = parts.map(\.utf8.count)
        guard lengths == [2, 2] || lengths == [4, 2, 2],
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2D })
        else { return nil }
        let numbers = parts.compactMap { Int($0) }
        guard numbers.count == parts.count else { return nil }
        let year = numbers.count == 3 ? numbers[0] : nil
        let (month, day) = (numbers[numbers.count - 2], numbers[numbers.count - 1])
        // A 29 February is of every year that has one.
        guard (1...12).contains(month), (1...CivilTime.days(inMonth: month, of: year ?? 2_000)).contains(day) else {
            return nil
        }
        return (year, month, day)
    }
}

extension DayCalendar: JSONConvertible {
    /// `{"weekdays": [1, 2], "except": ["12-25"], "only": [...]}`; 0 is Sunday, and what is not there restricts nothing.
    public var json: JSONValue {
        var members: [String: JSONValue] = [:]
        if weekdays.count < 7 {
            members["weekdays"] = .array(weekdays.map(\.rawValue).sorted().map { .integer(Int64($0)) })
        }
        if !except.isEmpty { members["except"] = .array(except.map { .string($0) }) }
        if !only.isEmpty { members["only"] = .array(only.map { .string($0) }) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a calendar")
        self.init(except: try fields.strings("except"), only: try fields.strings("only"))
        guard fields.members["weekdays"] != nil else { return }
        weekdays = []
        for number in try fields.ints("weekdays") {
            guard let weekday = Weekday(rawValue: number) else {
                throw fields.fault("weekdays", "numbers from 0 (Sunday) to 6")
            }
            weekdays.insert(weekday)
        }
    }
}
