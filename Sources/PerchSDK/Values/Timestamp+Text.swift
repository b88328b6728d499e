// SPDX-License-Identifier: Apache-2.0

extension Timestamp: CustomStringConvertible {
    /// RFC 3339 in UTC, with as many digits of a fraction as the instant has: `2026-01-01T06:00:00Z`,
    /// `2026-01-01T06:00:00.25Z`.
    public var description: String {
        let time = CivilTime(self)
        var bytes = time.dateBytes(separator: UInt8(ascii: "-"))
        bytes.append(UInt8(ascii: "T"))
        time.appendTime(to: &bytes, separator: UInt8(ascii: ":"))
        if time.microsecond > 0 {
            bytes.append(UInt8(ascii: "."))
            var digits = [UInt8](repeating: UInt8(ascii: "0"), count: 6)
            var rest = time.microsecond
            for index in stride(from: 5, through: 0, by: -1) {
                digits[index] = UInt8(ascii: "0") + UInt8(rest % 10)
                rest /= 10
            }
            while digits.last == UInt8(ascii: "0") { digits.removeLast() }
            bytes += digits
        }
        bytes.append(UInt8(ascii: "Z"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The date in UTC: `2026-01-01`.
    public var dateText: String {
        String(decoding: CivilTime(self).dateBytes(separator: UInt8(ascii: "-")), as: UTF8.self)
    }

    /// The date in UTC without dashes: `20260101`.
    public var dateTextWithoutDashes: String {
        String(decoding: CivilTime(self).dateBytes(separator: nil), as: UTF8.self)
    }

    /// Date and time in UTC to the second, without separators: `20260101T060000`.
    public var textWithoutDashes: String {
        let time = CivilTime(self)
        var bytes = time.dateBytes(separator: nil)
        bytes.append(UInt8(ascii: "T"))
        time.appendTime(to: &bytes, separator: nil)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads an RFC 3339 instant (`2026-01-01T06:00:00Z`, `2026-01-01T07:00:00.25+01:00`) or a date (`2026-01-01`), which
    /// means its midnight in UTC.
    /// - Throws: `PerchError` (`invalid`) that says what is wrong with the text.
    public init(parsing text: String) throws(PerchError) {
        var reader = TimestampReader(text)
        self = try reader.timestamp()
    }
}

/// Reads the texts of instants, byte for byte.
private struct TimestampReader {
    let text: String
    let bytes: [UInt8]
    var position = 0

    init(_ text: String) {
        self.text = text
        bytes = Array(text.utf8.prefix(64))
    }

    mutating func timestamp() throws(PerchError) -> Timestamp {
        let year = try number(4, "a year of four digits")
        try expect("-")
        let month = try number(2, "a month of two digits")
        try expect("-")
        let day = try number(2, "a day of two digits")
        guard (1...12).contains(month) else { throw fault("there is no month \(month)") }
        guard day >= 1, day <= CivilTime.days(inMonth: month, of: year) else {
            throw fault("month \(month) of \(year) has no day \(day)")
        }
        let midnight = CivilTime.dayNumber(year: year, month: month, day: day) * 86_400
        if position == bytes.count { return Timestamp(microseconds: Int64(midnight) * 1_000_000) }

        guard next() == UInt8(ascii: "T") || bytes[position - 1] == UInt8(ascii: "t") || bytes[position - 1] == 0x20
        else { throw fault("between date and time stands a 'T'") }
        let hour = try number(2, "an hour of two digits")
        try expect(":")
        let minute = try number(2, "a minute of two digits")
        try expect(":")
        let second = try number(2, "a second of two digits")
        guard hour < 24, minute < 60, second < 60 else {
            throw fault("there is no time \(text.dropFirst(11).shown(8)); hours go to 23, minutes and seconds to 59")
        }
        let fraction = try fraction()
        let offset = try offset()
        guard position == bytes.count else { throw fault("something follows the instant") }
        let seconds = midnight + hour * 3_600 + minute * 60 + second - offset
        guard Self.years.contains(seconds) else { throw fault("in UTC its year has no four digits") }
        return Timestamp(microseconds: Int64(seconds) * 1_000_000 + Int64(fraction))
    }

    /// What RFC 3339 can write, in seconds since 1970.
    private static let years: Range<Int> = {
        let ends = [0, 10_000].map { CivilTime.dayNumber(year: $0, month: 1, day: 1) * 86_400 }
        return ends[0]..<ends[1]
    }()

    private mutating func fraction() throws(PerchError) -> Int {
        guard position < bytes.count, bytes[position] == UInt8(ascii: ".") else { return 0 }
        position += 1
        var micros = 0
        var digits = 0
        while position < bytes.count, let digit = Self.digit(bytes[position]) {
            guard digits < 6 else { throw fault("a fraction has at most 6 digits (microseconds)") }
            micros = micros * 10 + digit
            digits += 1
            position += 1
        }
        guard digits > 0 else { throw fault("digits follow the '.'") }
        for _ in digits..<6 { micros *= 10 }
        return micros
    }

    /// The seconds that the written time is ahead of UTC.
    private mutating func offset() throws(PerchError) -> Int {
        let mark = next()
        switch mark {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"): return 0
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            let hours = try number(2, "the offset's hours in two digits")
            try expect(":")
            let minutes = try number(2, "the offset's minutes in two digits")
            guard hours < 24, minutes < 60 else { throw fault("there is no such offset from UTC") }
            return (hours * 3_600 + minutes * 60) * (mark == UInt8(ascii: "-") ? -1 : 1)
        default:
            throw fault("the time ends in 'Z' or in its offset from UTC, such as '+01:00'")
        }
    }

    private mutating func next() -> UInt8? {
        defer { position += 1 }
        return position < bytes.count ? bytes[position] : nil
    }

    private mutating func number(_ digits: Int, _ wanted: String) throws(PerchError) -> Int {
        var value = 0
        for _ in 0..<digits {
            guard let byte = next(), let digit = Self.digit(byte) else { throw fault("wanted was \(wanted)") }
            value = value * 10 + digit
        }
        return value
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(PerchError) {
        guard next() == UInt8(ascii: character) else { throw fault("wanted was '\(character)' at place \(position)") }
    }

    private static func digit(_ byte: UInt8) -> Int? {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) ? Int(byte - UInt8(ascii: "0")) : nil
    }

    private func fault(_ reason: String) -> PerchError {
        PerchError(
            .invalid, "'\(text.shown(60))' is no instant: \(reason); write 2026-01-01, or 2026-01-01T06:00:00Z")
    }
}
