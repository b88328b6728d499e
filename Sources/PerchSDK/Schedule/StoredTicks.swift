// SPDX-License-Identifier: Apache-2.0

/// The next tick of a schedule, as far as that is known.
public enum NextTick: Hashable, Sendable {
    case tick(Timestamp)
    /// There is none any more.
    case never
    /// The timetable has to be asked for the ticks after this instant.
    case unknown(after: Timestamp)
}

/// The ticks of a timetable in code, as far as it has told them: links from an instant to the first tick after it.
public struct StoredTicks: Hashable, Sendable {
    /// After an instant comes this tick, with none between them.
    public struct Link: Hashable, Sendable {
        public var after: Timestamp
        /// Nil: none comes any more.
        public var tick: TimetableTick?

        /// A link from its parts.
        public init(after: Timestamp, tick: TimetableTick?) {
            self.after = after
            self.tick = tick
        }
    }

    /// By tick, and for one tick from the earliest instant on; those after which none comes are last.
    private let links: [Link]

    /// Ticks from their links, in any order.
    public init(_ links: [Link]) {
        self.links = links.sorted { left, right in
            switch (left.tick?.at, right.tick?.at) {
            case (let first?, let second?): (first, left.after) < (second, right.after)
            case (nil, nil): left.after < right.after
            case (let first, _): first != nil
            }
        }
    }

    /// The first tick later than an instant.
    public func next(after instant: Timestamp) -> NextTick {
        let place = links.firstIndex { link in link.tick.map { $0.at > instant } ?? true } ?? links.endIndex
        guard place < links.endIndex, links[place].after <= instant else { return .unknown(after: instant) }
        return links[place].tick.map { .tick($0.at) } ?? .never
    }

    /// The last tick up to an instant, or the one from which it starts.
    func latest(from tick: Timestamp, upTo limit: Timestamp) -> NextTick {
        var latest = tick
        while true {
            switch next(after: latest) {
            case .tick(let later) where later <= limit: latest = later
            case .tick, .never: return .tick(latest)
            case .unknown(let instant): return .unknown(after: instant)
            }
        }
    }

    /// The last tick earlier than an instant that is known.
    func previous(before instant: Timestamp) -> Timestamp? {
        links.last { link in link.tick.map { $0.at < instant } ?? false }?.tick?.at
    }

    /// The time that the run of a tick covers.
    func dataInterval(of tick: Timestamp) -> (start: Timestamp, end: Timestamp) {
        guard let known = links.first(where: { $0.tick?.at == tick })?.tick else { return (tick, tick) }
        return (known.intervalStart, known.intervalEnd)
    }
}
