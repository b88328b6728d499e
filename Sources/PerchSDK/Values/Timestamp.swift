// SPDX-License-Identifier: Apache-2.0

/// An instant: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// The metastore, the wait tables and the timers all use this one number; `Foundation.Date` is a double and cannot be
/// compared and set.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Microseconds since the epoch, UTC.
    public var microseconds: Int64

    /// An instant from microseconds since the epoch, UTC.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Which of two instants is earlier.
    public static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.microseconds < right.microseconds
    }

    /// The instant `span` later; saturates at the ends of the range instead of trapping.
    public static func + (instant: Timestamp, span: TimeSpan) -> Timestamp {
        let (sum, overflow) = instant.microseconds.addingReportingOverflow(span.microseconds)
        guard overflow else { return Timestamp(microseconds: sum) }
        return Timestamp(microseconds: span.microseconds > 0 ? .max : .min)
    }

    /// The time from `right` to `left`; saturates as addition does.
    public static func - (left: Timestamp, right: Timestamp) -> TimeSpan {
        let (difference, overflow) = left.microseconds.subtractingReportingOverflow(right.microseconds)
        guard overflow else { return TimeSpan(microseconds: difference) }
        return TimeSpan(microseconds: left > right ? .max : .min)
    }
}

extension Timestamp: Codable {
    /// Reads the microseconds.
    public init(from decoder: any Decoder) throws {
        microseconds = try decoder.singleValueContainer().decode(Int64.self)
    }

    /// Writes the microseconds.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(microseconds)
    }
}
