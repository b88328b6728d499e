// SPDX-License-Identifier: Apache-2.0

extension ScheduleDefinition {
    /// The IANA name of the zone on whose wall clock the schedule is read.
    public var timeZone: String {
        switch self {
        case .cron(_, let zone): zone
        case .events(let events): events.ticks?.timeZone ?? "UTC"
        case .none, .once, .continuous: "UTC"
        }
    }

    /// The ticks of a cron schedule, also of one beside events; nil for the others.
    /// - Throws: `PerchError` (`invalid`) for a wrong expression or an unknown zone.
    public func cron() throws(PerchError) -> CronSchedule? {
        switch self {
        case .cron(let expression, let zone): return try CronSchedule(expression, timeZone: zone)
        case .events(let events):
            guard let ticks = events.ticks else { return nil }
            return try CronSchedule(ticks.expression, timeZone: ticks.timeZone)
        case .none, .once, .continuous: return nil
        }
    }
}
