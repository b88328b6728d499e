// SPDX-License-Identifier: Apache-2.0

/// The ticks of a cron expression on the wall clock of a time zone.
///
/// Where the clock changes:
/// - A wall time that is skipped in spring ticks at the first instant after the gap, once, however many are skipped. Not
///   so where the hour field allows every hour (`30 * * * *`): elapsed time goes on there by itself.
/// - A wall time that occurs twice in autumn ticks once, at its first occurrence. An "every" schedule, whose hour field
///   is `*` or `*/n`, ticks in both: for it, time elapsed.
///
/// Ticks lie in the years 1801 to 2599.
public struct CronSchedule: Sendable {
    /// The expression.
    public let expression: CronExpression
    /// The IANA name of the zone.
    public let timeZone: String
    private let zone: Zone

    /// The ticks of an expression, or of a preset such as `@daily`, in an IANA time zone.
    /// - Throws: `PerchError`: `invalid` for a wrong expression or an unknown zone, `unavailable` where this system knows
    ///   no time zones at all.
    public init(_ expression: String, timeZone: String = "UTC") throws(PerchError) {
        self.expression = try CronExpression(expression)
        self.timeZone = timeZone
        zone = try Zone.named(timeZone)
    }

    /// The first tick later than an instant; nil after the last year.
    public func next(after instant: Timestamp) -> Timestamp? {
        let seconds = CivilTime.floorDivide(Int(instant.microseconds), 1_000_000).quotient
        guard seconds < Self.last else { return nil }
        return next(afterSecond: max(seconds, Self.first)).map { Timestamp(microseconds: Int64($0) * 1_000_000) }
    }

    /// The last tick earlier than an instant; nil before the first year.
    public func previous(before instant: Timestamp) -> Timestamp? {
        let (whole, fraction) = CivilTime.floorDivide(Int(instant.microseconds), 1_000_000)
        let seconds = fraction > 0 ? whole + 1 : whole
        guard seconds > Self.first else { return nil }
        return previous(beforeSecond: min(seconds, Self.last)).map { Timestamp(microseconds: Int64($0) * 1_000_000) }
    }

    /// The time that the run of a tick covers: from the tick before it to the tick itself, which is the logical date.
    public func dataInterval(endingAt tick: Timestamp) -> (start: Timestamp, end: Timestamp) {
        (previous(before: tick) ?? tick, tick)
    }

    /// The date of an instant on the wall clock of the zone.
    func date(of instant: Timestamp) -> (year: Int, month: Int, day: Int, weekday: Int) {
        let seconds = CivilTime.floorDivide(Int(instant.microseconds), 1_000_000).quotient
        let day = CivilTime.floorDivide(seconds + zone.offset(at: seconds), 86_400).quotient
        let date = CivilTime.date(dayNumber: day)
        return (date.year, date.month, date.day, CivilTime.weekday(dayNumber: day))
    }

    private static let first = Zone.known.lowerBound
    private static let last = Zone.known.upperBound
    /// Longer than the longest wait for a date: 40 years between two 29 February that are Sundays, across 2100.
    private static let farthest = 366 * 44

    private func next(afterSecond seconds: Int) -> Int? {
        let wall = seconds + zone.offset(at: seconds)
        let today = CivilTime.floorDivide(wall, 86_400).quotient
        // Around a clock change the moments of neighbouring dates may interleave, where a day is repeated even by two.
        var day = isPlain(today) ? today : today - 2
        var end = today + Self.farthest
        var best: Int?
        while day <= end {
            if let found = firstTick(on: day, after: seconds) {
                if isPlain(day) { return min(best ?? found, found) }
                if best == nil { end = day + 2 }
                best = min(best ?? found, found)
            }
            day = nextMatchingDay(after: day)
        }
        return best
    }

    private func previous(beforeSecond seconds: Int) -> Int? {
        let wall = seconds + zone.offset(at: seconds)
        let today = CivilTime.floorDivide(wall, 86_400).quotient
        var day = isPlain(today) ? today : today + 2
        var end = today - Self.farthest
        var best: Int?
        while day >= end {
            if let found = lastTick(on: day, before: seconds) {
                if isPlain(day) { return max(best ?? found, found) }
                if best == nil { end = day - 2 }
                best = max(best ?? found, found)
            }
            day = previousMatchingDay(before: day)
        }
        return best
    }
}

// MARK: Days
extension CronSchedule {
    private func matches(_ day: Int) -> Bool {
        let date = CivilTime.date(dayNumber: day)
        return expression.matches(year: date.year, month: date.month, day: date.day, dayNumber: day)
    }

    /// The next date that has ticks; months that have none are skipped whole.
    private func nextMatchingDay(after day: Int) -> Int {
        var day = day + 1
        for _ in 0..<Self.farthest {
            let date = CivilTime.date(dayNumber: day)
            if expression.months >> UInt64(date.month) & 1 == 0 {
                day += CivilTime.days(inMonth: date.month, of: date.year) - date.day + 1
            } else if expression.matches(year: date.year, month: date.month, day: date.day, dayNumber: day) {
                return day
            } else {
                day += 1
            }
        }
        return day
    }

    private func previousMatchingDay(before day: Int) -> Int {
        var day = day - 1
        for _ in 0..<Self.farthest {
            let date = CivilTime.date(dayNumber: day)
            if expression.months >> UInt64(date.month) & 1 == 0 {
                day -= date.day
            } else if expression.matches(year: date.year, month: date.month, day: date.day, dayNumber: day) {
                return day
            } else {
                day -= 1
            }
        }
        return day
    }

    /// The offset of a date and the clock changes around it. Offsets stay within 26 hours of UTC.
    private func changes(around day: Int) -> (offset: Int, transitions: ArraySlice<Zone.Transition>) {
        zone.transitionsAround(day * 86_400 - 26 * 3_600, (day + 1) * 86_400 + 26 * 3_600)
    }

    private func isPlain(_ day: Int) -> Bool { changes(around: day).transitions.isEmpty }

    private func firstTick(on day: Int, after seconds: Int) -> Int? {
        guard matches(day) else { return nil }
        let (offset, transitions) = changes(around: day)
        let midnight = day * 86_400
        // A moment is its wall time less one of the offsets, so only walls near the given second are looked at.
        let offsets = Self.range(offset, transitions)
        var best: Int?
        var minute = max(0, CivilTime.floorDivide(seconds + offsets.lowerBound - midnight, 60).quotient)
        while let match = expression.minuteOfDay(atOrAfter: minute) {
            let wall = midnight + match * 60
            if let best, wall - offsets.upperBound >= best { return best }
            for second in 0..<60 where expression.seconds >> UInt64(second) & 1 == 1 {
                for moment in moments(ofWall: wall + second, offset, transitions) where moment > seconds {
                    best = min(best ?? moment, moment)
                }
            }
            minute = match + 1
        }
        return best
    }

    private func lastTick(on day: Int, before seconds: Int) -> Int? {
        guard matches(day) else { return nil }
        let (offset, transitions) = changes(around: day)
        let midnight = day * 86_400
        let offsets = Self.range(offset, transitions)
        var best: Int?
        var minute = CivilTime.floorDivide(seconds + offsets.upperBound - midnight, 60).quotient
        while let match = expression.minuteOfDay(atOrBefore: minute) {
            let wall = midnight + match * 60
            if let best, wall + 59 - offsets.lowerBound <= best { return best }
            for second in 0..<60 where expression.seconds >> UInt64(second) & 1 == 1 {
                for moment in moments(ofWall: wall + second, offset, transitions) where moment < seconds {
                    best = max(best ?? moment, moment)
                }
            }
            minute = match - 1
        }
        return best
    }

    private static func range(_ offset: Int, _ transitions: ArraySlice<Zone.Transition>) -> ClosedRange<Int> {
        transitions.reduce(offset...offset) { range, transition in
            min(range.lowerBound, transition.after)...max(range.upperBound, transition.after)
        }
    }

    /// The moments at which a wall time ticks, by the rule.
    private func moments(ofWall wall: Int, _ offset: Int, _ transitions: ArraySlice<Zone.Transition>) -> [Int] {
        if transitions.isEmpty { return [wall - offset] }
        let (moments, afterGap) = Zone.moments(ofWall: wall, offset, transitions)
        if let afterGap { return expression.isEveryHour ? [] : [afterGap] }
        return expression.stepsThroughHours ? moments : Array(moments.prefix(1))
    }
}

extension CronExpression {
    /// Whether the hour field allows every hour.
    var isEveryHour: Bool { hours == 0xFF_FFFF }
}
