// SPDX-License-Identifier: Apache-2.0

/// When runs of a DAG are created, told by code: what no cron expression and no calendar of days says.
///
/// ```swift
/// struct TradingDays: Timetable {
///     let summary = "the evening of each trading day"
///     func next(after instant: Timestamp) -> Timestamp? { Exchange.closings.first { $0 > instant } }
/// }
/// DAG("settle", schedule: .timetable(TradingDays())) { … }
/// ```
///
/// The code runs in the bundle process. It is asked for some ticks ahead of the time, and they are stored: it is not asked
/// again for those. It gives the same answer to the same question whenever and however often it is asked, and it does not
/// wait for anything.
public protocol Timetable: Sendable {
    /// The rule in words, as lists show it; a line of at most 200 bytes.
    var summary: String { get }
    /// The first tick later than an instant; nil: there is none any more.
    func next(after instant: Timestamp) throws -> Timestamp?
    /// The time that the run of a tick covers; nil: the time since the tick before it.
    func dataInterval(of tick: Timestamp) throws -> (start: Timestamp, end: Timestamp)?
}

extension Timetable {
    /// The time since the tick before it.
    public func dataInterval(of tick: Timestamp) throws -> (start: Timestamp, end: Timestamp)? { nil }
}

/// One tick of a timetable, as it is told and stored.
public struct TimetableTick: Hashable, Sendable {
    public var at: Timestamp
    public var intervalStart: Timestamp
    public var intervalEnd: Timestamp

    /// A tick from its parts.
    public init(at: Timestamp, intervalStart: Timestamp, intervalEnd: Timestamp) {
        self.at = at
        self.intervalStart = intervalStart
        self.intervalEnd = intervalEnd
    }
}

extension Timetable {
    /// The ticks after an instant, so many at most, and whether there are none any more behind them.
    /// - Throws: What the code throws, or `PerchError` (`invalid`) where it gives a tick that is not later.
    package func ticks(after instant: Timestamp, count: Int) throws -> (ticks: [TimetableTick], isLast: Bool) {
        // Whether the instant is a tick itself: then it is where the first interval begins.
        var before = try next(after: instant + TimeSpan(microseconds: -1)) == instant ? instant : nil
        var (ticks, last): ([TimetableTick], Timestamp) = ([], instant)
        while ticks.count < count {
            guard let tick = try next(after: last) else { return (ticks, true) }
            guard tick > last else {
                throw PerchError(
                    .invalid, "the timetable gives \(tick) as the first tick after \(last); it has to be later")
            }
            let interval = try dataInterval(of: tick) ?? (before ?? tick, tick)
            guard interval.start <= interval.end else {
                throw PerchError(
                    .invalid, "the timetable gives the tick \(tick) an interval that ends before it begins")
            }
            ticks.append(TimetableTick(at: tick, intervalStart: interval.start, intervalEnd: interval.end))
            (before, last) = (tick, tick)
        }
        return (ticks, false)
    }
}
