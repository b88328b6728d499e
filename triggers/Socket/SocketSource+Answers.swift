// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// What an outcome means: the state or the certificate that it shows, if any, and how it is told. `kind` tells classes
/// apart.
struct SocketFinding {
    var state: SocketTrigger.State?
    var certificate: ServerCertificate?
    var kind: String
    var words: String
    var address: String
}

/// Trying a connection, and what comes of it.
extension SocketSource {

    func connect(_ probe: SocketProbe) {
        guard let transport else { return }
        do {
            probe.attempt = try transport.connect(to: probe.key, timeout: TimeSpan(options.timeout)) {
                [weak self] outcome in self?.end(probe, outcome)
            }
        } catch {
            // Ends in a later turn, as attempts do: nobody expects it from within.
            loop.enqueue { [weak self] in
                guard probe.activity == .asking, probe.attempt == nil else { return }
                self?.end(probe, .other(0, "\(error)"))
            }
        }
    }

    private func finding(_ outcome: SocketOutcome, _ key: SocketTarget) -> SocketFinding {
        let target = key.address.description
        func failed(_ kind: String, _ words: String) -> SocketFinding {
            SocketFinding(kind: kind, words: words, address: target)
        }
        return switch outcome {
        case .accepted(let by):
            SocketFinding(state: .open, kind: "open", words: "connection accepted by \(by)", address: by)
        case .shown(let certificate, let by):
            SocketFinding(
                certificate: certificate, kind: "certificate \(certificate.notAfter)",
                words: "\(by) shows \(certificate.subject.shown(120)), valid from \(certificate.notBefore) until "
                    + "\(certificate.notAfter)", address: by)
        // Who refuses shows no certificate.
        case .refused(let by):
            SocketFinding(
                state: key.isTLS ? nil : .closed, kind: "closed", words: "connection refused by \(by)", address: by)
        case .absent:
            SocketFinding(state: .closed, kind: "absent", words: "there is no socket \(target)", address: target)
        case .queueFull:
            failed("full", "\(target) is listened on, but takes no connections: its queue is full")
        case .timedOut: failed("timeout", "no answer from \(target) within \(TimeSpan(options.timeout))")
        case .unknownName(let words): failed("name", "the name of \(target) cannot be looked up: \(words)")
        case .noConnection(let number):
            failed("errno \(number)", "no connection to \(target): \(ReactorError.text(of: number))")
        case .other(let number, let words): failed("curl \(number)", "no connection to \(target): \(words)")
        }
    }

    /// A probe is over: its waits that have what they wait for fire, the others go on.
    private func end(_ probe: SocketProbe, _ outcome: SocketOutcome) {
        guard probe.activity == .asking else { return }
        let now = loop.now
        let finding = finding(outcome, probe.key)
        probe.attempt = nil
        probe.probes += 1
        probe.lastAt = now
        probe.lastResult = finding.words
        // A refusal is an answer: whoever waits for a service to come up is not to wait longer the longer that takes.
        let isAnswered = finding.state != nil || finding.certificate != nil
        probe.failures = isAnswered ? 0 : probe.failures + 1
        let instant = Timestamp(microseconds: now)
        let fired = probe.conditions.filter { $0.key.isMet(by: finding, at: instant) }.flatMap(\.value).sorted()
        options.meter?.probed(
            took: max(0, now - probe.startedAt), !fired.isEmpty ? .met : isAnswered ? .unmet : .failed)
        leave(probe)
        for waitID in fired { remove(waitID) }
        if probe.count > 0 { schedule.next(probe) }
        tell(probe, finding.kind)
        let payload = Self.payload(finding, at: now)
        for waitID in fired { report(.fired(waitID: waitID, payload: payload)) }
        let asked = probe.asked
        probe.asked = []
        for done in asked { done() }
    }

    private static func payload(_ finding: SocketFinding, at now: Int64) -> JSONValue {
        var payload: [String: JSONValue] = ["at": .integer(now), "address": .string(finding.address)]
        if let state = finding.state { payload["state"] = .string(state.rawValue) }
        if let certificate = finding.certificate {
            payload["subject"] = .string(certificate.subject)
            payload["issuer"] = .string(certificate.issuer)
            payload["not_before"] = .integer(certificate.notBefore.microseconds)
            payload["not_after"] = .integer(certificate.notAfter.microseconds)
        }
        return .object(payload)
    }

    /// Reports how the probe stands when the class of its result has changed, and else every ten seconds.
    private func tell(_ probe: SocketProbe, _ kind: String) {
        let now = loop.now
        guard kind != probe.lastClass || now - probe.reportedAt >= 10_000_000 else { return }
        probe.lastClass = kind
        probe.reportedAt = now
        report(.probed(state(of: probe)))
    }
}
