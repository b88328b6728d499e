// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What the stored trigger of an event wait says of the events from before it.
enum EventTerms {
    static let kind = "event"
    /// How long events are kept where nobody has said otherwise: 7 days.
    static let retention = TimeSpan.seconds(7 * 86_400)

    /// From which events on a wait sees them.
    enum Start: Hashable {
        case runCreated
        case registered
        case instant(Timestamp)
    }

    /// - Throws: `invalid` where it cannot be read.
    static func start(_ definition: JSONValue, now: Timestamp) throws -> Start? {
        guard let since = definition["since"], since != .null else { return nil }
        guard case .string(let from) = since["from"] else { throw unreadable(since) }
        switch from {
        case "run_created": return .runCreated
        case "now": return .registered
        case "instant", "ago":
            guard case .integer(let number) = since["microseconds"] else { throw unreadable(since) }
            if from == "instant" { return .instant(Timestamp(microseconds: number)) }
            let (instant, overflow) = now.microseconds.subtractingReportingOverflow(number)
            guard number >= 0, !overflow else { throw unreadable(since) }
            return .instant(Timestamp(microseconds: instant))
        default: throw unreadable(since)
        }
    }

    static func isLevel(_ definition: JSONValue) -> Bool { definition["mode"] == .string("level") }

    private static func unreadable(_ since: JSONValue) -> PerchError {
        PerchError(
            .invalid, "since when an event wait sees events cannot be read from '\(since.text.shown())'")
    }
}
