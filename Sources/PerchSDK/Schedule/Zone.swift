// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A time zone as a table of the moments at which its offset from UTC changes.
///
/// Foundation is asked once for each zone and span of years; a lookup afterwards is a binary search.
final class Zone: Sendable {
    /// A change of the offset.
    struct Transition: Sendable, Hashable {
        /// The first second of the new offset, since 1970 in UTC.
        var at: Int
        var before: Int
        var after: Int
    }

    private struct Table: Sendable {
        /// The years that are known, as the seconds at which they begin and end.
        var known: Range<Int>
        var firstOffset: Int
        var transitions: [Transition]
    }

    /// The years for which tables are made; beyond them clock changes are not looked for.
    static let known = begin(1_801)..<begin(2_600)

    private let zone: TimeZone
    private let table: Mutex<Table>

    private static let zones = Mutex<[String: Zone]>([:])

    /// The zone of an IANA name.
    /// - Throws: `PerchError`: `invalid` for an unknown name, `unavailable` where this system knows no zone at all.
    static func named(_ identifier: String) throws(PerchError) -> Zone {
        if let known = zones.withLock({ $0[identifier] }) { return known }
        guard let zone = TimeZone(identifier: identifier), !identifier.isEmpty else {
            guard TimeZone(identifier: "Europe/London") != nil else {
                throw PerchError(
                    .unavailable,
                    """
                    this build knows no time zone at all, so that '\(identifier.shown(60))' cannot be read; link \
                    FoundationInternationalization, or do not link Foundation statically
                    """)
            }
            throw PerchError(.invalid, "unknown time zone '\(identifier.shown(60))'; \(hint(for: identifier))")
        }
        let made = Zone(zone)
        return zones.withLock { zones in
            if let known = zones[identifier] { return known }
            zones[identifier] = made
            return made
        }
    }

    private init(_ zone: TimeZone) {
        self.zone = zone
        let start = Self.begin(2_020)
        table = Mutex(
            Table(known: start..<start, firstOffset: Self.offset(of: zone, at: start), transitions: []))
    }

    /// Seconds ahead of UTC at a moment.
    func offset(at seconds: Int) -> Int {
        transitionsAround(seconds, seconds).offset
    }

    /// The changes within a span, and the offset at its start.
    func transitionsAround(_ from: Int, _ to: Int) -> (offset: Int, transitions: ArraySlice<Transition>) {
        guard Self.known.contains(from), Self.known.contains(to) else { return (Self.offset(of: zone, at: from), []) }
        return table.withLock { table in
            if from < table.known.lowerBound || to >= table.known.upperBound { extend(&table, from, to) }
            let first = Self.firstIndex(in: table.transitions, after: from)
            let offset = first > 0 ? table.transitions[first - 1].after : table.firstOffset
            var last = first
            while last < table.transitions.count, table.transitions[last].at <= to { last += 1 }
            return (offset, table.transitions[first..<last])
        }
    }

    /// The index of the first transition later than a moment.
    private static func firstIndex(in transitions: [Transition], after seconds: Int) -> Int {
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle].at <= seconds { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Learns whole years, so that the span is known.
    private func extend(_ table: inout Table, _ from: Int, _ to: Int) {
        func year(_ seconds: Int) -> Int { CivilTime(seconds: seconds).year }
        if from < table.known.lowerBound {
            let start = Self.begin(year(from) - 1)
            table.transitions = scan(start, table.known.lowerBound) + table.transitions
            table.firstOffset = Self.offset(of: zone, at: start)
            table.known = start..<table.known.upperBound
        }
        if to >= table.known.upperBound {
            let end = Self.begin(year(to) + 2)
            table.transitions += scan(table.known.upperBound, end)
            table.known = table.known.lowerBound..<end
        }
    }

    private static func begin(_ year: Int) -> Int { CivilTime.dayNumber(year: year, month: 1, day: 1) * 86_400 }

    /// The transitions later than `from`, up to and including `to`: looked for by halves wherever the offset differs
    /// between two days.
    private func scan(_ from: Int, _ to: Int) -> [Transition] {
        var found: [Transition] = []
        var low = from
        var before = Self.offset(of: zone, at: low)
        while low < to {
            let high = min(low + 86_400, to)
            let after = Self.offset(of: zone, at: high)
            if after != before {
                var (early, late) = (low, high)
                while late - early > 1 {
                    let middle = (early + late) / 2
                    if Self.offset(of: zone, at: middle) == before { early = middle } else { late = middle }
                }
                found.append(Transition(at: late, before: before, after: after))
            }
            low = high
            before = after
        }
        return found
    }

    private static func offset(of zone: TimeZone, at seconds: Int) -> Int {
        zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(seconds)))
    }

    /// The moments that a wall time stands for: none in a gap, two where the clock went back; and the moment after the
    /// gap, where it falls into one.
    func moments(ofWall wall: Int) -> (moments: [Int], afterGap: Int?) {
        let (offset, transitions) = transitionsAround(wall - 100_000, wall + 100_000)
        return Self.moments(ofWall: wall, offset, transitions)
    }

    static func moments(
        ofWall wall: Int, _ firstOffset: Int, _ transitions: ArraySlice<Transition>
    ) -> (moments: [Int], afterGap: Int?) {
        var moments: [Int] = []
        var start = Int.min
        var offset = firstOffset
        for transition in transitions {
            if wall - offset >= start, wall - offset < transition.at { moments.append(wall - offset) }
            start = transition.at
            offset = transition.after
        }
        if wall - offset >= start { moments.append(wall - offset) }
        guard moments.isEmpty else { return (moments, nil) }
        return ([], transitions.first { $0.at + $0.before <= wall && wall < $0.at + $0.after }?.at)
    }

    private static func hint(for identifier: String) -> String {
        let wanted = identifier.lowercased().split(separator: "/").last.map(String.init) ?? ""
        let near =
            wanted.count < 3
            ? []
            : TimeZone.knownTimeZoneIdentifiers.sorted().filter {
                $0.lowercased().hasSuffix("/\(wanted)") || $0.lowercased() == wanted
            }
        guard let first = near.first else { return "write an IANA name such as Europe/Paris, or UTC" }
        return "did you mean '\(first)'?"
    }
}

extension Timestamp {
    /// Reads an instant, or a date, which means its first moment in a time zone.
    /// - Throws: `PerchError` (`invalid`) for a text that is no instant or an unknown zone.
    public init(parsing text: String, dateIn timeZone: String) throws(PerchError) {
        self = try Timestamp(parsing: text)
        guard text.utf8.count == 10 else { return }
        let wall = Int(microseconds / 1_000_000)
        let (moments, afterGap) = try Zone.named(timeZone).moments(ofWall: wall)
        microseconds = Int64(moments.first ?? afterGap ?? wall) * 1_000_000
    }
}
