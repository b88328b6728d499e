// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import PerchReactor
internal import PerchSDK

/// When which probe is made.
extension SocketSource {
    /// New probes are made at once; many of them are spread over a part of their period, so that they stay apart.
    func begin(_ fresh: [SocketProbe]) {
        let now = loop.now
        let spread: Int64 = fresh.count > 16 ? Int64(fresh.count) * 100 : 0
        for probe in fresh where probe.count > 0 {
            let most = min(spread, probe.period)
            set(probe, at: most > 0 ? now + loop.random(in: 0...most) : now)
        }
        arm()
    }

    /// Another wait has come to a probe: it is not made more seldom than that one wants.
    func joined(_ probe: SocketProbe, every: Int64) {
        guard probe.activity == .idle, probe.failures < 2, let last = probe.lastAt else { return }
        let wanted = max(last + every, loop.now)
        if wanted < probe.dueAt { set(probe, at: wanted) }
    }

    private func set(_ probe: SocketProbe, at instant: Int64) {
        unschedule(probe)
        lastTicket += 1
        probe.ticket = lastTicket
        probe.dueAt = instant
        tickets[lastTicket] = probe
        schedule.insert(deadline: instant, id: lastTicket)
    }

    func unschedule(_ probe: SocketProbe) {
        guard let ticket = probe.ticket else { return }
        probe.ticket = nil
        tickets[ticket] = nil
        schedule.remove(ticket)
    }

    func arm() {
        let earliest = schedule.earliest
        guard earliest != timer?.instant else { return }
        if let timer { loop.cancel(timer.handle) }
        timer = earliest.map { instant in
            (instant, loop.schedule(at: instant) { [weak self] in self?.askDue() })
        }
    }

    private func askDue() {
        timer = nil
        let now = loop.now
        while let (_, ticket) = schedule.popDue(now) {
            guard let probe = tickets.removeValue(forKey: ticket) else { continue }
            probe.ticket = nil
            ask(probe)
        }
        arm()
    }

    /// Makes a probe as soon as the number of those under way allows.
    func ask(_ probe: SocketProbe) {
        probe.activity = .queued
        line.append(probe)
        advance()
    }

    private func advance() {
        while active < options.inAll, let probe = line.popFirst() {
            // One whose waits have all gone meanwhile.
            guard probe.count > 0, probe.activity == .queued else { continue }
            probe.activity = .asking
            probe.startedAt = loop.now
            active += 1
            connect(probe)
        }
    }

    /// A probe has ended: its place goes to the first in line.
    func leave(_ probe: SocketProbe) {
        probe.activity = .idle
        active -= 1
        advance()
    }

    /// When a probe is made again: its period on, give or take a tenth; longer after failures in a row.
    func scheduleNext(_ probe: SocketProbe) {
        let now = loop.now
        var wait = probe.period
        if probe.failures > 1 {
            let longest = max(TimeSpan(options.longestBackOff).microseconds, probe.period)
            let (longer, overflow) = probe.period.multipliedReportingOverflow(
                by: 1 << Int64(min(probe.failures - 1, 20)))
            wait = overflow ? longest : min(longer, longest)
        }
        let tenth = wait / 10
        let jittered = wait - tenth + (tenth > 0 ? loop.random(in: 0...(2 * tenth)) : 0)
        // What was due later than now was asked out of turn, or the clock was set back.
        var next = max(min(probe.dueAt, now) + jittered, now)
        // After a pause, such as a suspended machine, the rhythm begins anew.
        if next == now, now - probe.dueAt > 2 * wait { next = now + jittered }
        set(probe, at: next)
    }
}
