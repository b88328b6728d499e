// SPDX-License-Identifier: Apache-2.0

/// Dates in templates: read, written, compared. All in UTC.
enum TemplateDate {
    static let months = [
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ]
    static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]

    /// The signs of a form, and what each stands for; `%A`, `%a` and `%p` are written only.
    static let signs: [(sign: Character, meaning: String)] = [
        ("Y", "the year in four digits"), ("y", "its last two digits"), ("m", "the month in two digits"),
        ("B", "the month's name"), ("b", "its first three letters"), ("d", "the day in two digits"),
        ("j", "the day of the year in three digits"), ("A", "the weekday"), ("a", "its first three letters"),
        ("H", "the hour in two digits"), ("I", "the hour from 01 to 12"), ("p", "AM or PM"),
        ("M", "the minute in two digits"), ("S", "the second in two digits"), ("f", "the microsecond in six digits"),
        ("z", "+0000"), ("Z", "UTC"), ("%", "a percent sign"),
    ]

    /// Numbers below are no instants that somebody means: 1973 in microseconds.
    private static let leastMicroseconds: Int64 = 100_000_000_000_000

    /// A value as an instant: a text, or microseconds since 1970, as events have them.
    static func instant(
        _ value: JSONValue, _ place: TemplatePosition, else wanted: String
    ) throws(PerchError) -> Timestamp {
        switch value {
        case .integer(let microseconds) where microseconds >= leastMicroseconds:
            return Timestamp(microseconds: microseconds)
        case .string(let text):
            do throws(PerchError) {
                return try Timestamp(parsing: text)
            } catch {
                throw place.fault(error.message)
            }
        default: throw place.fault(wanted)
        }
    }

    // MARK: Writing

    static func text(
        of instant: Timestamp, _ form: String, _ place: TemplatePosition
    ) throws(PerchError) -> String {
        let time = CivilTime(instant)
        var result = ""
        var rest = form[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            result += try text(of: rest.popFirst(), time, place)
            if result.utf8.count > Template.longestResult { throw Template.tooLong(place) }
        }
        return result
    }

    private static func text(
        of sign: Character?, _ time: CivilTime, _ place: TemplatePosition
    ) throws(PerchError) -> String {
        let dayNumber = CivilTime.dayNumber(year: time.year, month: time.month, day: time.day)
        let weekday = weekdays[CivilTime.weekday(dayNumber: dayNumber)]
        switch sign {
        case "Y": return padded(time.year, 4)
        case "y": return padded(CivilTime.floorDivide(time.year, 100).remainder, 2)
        case "m": return padded(time.month, 2)
        case "B": return months[time.month - 1]
        case "b": return String(months[time.month - 1].prefix(3))
        case "d": return padded(time.day, 2)
        case "j": return padded(dayNumber - CivilTime.dayNumber(year: time.year, month: 1, day: 1) + 1, 3)
        case "A": return weekday
        case "a": return String(weekday.prefix(3))
        case "H": return padded(time.hour, 2)
        case "I": return padded((time.hour + 11) % 12 + 1, 2)
        case "p": return time.hour < 12 ? "AM" : "PM"
        case "M": return padded(time.minute, 2)
        case "S": return padded(time.second, 2)
        case "f": return padded(time.microsecond, 6)
        case "z": return "+0000"
        case "Z": return "UTC"
        case "%": return "%"
        default: throw unknown(sign, place)
        }
    }

    private static func padded(_ number: Int, _ digits: Int) -> String {
        let text = String(number.magnitude)
        return (number < 0 ? "-" : "") + String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func unknown(_ sign: Character?, _ place: TemplatePosition) -> PerchError {
        let all = signs.map { "%\($0.sign)" }.joined(separator: " ")
        guard let sign else { return place.fault("the form ends in a percent sign; for one as it is write %%") }
        return place.fault("there is no '%\(String(sign).shown())' in a form; there are \(all)")
    }

    // MARK: Reading

    /// What a text of some form says; what the form has no sign for is that of 1900-01-01 at midnight.
    static func read(
        _ text: String, _ form: String, _ place: TemplatePosition, _ formPlace: TemplatePosition
    ) throws(PerchError) -> Timestamp {
        var reader = TemplateDateReader(text, form, place)
        var rest = form[...]
        while let character = rest.popFirst() {
            if character == "%" {
                let sign = rest.popFirst()
                guard let sign, signs.contains(where: { $0.sign == sign }) else { throw unknown(sign, formPlace) }
                try reader.read(sign, formPlace)
            } else {
                try reader.expect(character)
            }
        }
        return try reader.instant()
    }

    // MARK: Comparing

    /// `2 days after`: in the largest unit of which there is at least one.
    static func difference(_ instant: Timestamp, _ since: Timestamp) -> String {
        let (early, late) = instant < since ? (instant, since) : (since, instant)
        let direction = instant < since ? "before" : "after"
        let (first, second) = (CivilTime(early), CivilTime(late))
        var months = (second.year - first.year) * 12 + second.month - first.month
        func place(in time: CivilTime) -> [Int] { [time.day, time.hour, time.minute, time.second, time.microsecond] }
        if place(in: second).lexicographicallyPrecedes(place(in: first)) { months -= 1 }
        let seconds = (late - early).microseconds / 1_000_000
        let units: [(String, Int64)] = [
            ("year", Int64(months / 12)), ("month", Int64(months)), ("week", seconds / (7 * 86_400)),
            ("day", seconds / 86_400), ("hour", seconds / 3_600), ("minute", seconds / 60), ("second", seconds),
        ]
        let (name, count) = units.first { $0.1 > 0 } ?? ("second", 0)
        return "\(count) \(name)\(count == 1 ? "" : "s") \(direction)"
    }
}
