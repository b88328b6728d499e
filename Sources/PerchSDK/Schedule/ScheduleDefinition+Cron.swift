// SPDX-License-Identifier: Apache-2.0

extension ScheduleDefinition {
    /// The IANA name of the zone on whose wall clock the schedule is read.
    public var timeZone: String {
        switch self {
        case .cron(_, let zone): zone
        case .events(let events): events.ticks?.timeZone ?? "UTC"
        case .none, .once, .continuous, .every, .timetable: "UTC"
        }
    }

    /// The instants at which it creates runs by time; nil where it does so otherwise, or not at all.
    ///
    /// - Parameter start: The DAG's start, from which intervals are counted; without one they are counted from 1970.
    /// - Throws: `PerchError` (`invalid`) for a wrong expression or an unknown zone.
    public func ticks(from start: Timestamp?) throws(PerchError) -> ScheduleTicks? {
        switch self {
        case .cron(let expression, let zone): return try Self.cron(expression, zone)
        case .every(let span): return .every(span, from: start ?? Timestamp(microseconds: 0))
        case .events(let events):
            guard let ticks = events.ticks else { return nil }
            return try Self.cron(ticks.expression, ticks.timeZone)
        case .none, .once, .continuous, .timetable: return nil
        }
    }

    /// Several expressions stand in one text, with semicolons between them.
    private static func cron(_ text: String, _ zone: String) throws(PerchError) -> ScheduleTicks {
        var schedules: [CronSchedule] = []
        for expression in text.split(separator: ";", omittingEmptySubsequences: false) {
            schedules.append(try CronSchedule(expression.trimmed, timeZone: zone))
        }
        return .cron(schedules)
    }
}
