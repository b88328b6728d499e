// SPDX-License-Identifier: Apache-2.0

public import Foundation
public import PerchSDK

/// Waits for an instant, or for a length of time from the moment at which the wait is registered.
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

    public var problems: [String] {
        switch instant {
        case .at(let text):
            // A template has no instant before it is filled in.
            guard !text.contains("{{") else { return [] }
            do {
                _ = try Timestamp(parsing: text)
                return []
            } catch {
                return [error.message]
            }
        case .after(let span):
            return span.microseconds < 0 ? ["a wait cannot be \(span) long"] : []
        }
    }

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
}
