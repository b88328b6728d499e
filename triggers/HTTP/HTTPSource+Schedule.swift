// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// When which probe is made.
extension HTTPSource {
    /// New probes are made at once; many of them are spread over a part of their period, so that they stay apart.
    func begin(_ fresh: [HTTPProbe]) {
        let now = loop.now
        let spread: Int64 = fresh.count > 16 ? Int64(fresh.count) * 100 : 0
        for probe in fresh where probe.count > 0 {
            let most = min(spread, probe.period)
            set(probe, at: most > 0 ? now + loop.random(in: 0...most) : now)
        }
        arm()
    }

    /// Another wait has come to a probe: it is not asked more often than that one wants, and not less often.
    func joined(_ probe: HTTPProbe) {
        guard probe.activity == .idle, probe.failures < 2, let last = probe.lastAt else { return }
        let wanted = max(last + probe.period, loop.now)
        if wanted < probe.dueAt { set(probe, at: wanted) }
    }

    func set(_ probe: HTTPProbe, at instant: Int64) {
        unschedule(probe)
        lastTicket += 1
        probe.ticket = lastTicket
        probe.dueAt = instant
        tickets[lastTicket] = .probe(probe)
        schedule.insert(deadline: instant, id: lastTicket)
    }

    func unschedule(_ probe: HTTPProbe) {
        guard let ticket = probe.ticket else { return }
        probe.ticket = nil
        tickets[ticket] = nil
        schedule.remove(ticket)
    }

    func arm() {
        // Armed at the end of the turn.
        guard !isInTurn else { return }
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
        isInTurn = true
        while let (_, ticket) = schedule.popDue(now) {
            switch tickets.removeValue(forKey: ticket) {
            case .probe(let probe):
                probe.ticket = nil
                ask(probe)
            case .host(let host):
                host.ticket = nil
                advance(host)
            case nil: break
            }
        }
        isInTurn = false
        arm()
    }

    /// When a probe is made again: its period on, give or take a tenth; longer after failures in a row.
    func scheduleNext(_ probe: HTTPProbe, patience: Int64) {
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
        if patience > 0 { next = max(next, now + patience) }
        set(probe, at: next)
    }
}
