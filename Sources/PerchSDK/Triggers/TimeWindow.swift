// SPDX-License-Identifier: Apache-2.0

/// A span of each day, or of some days, on the wall clock of a time zone: `22:00` to `06:00`.
///
/// It belongs to the day on which it opens. Where the clock changes, both ends keep the rules of `CronSchedule`: an end that
/// is skipped in spring comes right after the gap, one that occurs twice in autumn counts at its first occurrence.
public struct TimeWindow: Hashable, Sendable {
    /// When it opens, as `HH:MM`.
    public var opens: String
    /// When it closes, as `HH:MM`: on the day on which it opens, or on the next one where that is not later. The same as
    /// `opens`: it is open for a whole day.
    public var closes: String
    /// On which days it opens, as the day-of-week field of a cron expression: `*`, `MON-FRI`, `SAT,SUN`.
    public var days: String
    /// The IANA name of the zone.
    public var timeZone: String

    /// A window from its parts.
    public init(opens: String, closes: String, days: String = "*", timeZone: String = "UTC") {
        self.opens = opens
        self.closes = closes
        self.days = days
        self.timeZone = timeZone
    }

    /// The instant itself where it lies within the window, else when the window opens next.
    /// - Throws: `PerchError`: `invalid` for what is no time of day, no days or no zone; `unavailable` where this system
    ///   knows no time zones.
    package func opening(from instant: Timestamp) throws(PerchError) -> Timestamp {
        let openings = try Self.daily(opens, days: days, timeZone: timeZone)
        let closings = try Self.daily(closes, days: "*", timeZone: timeZone)
        if let opened = openings.previous(before: Timestamp(microseconds: instant.microseconds + 1)),
            let closed = closings.next(after: opened), instant < closed
        {
            return instant
        }
        guard let next = openings.next(after: instant) else {
            throw PerchError(.invalid, "the window \(self) never opens after \(instant)")
        }
        return next
    }

    func rendered(with scope: TemplateScope) throws(PerchError) -> TimeWindow {
        TimeWindow(
            opens: try Template.render(opens, with: scope), closes: try Template.render(closes, with: scope),
            days: try Template.render(days, with: scope), timeZone: try Template.render(timeZone, with: scope))
    }

    private static func daily(_ time: String, days: String, timeZone: String) throws(PerchError) -> CronSchedule {
        let digits = Array(time.utf8)
        guard digits.count == 5, digits[2] == UInt8(ascii: ":"), let hour = Int(time.prefix(2)),
            let minute = Int(time.suffix(2)), (0...23).contains(hour), (0...59).contains(minute)
        else { throw PerchError(.invalid, "'\(time.shown())' is no time of day: it is written as 06:30 or 22:00") }
        guard !days.contains(where: \.isWhitespace), !days.isEmpty else {
            throw PerchError(.invalid, "'\(days.shown())' are no days: they are written as *, MON-FRI or SAT,SUN")
        }
        return try CronSchedule("\(minute) \(hour) * * \(days)", timeZone: timeZone)
    }
}

extension TimeWindow: CustomStringConvertible {
    /// In words: `22:00 to 06:00 on MON-FRI (Europe/Paris)`.
    public var description: String {
        "\(opens) to \(closes)\(days == "*" ? "" : " on \(days)") (\(timeZone))"
    }
}

extension TimeWindow: JSONConvertible {
    /// `{"opens": …, "closes": …, "days": …, "time_zone": …}`.
    public var json: JSONValue {
        .object([
            "opens": .string(opens), "closes": .string(closes), "days": .string(days), "time_zone": .string(timeZone),
        ])
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a time window")
        self.init(
            opens: try fields.string("opens"), closes: try fields.string("closes"), days: try fields.string("days"),
            timeZone: try fields.string("time_zone"))
    }
}
