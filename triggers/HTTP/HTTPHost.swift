// SPDX-License-Identifier: Apache-2.0

/// The requests to one host, by one way: so many at a time and so many a second, the others in line. A host that cannot be
/// reached is tried with one request; one that asks for patience is left alone.
final class HTTPHost {
    /// Since when the host cannot be reached.
    struct Outage {
        var since: Int64
        /// Tries in a row that met nobody.
        var failures: Int
        /// When it is tried next.
        var tryAt: Int64
        /// When it was last missed.
        var missedAt: Int64 = 0
        /// The probe that tries it now.
        var trier: HTTPProbe?
        var words: String
    }

    /// Lateness of a timer that is made up for, so that it does not lower the rate, in microseconds.
    private static let slack: Int64 = 10_000

    let name: String
    /// How many probes are for it, whatever they do now.
    var probes = 0
    var active = 0
    /// Whether it stands in the line of hosts for a free place among all requests.
    var isInLine = false

    private var line = FirstInFirstOut<HTTPProbe>()
    private var urgent = FirstInFirstOut<HTTPProbe>()

    /// Until when it asked to be left alone.
    var blockedUntil: Int64 = 0
    var outage: Outage?
    /// Who wants a probe out of turn while the host cannot be reached; answered with the next try.
    var asked: [(probe: HTTPProbe, done: () -> Void)] = []

    /// When it is looked at again, in the schedule of the source.
    var ticket: Int64?
    var wakeAt: Int64 = 0

    /// The least time between two requests.
    private let interval: Int64
    private var nextStart: Int64 = 0
    /// After an outage: how many of those that stood in line are still to be asked, and how far apart.
    private var recovery: (left: Int, spacing: Int64) = (0, 0)

    init(name: String, rate: Int) {
        self.name = name
        // Two in a hundred less, so that no second holds more than the rate where lateness is made up for.
        interval = rate > 0 ? (1_020_000 + Int64(rate) - 1) / Int64(rate) : 0
    }

    var inLine: Int { line.count + urgent.count }
    private var spacing: Int64 { max(interval, recovery.left > 0 ? recovery.spacing : 0) }

    func append(_ probe: HTTPProbe, isUrgent: Bool) {
        if isUrgent { urgent.append(probe) } else { line.append(probe) }
    }

    func popFirst() -> HTTPProbe? { urgent.popFirst() ?? line.popFirst() }

    /// Forgets who stood in line: probes without waits.
    func clearLine() {
        line = FirstInFirstOut()
        urgent = FirstInFirstOut()
    }

    /// When the next request may begin. A clock that was set back makes nothing wait for longer than was meant.
    func earliest(now: Int64, longestBlock: Int64, longestBackOff: Int64) -> Int64 {
        if blockedUntil - now > longestBlock { blockedUntil = now + longestBlock }
        if nextStart - now > 2 * spacing + 60_000_000 { nextStart = now + spacing }
        var earliest = max(blockedUntil, nextStart)
        if var outage {
            if outage.tryAt - now > 2 * longestBackOff { outage.tryAt = now + longestBackOff }
            self.outage = outage
            earliest = max(earliest, outage.tryAt)
        }
        return earliest
    }

    /// Somebody new waits for it: the host is tried soon although it could not be reached, for it may be back and the newcomer
    /// have little time. However many come, they make it one request in so long at most.
    func hasten(now: Int64) {
        guard let outage, outage.trier == nil else { return }
        self.outage?.tryAt = min(outage.tryAt, max(now, outage.missedAt + Self.leastPause))
    }

    private static let leastPause: Int64 = 5_000_000

    /// A request begins.
    func charge(now: Int64) {
        let spacing = spacing
        nextStart = max(nextStart, now - (spacing < Self.slack ? Self.slack : 0)) + spacing
        if recovery.left > 0 { recovery.left -= 1 }
    }

    /// It answers again: those in line follow over half a period of theirs.
    func recovered(period: Int64, now: Int64) {
        outage = nil
        let count = inLine
        guard count > 1 else { return recovery = (0, 0) }
        recovery = (count, min(period, 60_000_000) / 2 / Int64(count))
        nextStart = max(nextStart, now)
    }
}

/// A queue that gives its room back.
struct FirstInFirstOut<Element> {
    private var elements: [Element] = []
    private var head = 0

    var isEmpty: Bool { head == elements.count }
    var count: Int { elements.count - head }

    mutating func append(_ element: Element) { elements.append(element) }

    mutating func popFirst() -> Element? {
        guard head < elements.count else { return nil }
        defer {
            head += 1
            // Half of it at least, so that each element is moved once on average.
            if head == elements.count || head > 1_024 && head > elements.count / 2 {
                elements.removeFirst(head)
                head = 0
            }
        }
        return elements[head]
    }
}
