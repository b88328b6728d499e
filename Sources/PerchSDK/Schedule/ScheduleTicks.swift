// SPDX-License-Identifier: Apache-2.0

/// The instants at which a schedule creates runs by time.
public indirect enum ScheduleTicks: Sendable {
    /// Those of each of these; where two tick at one instant, it is one.
    case cron([CronSchedule])
    /// So far apart, counted from an anchor.
    case every(TimeSpan, from: Timestamp)
    /// Those of others that lie on the days of a calendar; `midnights` are those of its zone.
    case on(DayCalendar, _ midnights: CronSchedule, ScheduleTicks)
    /// Those that a timetable in code has told.
    case stored(StoredTicks)

    /// The first tick later than an instant; nil after the last year.
    public func next(after instant: Timestamp) -> Timestamp? {
        switch self {
        case .cron(let schedules): return schedules.compactMap { $0.next(after: instant) }.min()
        case .every(let span, let anchor): return Self.step(instant, span, anchor, by: 1)
        case .stored(let ticks):
            if case .tick(let tick) = ticks.next(after: instant) { return tick } else { return nil }
        case .on(let calendar, let midnights, let ticks):
            var before = instant
            for _ in 0..<DayCalendar.farthest {
                guard let tick = ticks.next(after: before) else { return nil }
                if calendar.contains(midnights.date(of: tick)) { return tick }
                // The rest of the day has no tick.
                guard let midnight = midnights.next(after: tick) else { return nil }
                before = midnight + TimeSpan(microseconds: -1)
            }
            return nil
        }
    }

    /// The last tick earlier than an instant; nil before the first year.
    public func previous(before instant: Timestamp) -> Timestamp? {
        switch self {
        case .cron(let schedules): return schedules.compactMap { $0.previous(before: instant) }.max()
        case .every(let span, let anchor):
            return Self.step(instant + TimeSpan(microseconds: -1), span, anchor, by: 0)
        case .stored(let ticks): return ticks.previous(before: instant)
        case .on(let calendar, let midnights, let ticks):
            var after = instant
            for _ in 0..<DayCalendar.farthest {
                guard let tick = ticks.previous(before: after) else { return nil }
                if calendar.contains(midnights.date(of: tick)) { return tick }
                guard let midnight = midnights.previous(before: tick + TimeSpan(microseconds: 1)) else { return nil }
                after = midnight
            }
            return nil
        }
    }

    /// The first tick later than an instant, or that it is not known yet.
    public func known(after instant: Timestamp) -> NextTick {
        if case .stored(let ticks) = self { return ticks.next(after: instant) }
        return next(after: instant).map { .tick($0) } ?? .never
    }

    /// The last tick up to an instant, or the one from which it starts; or that it is not known yet.
    public func latest(from tick: Timestamp, upTo limit: Timestamp) -> NextTick {
        if case .stored(let ticks) = self { return ticks.latest(from: tick, upTo: limit) }
        return .tick(max(tick, previous(before: limit + TimeSpan(microseconds: 1)) ?? tick))
    }

    /// The time that the run of a tick covers: from the tick before it to the tick itself, which is the logical date, or what
    /// a timetable says.
    public func dataInterval(endingAt tick: Timestamp) -> (start: Timestamp, end: Timestamp) {
        if case .stored(let ticks) = self { return ticks.dataInterval(of: tick) }
        return (previous(before: tick) ?? tick, tick)
    }

    /// The last tick at or before an instant, or the one after it; nil beyond what can be counted.
    private static func step(_ instant: Timestamp, _ span: TimeSpan, _ anchor: Timestamp, by count: Int64) -> Timestamp?
    {
        let (distance, isFar) = instant.microseconds.subtractingReportingOverflow(anchor.microseconds)
        let steps = distance / span.microseconds - (distance % span.microseconds < 0 ? 1 : 0) + count
        let (offset, isLong) = steps.multipliedReportingOverflow(by: span.microseconds)
        let (tick, isBeyond) = anchor.microseconds.addingReportingOverflow(offset)
        return isFar || isLong || isBeyond ? nil : Timestamp(microseconds: tick)
    }
}
