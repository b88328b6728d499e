// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Telling people what is tried, and what came of it.
extension SocketSource {
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let probe = wait.probe
        let wanted = wait.until == .open ? "accepts connections" : "no longer accepts connections"
        var sentences = [
            "Connects to \(probe.address) every \(TimeSpan(microseconds: probe.period)) until it \(wanted)."
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
        if wait.until == .closed, probe.failures > 0 {
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
            kind: SocketTrigger.kind, target: probe.target,
            lastProbeAt: probe.lastAt.map { Timestamp(microseconds: $0) },
            nextProbeAt: probe.count > 0 ? Timestamp(microseconds: probe.dueAt) : nil, lastResult: probe.lastResult,
            probes: probe.probes)
    }
}
