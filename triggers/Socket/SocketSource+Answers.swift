// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// Trying a connection, and what comes of it.
extension SocketSource {
    /// What an outcome means: the state that it shows, if any, and how it is told. `kind` tells classes apart.
    private struct Finding {
        var state: SocketTrigger.State?
        var kind: String
        var words: String
        var address: String
    }

    func connect(_ probe: SocketProbe) {
        guard let transport else { return }
        do {
            probe.attempt = try transport.connect(to: probe.address, timeout: TimeSpan(options.timeout)) {
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

    private func finding(_ outcome: SocketOutcome, _ address: SocketAddress) -> Finding {
        let target = address.description
        func failed(_ kind: String, _ words: String) -> Finding {
            Finding(state: nil, kind: kind, words: words, address: target)
        }
        return switch outcome {
        case .accepted(let by): Finding(state: .open, kind: "open", words: "connection accepted by \(by)", address: by)
        case .refused(let by):
            Finding(state: .closed, kind: "closed", words: "connection refused by \(by)", address: by)
        case .absent:
            Finding(state: .closed, kind: "absent", words: "there is no socket \(target)", address: target)
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
        let finding = finding(outcome, probe.address)
        probe.attempt = nil
        probe.probes += 1
        probe.lastAt = now
        probe.lastResult = finding.words
        // A refusal is an answer: whoever waits for a service to come up is not to wait longer the longer that takes.
        probe.failures = finding.state == nil ? probe.failures + 1 : 0
        let fired = finding.state.map { probe.waits(until: $0).sorted() } ?? []
        options.meter?.probed(
            took: max(0, now - probe.startedAt), !fired.isEmpty ? .met : finding.state != nil ? .unmet : .failed)
        leave(probe)
        for waitID in fired { remove(waitID) }
        if probe.count > 0 {
            scheduleNext(probe)
            arm()
        }
        tell(probe, finding.kind)
        if let state = finding.state {
            let payload: JSONValue = .object([
                "state": .string(state.rawValue), "at": .integer(now), "address": .string(finding.address),
            ])
            for waitID in fired { report(.fired(waitID: waitID, payload: payload)) }
        }
        let asked = probe.asked
        probe.asked = []
        for done in asked { done() }
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
