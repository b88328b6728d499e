// SPDX-License-Identifier: Apache-2.0

/// A cron expression of five fields: minute, hour, day of the month, month, day of the week; or of six, the first of which
/// is the second.
///
/// A field is a list of values, ranges and steps: `*`, `5`, `1-5`, `*/15`, `10-40/10`, `5/10` (from 5 on), `mon-fri`,
/// `1,15`. A range may go over the end of its field: `fri-mon`, `22-2`. Names of months and days in English, in any case;
/// 0 and 7 are Sunday. Where both days are restricted, one of them is enough, as in Vixie cron; a field that starts with
/// `*` restricts nothing in this sense, so that with `*/2` both have to match. A `?` in place of a day is a `*`.
///
/// Days may be counted from the end of the month, `L` (the last one) and `L-2` (two before it), and weekdays within it:
/// `fri#2` (the second Friday), `friL` or `L5` (the last one).
public struct CronExpression: Sendable, Hashable {
    /// The presets of the field, with what they stand for.
    public static let presets: [(name: String, expression: String)] = [
        ("@hourly", "0 * * * *"), ("@daily", "0 0 * * *"), ("@weekly", "0 0 * * 0"), ("@monthly", "0 0 1 * *"),
        ("@quarterly", "0 0 1 */3 *"), ("@yearly", "0 0 1 1 *"), ("@midnight", "0 0 * * *"), ("@annually", "0 0 1 1 *"),
    ]

    /// The expression as written.
    public let text: String
    /// Bit n: second n; the first one alone where the expression has five fields.
    let seconds: UInt64
    /// Bit n: minute n.
    let minutes: UInt64
    let hours: UInt64
    let daysOfMonth: UInt64
    /// Bit n: n days before the last of the month.
    let daysFromEnd: UInt64
    let months: UInt64
    /// Bit n: n days after Sunday.
    let weekdays: UInt64
    /// Bit 8w + n: the nth of the weekday w in the month; n is 0 for the last one.
    let weekdaysInMonth: UInt64
    /// Whether one of the two days is enough.
    let isEitherDay: Bool
    /// Whether the schedule is "every hour" or "every n hours": the hour field is `*` or `*/n`.
    let stepsThroughHours: Bool

    /// Reads an expression or a preset such as `@daily`.
    /// - Throws: `PerchError` (`invalid`) that names the field and what is allowed in it.
    public init(_ text: String) throws(PerchError) {
        self.text = text
        var written = text
        if text.hasPrefix("@") {
            guard let preset = Self.presets.first(where: { $0.name == text }) else {
                throw PerchError(
                    .invalid,
                    "unknown preset '\(text.shown(40))'; there are \(Self.presets.map(\.name).joined(separator: ", "))"
                )
            }
            written = preset.expression
        }
        var parts = written.split(whereSeparator: \.isWhitespace).map(String.init)
        guard parts.count == 5 || parts.count == 6 else {
            throw PerchError(
                .invalid,
                """
                the cron expression '\(text.shown())' has \(parts.count) fields; it has 5: minute, hour, day of the \
                month, month, day of the week, or 6 with the second before them
                """)
        }
        for day in [parts.count - 3, parts.count - 1] where parts[day] == "?" { parts[day] = "*" }
        seconds = parts.count == 6 ? try CronField.second.bits(parts.removeFirst(), in: text) : 1
        minutes = try CronField.minute.bits(parts[0], in: text)
        hours = try CronField.hour.bits(parts[1], in: text)
        (daysOfMonth, daysFromEnd) = try CronField.dayOfMonth.bits(parts[2], in: text, except: CronField.dayFromEnd)
        months = try CronField.month.bits(parts[3], in: text)
        let (days, inMonth) = try CronField.dayOfWeek.bits(parts[4], in: text, except: CronField.weekdayInMonth)
        weekdays = (days | days >> 7) & 0x7F
        weekdaysInMonth = inMonth
        isEitherDay = !parts[2].hasPrefix("*") && !parts[4].hasPrefix("*")
        stepsThroughHours = parts[1].hasPrefix("*") || hours == 0xFF_FFFF

        let lastDay = (1...12).filter { months >> UInt64($0) & 1 == 1 }.map { CivilTime.days(inMonth: $0, of: 2_000) }
            .max()
        if !isEitherDay, let lastDay, daysOfMonth.trailingZeroBitCount > lastDay,
            daysFromEnd.trailingZeroBitCount >= lastDay
        {
            throw PerchError(
                .invalid,
                """
                the cron expression '\(text.shown())' never comes true: the day of the month '\(parts[2].shown(40))' does not \
                exist in the month '\(parts[3].shown(40))'
                """)
        }
    }

    /// Whether the date has ticks.
    func matches(year: Int, month: Int, day: Int, dayNumber: Int) -> Bool {
        guard months >> UInt64(month) & 1 == 1 else { return false }
        var isDay = daysOfMonth >> UInt64(day) & 1 == 1
        let weekday = UInt64(CivilTime.weekday(dayNumber: dayNumber))
        var isWeekday = weekdays >> weekday & 1 == 1
        if daysFromEnd | weekdaysInMonth != 0 {
            let left = UInt64(CivilTime.days(inMonth: month, of: year) - day)
            isDay = isDay || daysFromEnd >> left & 1 == 1
            let inMonth = weekdaysInMonth >> (8 * weekday)
            isWeekday = isWeekday || inMonth >> UInt64((day + 6) / 7) & 1 == 1 || left < 7 && inMonth & 1 == 1
        }
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    /// The first matching minute of the day at or after one, both counted from midnight.
    func minuteOfDay(atOrAfter start: Int) -> Int? {
        guard start < 1_440 else { return nil }
        var hour = max(start, 0) / 60
        let rest = minutes >> UInt64(max(start, 0) % 60)
        if hours >> UInt64(hour) & 1 == 1, rest != 0 { return max(start, 0) + rest.trailingZeroBitCount }
        hour += 1
        let later = hour < 24 ? hours >> UInt64(hour) : 0
        guard later != 0 else { return nil }
        return (hour + later.trailingZeroBitCount) * 60 + minutes.trailingZeroBitCount
    }

    /// The last matching minute of the day at or before one.
    func minuteOfDay(atOrBefore end: Int) -> Int? {
        guard end >= 0 else { return nil }
        let end = min(end, 1_439)
        let hour = end / 60
        let earlierMinutes = minutes << UInt64(63 - end % 60)
        if hours >> UInt64(hour) & 1 == 1, earlierMinutes != 0 { return end - earlierMinutes.leadingZeroBitCount }
        guard hour > 0 else { return nil }
        let earlier = hours << UInt64(64 - hour)
        guard earlier != 0 else { return nil }
        return (hour - 1 - earlier.leadingZeroBitCount) * 60 + 63 - minutes.leadingZeroBitCount
    }
}

/// One field of a cron expression: its name, its values, and the names that they may have.
struct CronField {
    let name: String
    let values: ClosedRange<Int>
    var names: [String] = []
    var firstName = 0
    /// What else may stand in it, for people.
    var more = ""

    static let second = CronField(name: "second", values: 0...59)
    static let minute = CronField(name: "minute", values: 0...59)
    static let hour = CronField(name: "hour", values: 0...23)
    static let dayOfMonth = CronField(
        name: "day of the month", values: 1...31, more: ", L for the last and L-n for n before it")
    static let month = CronField(
        name: "month", values: 1...12,
        names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], firstName: 1)
    static let dayOfWeek = CronField(
        name: "day of the week", values: 0...7, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
        more: ", day#n for the nth in the month and dayL for its last")

    /// The set of values, bit n for n.
    func bits(_ text: String, in expression: String) throws(PerchError) -> UInt64 {
        try bits(text, in: expression) { _ in nil }.values
    }

    /// The same of a field in which some items stand for something else than a value: `special` gives their bit.
    func bits(
        _ text: String, in expression: String, except special: (String) -> UInt64?
    ) throws(PerchError) -> (values: UInt64, special: UInt64) {
        var result: (values: UInt64, special: UInt64) = (0, 0)
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            if let bit = special(item.lowercased()) {
                result.special |= 1 << bit
            } else {
                result.values |= try bits(ofItem: String(item), text, expression)
            }
        }
        return result
    }

    /// How many days before the last of the month `l` and `l-2` mean.
    static func dayFromEnd(_ item: String) -> UInt64? {
        if item == "l" { return 0 }
        guard item.hasPrefix("l-"), item.utf8.count <= 4, let days = UInt64(item.dropFirst(2)) else { return nil }
        return (1...30).contains(days) ? days : nil
    }

    /// Which bit `fri#2`, `fril` and `l5` mean.
    static func weekdayInMonth(_ item: String) -> UInt64? {
        func weekday(_ word: Substring) -> UInt64? {
            if let place = dayOfWeek.names.firstIndex(of: String(word)) { return UInt64(place) }
            guard word.utf8.count == 1, let number = UInt64(word), number <= 7 else { return nil }
            return number % 7
        }
        let pieces = item.split(separator: "#", omittingEmptySubsequences: false)
        if pieces.count == 2 {
            guard let day = weekday(pieces[0]), pieces[1].utf8.count == 1, let place = UInt64(pieces[1]),
                (1...5).contains(place)
            else { return nil }
            return 8 * day + place
        }
        if item.hasSuffix("l"), let day = weekday(item.dropLast()) { return 8 * day }
        if item.hasPrefix("l"), let day = weekday(item.dropFirst()) { return 8 * day }
        return nil
    }

    private func bits(ofItem item: String, _ text: String, _ expression: String) throws(PerchError) -> UInt64 {
        func fault(_ reason: String) -> PerchError {
            let known = names.isEmpty ? "" : " or \(names.joined(separator: " "))"
            return PerchError(
                .invalid,
                """
                the cron expression '\(expression.shown())' has a wrong \(name) '\(text.shown(40))': \(reason); \
                allowed are \(values.lowerBound)-\(values.upperBound)\(known), *, ranges a-b, steps /n and lists with commas\(more)
                """)
        }
        func value(_ word: Substring, isEnd: Bool = false) throws(PerchError) -> Int {
            if let place = names.firstIndex(of: word.lowercased()) {
                // A week may end on Sunday: `sat-sun`.
                return isEnd && values.upperBound == 7 && place == 0 ? 7 : place + firstName
            }
            let isNumber = !word.isEmpty && word.utf8.count <= 4 && word.utf8.allSatisfy { (0x30...0x39).contains($0) }
            guard isNumber, let number = Int(word) else {
                throw fault(word.isEmpty ? "a value is missing" : "'\(word.shown(40))' is no value")
            }
            guard values.contains(number) else { throw fault("\(number) is out of range") }
            return number
        }
        let pieces = item.split(separator: "/", omittingEmptySubsequences: false)
        guard pieces.count <= 2 else { throw fault("'\(item.shown(40))' has more than one step") }
        var step = 1
        if pieces.count == 2 {
            let isNumber = pieces[1].utf8.count <= 4 && pieces[1].utf8.allSatisfy { (0x30...0x39).contains($0) }
            guard isNumber, let number = Int(pieces[1]), number > 0 else {
                throw fault("the step in '\(item.shown(40))' is no number above 0")
            }
            step = number
        }
        let range: ClosedRange<Int>
        // The second Sunday is the first one.
        let last = values.upperBound == 7 ? 6 : values.upperBound
        if pieces[0] == "*" {
            range = values.lowerBound...last
        } else {
            let ends = pieces[0].split(separator: "-", omittingEmptySubsequences: false)
            guard ends.count <= 2 else { throw fault("'\(item.shown(40))' is no range") }
            let low = try value(ends[0])
            if ends.count == 2 {
                let high = try value(ends[1], isEnd: low > 0)
                // One over the end goes on at the first value.
                let cycle = last - values.lowerBound + 1
                range = low <= high ? low...high : low...(high + cycle)
            } else {
                range = pieces.count == 2 ? low...max(low, last) : low...low
            }
        }
        return stride(from: range.lowerBound, through: range.upperBound, by: step).reduce(0) {
            $0 | 1 << UInt64($1 > values.upperBound ? $1 - (last - values.lowerBound + 1) : $1)
        }
    }
}
