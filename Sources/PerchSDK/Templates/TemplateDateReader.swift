// SPDX-License-Identifier: Apache-2.0

/// Reads one date and time by the signs of a form.
struct TemplateDateReader {
    private let text: String
    private let form: String
    private let place: TemplatePosition
    private var rest: Substring
    private var (year, month, day, dayOfYear) = (1_900, 1, 1, 0)
    private var (hour, minute, second, microsecond) = (0, 0, 0, 0)
    private var isAfternoon: Bool?

    init(_ text: String, _ form: String, _ place: TemplatePosition) {
        (self.text, self.form, self.place) = (text, form, place)
        rest = text[...]
    }

    mutating func expect(_ character: Character) throws(PerchError) {
        guard rest.popFirst() == character else { throw fault("wanted was '\(String(character).shown())'") }
    }

    /// Takes what a known sign stands for.
    mutating func read(_ sign: Character, _ formPlace: TemplatePosition) throws(PerchError) {
        switch sign {
        case "Y": year = try number(4...4, 0...9_999)
        case "y":
            let short = try number(2...2, 0...99)
            year = short < 69 ? 2_000 + short : 1_900 + short
        case "m": month = try number(1...2, 1...12)
        case "B": month = try name(TemplateDate.months) + 1
        case "b": month = try name(TemplateDate.months.map { String($0.prefix(3)) }) + 1
        case "d": day = try number(1...2, 1...31)
        case "j": dayOfYear = try number(1...3, 1...366)
        case "H": hour = try number(1...2, 0...23)
        case "I": hour = try number(1...2, 1...12) % 12
        case "p": isAfternoon = try name(["AM", "PM"]) == 1
        case "M": minute = try number(1...2, 0...59)
        case "S": second = try number(1...2, 0...59)
        case "f":
            let digits = rest.prefix { $0.isASCII && $0.isNumber }.count
            microsecond = try number(1...6, 0...999_999)
            for _ in min(digits, 6)..<6 { microsecond *= 10 }
        case "A": _ = try name(TemplateDate.weekdays)
        case "a": _ = try name(TemplateDate.weekdays.map { String($0.prefix(3)) })
        case "z":
            guard ["+0000", "+00:00", "Z"].contains(where: { take($0) }) else { throw fault("only UTC is read") }
        case "Z":
            guard ["UTC", "GMT"].contains(where: { take($0) }) else { throw fault("only UTC is read") }
        default: try expect("%")
        }
    }

    /// What has been read, when the form is at its end.
    func instant() throws(PerchError) -> Timestamp {
        guard rest.isEmpty else { throw fault("'\(String(rest).shown(40))' follows") }
        var dayNumber = CivilTime.dayNumber(year: year, month: month, day: day)
        if dayOfYear > 0 {
            guard dayOfYear < 366 || CivilTime.isLeap(year) else { throw fault("there is no day 366 of \(year)") }
            dayNumber = CivilTime.dayNumber(year: year, month: 1, day: 1) + dayOfYear - 1
        } else if day > CivilTime.days(inMonth: month, of: year) {
            throw fault("month \(month) of \(year) has no day \(day)")
        }
        let hour = hour % 12 + (isAfternoon.map { $0 ? 12 : 0 } ?? (hour / 12 * 12))
        let seconds = dayNumber * 86_400 + hour * 3_600 + minute * 60 + second
        return Timestamp(microseconds: Int64(seconds) * 1_000_000 + Int64(microsecond))
    }

    private mutating func number(
        _ digits: ClosedRange<Int>, _ range: ClosedRange<Int>
    ) throws(PerchError) -> Int {
        let found = rest.prefix(digits.upperBound).prefix { $0.isASCII && $0.isNumber }
        guard digits.contains(found.count), let number = Int(found), range.contains(number) else {
            throw fault("wanted was a number from \(range.lowerBound) to \(range.upperBound)")
        }
        rest = rest[found.endIndex...]
        return number
    }

    private mutating func name(_ names: [String]) throws(PerchError) -> Int {
        for (index, name) in names.enumerated() where take(name) { return index }
        throw fault("wanted was one of \(names.joined(separator: ", "))")
    }

    /// Whether a word stands here, in upper or lower case.
    private mutating func take(_ word: String) -> Bool {
        let found = rest.prefix(word.count)
        guard found.lowercased() == word.lowercased() else { return false }
        rest = rest[found.endIndex...]
        return true
    }

    private func fault(_ reason: String) -> PerchError {
        place.fault("'\(text.shown(60))' is not of the form '\(form.shown(60))': \(reason)")
    }
}
