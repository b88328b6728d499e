// SPDX-License-Identifier: Apache-2.0

extension ScheduleDefinition {
    /// The IANA name of the zone on whose wall clock the schedule is read.
    public var timeZone: String {
        if case .cron(_, let zone) = self { zone } else { "UTC" }
    }

    /// The ticks of a cron schedule; nil for the others.
    /// - Throws: `PerchError` (`invalid`) for a wrong expression or an unknown zone.
    public func cron() throws(PerchError) -> CronSchedule? {
        guard case .cron(let expression, let zone) = self else { return nil }
        return try CronSchedule(expression, timeZone: zone)
    }
}
