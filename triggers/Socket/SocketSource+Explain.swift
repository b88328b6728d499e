// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Telling people what is tried, and what came of it.
extension SocketSource {
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let probe = wait.probe
        let wanted =
            switch wait.condition {
            case .state(.open): "it accepts connections"
            case .state(.closed): "it no longer accepts connections"
            case .certificate(.validFor(let span)): "its certificate is valid for \(span) at least"
            case .certificate(.endsWithin(let span)): "its certificate ends within \(span)"
            }
        var sentences = [
            "Connects to \(probe.key.address) every \(TimeSpan(microseconds: probe.period)) until \(wanted)."
        ]
        if wait.every > probe.period {
            sentences.append("This wait wants it every \(TimeSpan(microseconds: wait.every)), another one more often.")
        }
        if probe.count > 1 { sentences.append("\(probe.count) waits share the probe.") }
        if let last = probe.lastAt {
            let times = probe.probes == 1 ? "once" : "\(probe.probes) times"
            sentences.append(
                "Asked \(times), the last time at \(Timestamp(microseconds: last)): \(probe.lastResult).")
        } else {
            sentences.append("Not asked yet.")
        }
        if wait.condition == .state(.closed), probe.failures > 0 {
            sentences.append("That does not show that nobody listens: only a refusal or a missing socket file does.")
        }
        if probe.failures > 1 {
            sentences.append("It has failed \(probe.failures) times in a row, so the next times are further apart.")
        }
        switch probe.activity {
        case .idle: sentences.append("The next time is \(Timestamp(microseconds: probe.dueAt)).")
        case .queued: sentences.append("It is due and waits for its turn: \(options.inAll) at a time.")
        case .asking: sentences.append("It is being asked now.")
        }
        return WaitExplanation(sentences: sentences, probe: state(of: probe), sharing: probe.count)
    }

    func state(of probe: SocketProbe) -> ProbeState {
        ProbeState(
            kind: probe.kind, target: probe.key.address.description,
            lastProbeAt: probe.lastAt.map { Timestamp(microseconds: $0) },
            nextProbeAt: probe.count > 0 ? Timestamp(microseconds: probe.dueAt) : nil, lastResult: probe.lastResult,
            probes: probe.probes)
    }
}
