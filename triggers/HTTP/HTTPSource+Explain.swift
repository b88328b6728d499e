// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
public import PerchSDK

/// Telling people what is asked, and what came of it.
extension HTTPSource {
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let probe = wait.probe
        let url = HTTPAddress.shown(probe.key.url)
        let (host, now) = (probe.host, loop.now)
        let period = TimeSpan(microseconds: probe.period)
        var sentences = ["Asks \(probe.key.method) \(url) every \(period) until \(wait.condition)."]
        let wanted = wait.period.span(unchanged: probe.unchanged)
        if wanted > probe.period {
            sentences.append("This wait wants it every \(TimeSpan(microseconds: wanted)), another one more often.")
        }
        if let slowest = wait.period.slowest {
            sentences.append(
                "The period grows from \(wait.period.every) to \(slowest) while answers stay the same: "
                    + "\(probe.unchanged) in a row did.")
        }
        if probe.count > 1 { sentences.append("\(probe.count) waits share the request.") }
        if let proxy = probe.key.proxy { sentences.append("It goes by the proxy \(HTTPAddress.shown(proxy)).") }
        if let ca = probe.key.ca { sentences.append("The authorities in \(ca) vouch for the server.") }
        if let last = probe.lastAt {
            let times = probe.probes == 1 ? "once" : "\(probe.probes) times"
            sentences.append(
                "Asked \(times), the last time at \(Timestamp(microseconds: last)): \(probe.lastResult).")
        } else {
            sentences.append("Not asked yet.")
        }
        if let validators = probe.validators {
            let names = [validators.etag.map { _ in "ETag" }, validators.lastModified.map { _ in "Last-Modified" }]
            let words = names.compactMap(\.self).joined(separator: " and ")
            sentences.append("The server is asked for an answer only if it is another than the last (\(words)).")
        }
        if probe.failures > 1 {
            sentences.append("It has failed \(probe.failures) times in a row, so the next times are further apart.")
        }
        if let outage = host.outage {
            sentences.append(
                "The host has not been reached since \(Timestamp(microseconds: outage.since)): \(outage.words). "
                    + "One request for all waits on it tries again "
                    + (outage.trier == nil ? "at \(Timestamp(microseconds: max(outage.tryAt, now)))." : "now."))
        }
        if host.blockedUntil > now {
            sentences.append(
                "The host asked for patience (429): nothing is asked of it before "
                    + "\(Timestamp(microseconds: host.blockedUntil)).")
        }
        switch probe.activity {
        case .idle: sentences.append("The next time is \(Timestamp(microseconds: probe.dueAt)).")
        case .queued where host.outage != nil: break
        case .queued:
            let rate = options.perHostRate > 0 ? " and \(options.perHostRate) a second" : ""
            sentences.append(
                "It is due and waits for its turn among \(host.inLine): \(options.perHost) at a time\(rate) "
                    + "for one host.")
        case .asking: sentences.append("It is being asked now.")
        }
        return WaitExplanation(sentences: sentences, probe: state(of: probe), sharing: probe.count)
    }

    func state(of probe: HTTPProbe) -> ProbeState {
        ProbeState(
            kind: HTTPTrigger.kind, target: probe.target, lastProbeAt: probe.lastAt.map { Timestamp(microseconds: $0) },
            nextProbeAt: probe.count > 0 ? Timestamp(microseconds: nextTurn(of: probe)) : nil,
            lastResult: probe.lastResult,
            probes: probe.probes)
    }

    /// When it is asked next as far as its host lets it.
    private func nextTurn(of probe: HTTPProbe) -> Int64 {
        max(probe.dueAt, probe.host.outage?.tryAt ?? 0, probe.host.blockedUntil)
    }
}
