// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import PerchSDK

/// Waits for an instant, for a length of time from the moment at which the wait is registered, for the next tick of a cron
/// expression, or until the time of day lies within a window.
public struct TimeTrigger: Trigger {
    public typealias Event = TimeEvent
    public static let kind = "time"

    /// When the wait is due.
    public var instant: DueInstant

    /// A wait for an instant.
    public init(_ instant: DueInstant) {
        self.instant = instant
    }

    public var target: String { instant.description }
    public var due: DueInstant? { instant }

    public var problems: [String] { instant.problems }

    private enum CodingKeys: String, CodingKey {
        case instant = "due"
    }
}

/// The event of a wait for time.
public struct TimeEvent: Codable, Hashable, Sendable {
    /// The instant that was waited for; the event itself may come a moment later.
    public var dueAt: Timestamp

    /// The event of an instant.
    public init(dueAt: Timestamp) {
        self.dueAt = dueAt
    }

    enum CodingKeys: String, CodingKey {
        case dueAt = "due_at"
    }
}

extension Trigger where Self == TimeTrigger {
    /// Waits until an instant, written as RFC 3339 (`2026-01-01T06:00:00Z`) or as a template that becomes one. An
    /// instant in the past is due at once.
    public static func at(_ instant: String) -> TimeTrigger { TimeTrigger(.at(instant)) }

    /// Waits until an instant.
    public static func at(_ instant: Timestamp) -> TimeTrigger { TimeTrigger(.at(instant.description)) }

    /// Waits until a date.
    public static func at(_ date: Date) -> TimeTrigger { .at(Timestamp(date)) }

    /// Waits so long from the moment at which the wait is registered; a restart does not begin it anew.
    public static func after(_ duration: Duration) -> TimeTrigger { TimeTrigger(.after(TimeSpan(duration))) }

    /// Waits until the first tick of a cron expression after the moment at which the wait is registered.
    ///
    /// - Parameters:
    ///   - expression: Five fields, or a preset such as `@daily`; as for schedules.
    ///   - timeZone: The IANA name of the zone on whose wall clock it ticks.
    public static func cron(_ expression: String, timeZone: String = "UTC") -> TimeTrigger {
        TimeTrigger(.tick(cron: expression, timeZone: timeZone))
    }

    /// Waits until the time of day lies within a window; where it does already, not at all. A wait that is held up until
    /// its window has closed again waits for the next one.
    ///
    /// - Parameters:
    ///   - opens: As `HH:MM`.
    ///   - closes: As `HH:MM`; on the next day where it is not later than `opens`.
    ///   - days: The days on which it opens, as the day-of-week field of a cron expression: `MON-FRI`.
    ///   - timeZone: The IANA name of the zone on whose wall clock that is meant.
    public static func within(
        _ opens: String, _ closes: String, days: String = "*", timeZone: String = "UTC"
    ) -> TimeTrigger {
        TimeTrigger(.within(TimeWindow(opens: opens, closes: closes, days: days, timeZone: timeZone)))
    }
}
