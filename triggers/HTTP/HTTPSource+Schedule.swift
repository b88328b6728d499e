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
    func joined(_ probe: HTTPProbe, every: Int64) {
        guard probe.activity == .idle, probe.failures < 2, let last = probe.lastAt else { return }
        let wanted = max(last + every, loop.now)
        if wanted < probe.dueAt { set(probe, at: wanted) }
    }

    func set(_ probe: HTTPProbe, at instant: Int64) {
        unschedule(probe)
        lastTicket += 1
        probe.ticket = lastTicket
        probe.dueAt = instant
        tickets[lastTicket] = probe
        schedule.insert(deadline: instant, id: lastTicket)
    }

    func unschedule(_ probe: HTTPProbe) {
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

    /// Makes a probe as soon as its host and the sum of all requests allow.
    func ask(_ probe: HTTPProbe) {
        let origin = probe.address.origin
        let host = hosts[origin] ?? HTTPHost(origin: origin)
        hosts[origin] = host
        probe.activity = .queued
        host.line.append(probe)
        advance(host)
    }

    private func advance(_ host: HTTPHost) {
        while host.active < options.perHost, !host.line.isEmpty {
            guard active < options.inAll else {
                if !host.isInLine {
                    host.isInLine = true
                    hostsInLine.append(host)
                }
                return
            }
            guard let probe = host.line.popFirst() else { return }
            // One whose waits have all gone meanwhile.
            guard probe.count > 0, probe.activity == .queued else { continue }
            probe.activity = .asking
            host.active += 1
            active += 1
            probe.startedAt = loop.now
            probe.visited = [probe.key.url]
            request(probe, url: probe.key.url, method: probe.key.method, body: probe.key.body)
        }
        if host.active == 0, host.line.isEmpty { hosts[host.origin] = nil }
    }

    /// A probe has ended: its place goes to those in line.
    func leave(_ probe: HTTPProbe) {
        probe.activity = .idle
        active -= 1
        guard let host = hosts[probe.address.origin] else { return }
        host.active -= 1
        while active < options.inAll, let next = hostsInLine.popFirst() {
            next.isInLine = false
            advance(next)
        }
        advance(host)
    }

    /// When a probe is made again: its period on, give or take a tenth; longer after failures in a row.
    func scheduleNext(_ probe: HTTPProbe, retryAfter: Int64) {
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
        if retryAfter > 0 {
            let longest = TimeSpan(options.longestRetryAfter).microseconds
            // A server may name any number.
            next = max(next, now + (retryAfter > longest / 1_000_000 ? longest : retryAfter * 1_000_000))
        }
        set(probe, at: next)
    }
}
