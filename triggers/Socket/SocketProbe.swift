// SPDX-License-Identifier: Apache-2.0

/// One address that is tried again and again, and the waits that look at what comes of it.
final class SocketProbe {
    enum Activity {
        case idle
        /// Due, and waiting for its turn.
        case queued
        case asking
    }

    let address: SocketAddress
    /// What the probe is called in reports.
    let target: String

    private(set) var open: Set<Int64> = []
    private(set) var closed: Set<Int64> = []
    private var periods: [Int64: Int] = [:]
    /// Nil where it has to be looked for again: once after a thousand removals, not a thousand times.
    private var shortest: Int64?

    var activity = Activity.idle
    var attempt: (any SocketAttempt)?

    /// When it was due, or is.
    var dueAt: Int64 = 0
    var ticket: Int64?
    /// Failures in a row.
    var failures = 0
    var probes: Int64 = 0
    var lastAt: Int64?
    var lastResult = ""
    /// When the probe that is under way was begun.
    var startedAt: Int64 = 0
    var lastClass = ""
    var reportedAt: Int64 = 0
    /// Who waits for what comes of the next probe.
    var asked: [() -> Void] = []

    init(address: SocketAddress, target: String) {
        self.address = address
        self.target = target
    }

    /// The shortest that any of its waits wants.
    var period: Int64 {
        if let shortest { return shortest }
        let found = periods.keys.min() ?? 0
        shortest = found
        return found
    }

    var count: Int { open.count + closed.count }

    func waits(until state: SocketTrigger.State) -> Set<Int64> { state == .open ? open : closed }

    func insert(_ waitID: Int64, until state: SocketTrigger.State, every: Int64) {
        shortest = count == 0 ? every : min(period, every)
        if state == .open { open.insert(waitID) } else { closed.insert(waitID) }
        periods[every, default: 0] += 1
    }

    func remove(_ waitID: Int64, until state: SocketTrigger.State, every: Int64) {
        if state == .open { open.remove(waitID) } else { closed.remove(waitID) }
        guard let number = periods[every] else { return }
        periods[every] = number == 1 ? nil : number - 1
        if number == 1, every == shortest { shortest = nil }
    }
}
