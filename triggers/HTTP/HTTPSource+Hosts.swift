// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchReactor
internal import PerchSDK

/// The turn of probes with their hosts: concurrency, rate, hosts that cannot be reached and hosts that ask for patience.
extension HTTPSource {
    func host(_ name: String) -> HTTPHost {
        if let known = hosts[name] { return known }
        let host = HTTPHost(name: name, rate: options.perHostRate)
        hosts[name] = host
        return host
    }

    /// Makes a probe as soon as its host and the sum of all requests allow.
    func ask(_ probe: HTTPProbe, isUrgent: Bool = false) {
        probe.activity = .queued
        probe.host.append(probe, isUrgent: isUrgent)
        advance(probe.host)
    }

    func advance(_ host: HTTPHost) {
        let now = loop.now
        while host.inLine > 0 {
            // Of a host that cannot be reached one request finds out whether it is back.
            if let outage = host.outage {
                if outage.trier != nil { break }
            } else if host.active >= options.perHost {
                break
            }
            let earliest = host.earliest(
                now: now, longestBlock: TimeSpan(options.longestRetryAfter).microseconds,
                longestBackOff: longestHostBackOff)
            guard earliest <= now else {
                wake(host, at: earliest)
                break
            }
            guard active < options.inAll else {
                if !host.isInLine {
                    host.isInLine = true
                    hostsInLine.append(host)
                }
                break
            }
            guard let probe = host.popFirst() else { break }
            // One whose waits have all gone meanwhile.
            guard probe.count > 0, probe.activity == .queued else { continue }
            probe.activity = .asking
            host.active += 1
            active += 1
            host.charge(now: now)
            if host.outage != nil { host.outage?.trier = probe }
            probe.startedAt = now
            if !probe.visited.isEmpty { probe.visited = [] }
            probe.isConditional = probe.mayBeConditional && !probe.isUnjudged && probe.validators != nil
            request(probe, url: probe.key.url, method: probe.key.method, body: probe.key.body)
        }
        settle(host)
    }

    /// A probe has ended: its place goes to those in line.
    func leave(_ probe: HTTPProbe) {
        let host = probe.host
        probe.activity = .idle
        active -= 1
        host.active -= 1
        if host.outage?.trier === probe { host.outage?.trier = nil }
        while active < options.inAll, let next = hostsInLine.popFirst() {
            next.isInLine = false
            advance(next)
        }
        advance(host)
    }

    /// A host without probes is forgotten, as soon as nothing keeps requests from it any more.
    func settle(_ host: HTTPHost) {
        guard host.probes == 0 else { return }
        host.clearLine()
        for (_, done) in host.asked { loop.enqueue(done) }
        host.asked = []
        guard host.active == 0 else { return }
        let now = loop.now
        let until = host.earliest(
            now: now, longestBlock: TimeSpan(options.longestRetryAfter).microseconds, longestBackOff: longestHostBackOff
        )
        if until > now { return wake(host, at: until) }
        forgetTicket(of: host)
        hosts[host.name] = nil
    }

    private func wake(_ host: HTTPHost, at instant: Int64) {
        if host.ticket != nil, host.wakeAt <= instant { return }
        forgetTicket(of: host)
        lastTicket += 1
        host.ticket = lastTicket
        host.wakeAt = instant
        tickets[lastTicket] = .host(host)
        schedule.insert(deadline: instant, id: lastTicket)
        arm()
    }

    private func forgetTicket(of host: HTTPHost) {
        guard let ticket = host.ticket else { return }
        host.ticket = nil
        tickets[ticket] = nil
        schedule.remove(ticket)
    }

    // MARK: what an answer says about its host

    var longestHostBackOff: Int64 { min(TimeSpan(options.longestBackOff).microseconds, 60_000_000) }

    /// Nobody was met there: the host is tried with one request from now on, ever more seldom.
    func missed(_ probe: HTTPProbe, _ words: String) {
        let (host, now) = (probe.host, loop.now)
        var outage = host.outage ?? HTTPHost.Outage(since: now, failures: 0, tryAt: 0, trier: probe, words: words)
        // Those that were under way already say nothing new.
        guard outage.trier === probe else { return }
        outage.trier = nil
        outage.words = words
        let span = min(min(probe.period, 1_000_000) << Int64(min(outage.failures, 20)), longestHostBackOff)
        outage.failures += 1
        outage.missedAt = now
        outage.tryAt = now + span + (span >= 10 ? loop.random(in: 0...(span / 10)) : 0)
        host.outage = outage
        let asked = host.asked
        host.asked = []
        for (_, done) in asked { loop.enqueue(done) }
    }

    /// The host is there.
    func met(_ probe: HTTPProbe) {
        let host = probe.host
        guard host.outage != nil else { return }
        host.recovered(period: probe.period, now: loop.now)
        let asked = host.asked
        host.asked = []
        for (other, done) in asked {
            guard other.count > 0, other !== probe else {
                loop.enqueue(done)
                continue
            }
            other.asked.append(done)
            guard other.activity == .idle else { continue }
            unschedule(other)
            other.activity = .queued
            host.append(other, isUrgent: true)
        }
    }

    /// The host asks everybody for patience.
    func block(_ host: HTTPHost, for span: Int64) {
        host.blockedUntil = max(host.blockedUntil, loop.now + span)
    }

    /// The microseconds that an answer asks for by `Retry-After`, in seconds or as a date; 0: none.
    func patience(_ answer: HTTPAnswer) -> Int64 {
        guard let text = answer.headers["retry-after"] else { return 0 }
        let longest = TimeSpan(options.longestRetryAfter).microseconds
        if let first = text.utf8.first, first >= UInt8(ascii: "0"), first <= UInt8(ascii: "9") {
            guard text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else { return 0 }
            // A server may name any number.
            let (span, overflow) = (Int64(text) ?? .max).multipliedReportingOverflow(by: 1_000_000)
            return overflow ? longest : min(span, longest)
        }
        let instant = Int64(curl_getdate(text, nil))
        guard instant > 0, instant < 1 << 42 else { return 0 }
        return min(max(0, instant * 1_000_000 - loop.now), longest)
    }
}
