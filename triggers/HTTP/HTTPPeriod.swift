// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// How often a URL is asked.
public struct HTTPPeriod: Hashable, Sendable {
    /// The time from one probe to the next; of an adaptive period the shortest.
    public var every: TimeSpan
    /// The longest time to which an adaptive period grows while answers stay the same; nil: the period stays as it is.
    public var slowest: TimeSpan?

    /// Always this far apart, give or take a tenth.
    public static func every(_ span: Duration) -> HTTPPeriod { HTTPPeriod(every: TimeSpan(span)) }

    /// Half as long again with every answer that is the one before, up to a bound; from the beginning after any other.
    public static func adaptive(from shortest: Duration, to longest: Duration) -> HTTPPeriod {
        HTTPPeriod(every: TimeSpan(shortest), slowest: TimeSpan(longest))
    }

    /// How long it is after so many answers that were the one before, in microseconds.
    func span(unchanged: Int) -> Int64 {
        guard let slowest = slowest?.microseconds, slowest > every.microseconds else { return every.microseconds }
        var span = every.microseconds
        for _ in 0..<min(unchanged, 128) {
            span += max(span / 2, 1)
            if span >= slowest { return slowest }
        }
        return span
    }
}
