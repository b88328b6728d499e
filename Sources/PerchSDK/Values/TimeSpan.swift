// SPDX-License-Identifier: Apache-2.0

/// A length of time in whole microseconds: what a `Duration` becomes where it is stored.
public struct TimeSpan: Hashable, Comparable, Sendable {
    /// The length in microseconds; negative lengths point into the past.
    public var microseconds: Int64

    /// A length from microseconds.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// A length from a `Duration`, cut to whole microseconds; saturates instead of trapping.
    public init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        let (sum, overflowToo) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000)
        microseconds = overflow || overflowToo ? (seconds > 0 ? .max : .min) : sum
    }

    /// The same length as a `Duration`.
    public var duration: Duration {
        .microseconds(microseconds)
    }

    /// Whole seconds; saturates instead of trapping.
    public static func seconds(_ seconds: Int64) -> TimeSpan {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        return TimeSpan(microseconds: overflow ? (seconds > 0 ? .max : .min) : product)
    }

    /// Which of two lengths is shorter.
    public static func < (left: TimeSpan, right: TimeSpan) -> Bool {
        left.microseconds < right.microseconds
    }
}

extension TimeSpan: Codable {
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
