// SPDX-License-Identifier: Apache-2.0

/// A date and a time of day on a wall that shows UTC (or any zone, when the offset was added before): proleptic Gregorian.
struct CivilTime: Hashable, Sendable {
    var year: Int
    var month: Int
    var day: Int
    var hour: Int
    var minute: Int
    var second: Int
    var microsecond: Int

    init(_ instant: Timestamp) {
        let (seconds, micros) = Self.floorDivide(Int(instant.microseconds), 1_000_000)
        self.init(seconds: seconds)
        microsecond = micros
    }

    /// From seconds since 1970-01-01T00:00:00 on the same wall.
    init(seconds: Int) {
        let (dayNumber, secondOfDay) = Self.floorDivide(seconds, 86_400)
        (year, month, day) = Self.date(dayNumber: dayNumber)
        hour = secondOfDay / 3_600
        minute = secondOfDay / 60 % 60
        second = secondOfDay % 60
        microsecond = 0
    }

    static func floorDivide(_ value: Int, _ divisor: Int) -> (quotient: Int, remainder: Int) {
        let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }

    static func isLeap(_ year: Int) -> Bool {
        year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    }

    static func days(inMonth month: Int, of year: Int) -> Int {
        switch month {
        case 2: isLeap(year) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    /// Days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year.
    static func dayNumber(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = floorDivide(shifted, 400)
        let dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func date(dayNumber: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = floorDivide(dayNumber + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    /// 0 is Sunday.
    static func weekday(dayNumber: Int) -> Int {
        floorDivide(dayNumber + 4, 7).remainder
    }

    func dateBytes(separator: UInt8?) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        if (0...9_999).contains(year) {
            Self.append(year / 100, to: &bytes)
            Self.append(year % 100, to: &bytes)
        } else {
            // RFC 3339 has no such years; only a saturated instant gets here.
            bytes += Array(String(year).utf8)
        }
        if let separator { bytes.append(separator) }
        Self.append(month, to: &bytes)
        if let separator { bytes.append(separator) }
        Self.append(day, to: &bytes)
        return bytes
    }

    func appendTime(to bytes: inout [UInt8], separator: UInt8?) {
        Self.append(hour, to: &bytes)
        if let separator { bytes.append(separator) }
        Self.append(minute, to: &bytes)
        if let separator { bytes.append(separator) }
        Self.append(second, to: &bytes)
    }

    private static func append(_ twoDigits: Int, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "0") + UInt8(twoDigits / 10))
        bytes.append(UInt8(ascii: "0") + UInt8(twoDigits % 10))
    }
}
