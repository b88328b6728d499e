// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
public import PerchSDK

/// Telling people what is asked, and what came of it.
extension SQLSource {
    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let (probe, line) = (wait.probe, wait.probe.line)
        let period = TimeSpan(microseconds: probe.period)
        var sentences = [
            "Asks \(probe.key.database) every \(period) until \(wait.condition): \(probe.key.query.shown(300))."
        ]
        if let channel = wait.listen {
            let trouble =
                line.listener?.trouble.map { ", which cannot be heard at the moment: \(line.address.shown($0))" } ?? ""
            sentences.append("It is asked at once when something is notified on '\(channel.shown(63))'\(trouble).")
        }
        if wait.every > probe.period {
            sentences.append("This wait wants it every \(TimeSpan(microseconds: wait.every)), another one more often.")
        }
        if probe.count > 1 { sentences.append("\(probe.count) waits share the query.") }
        if let last = probe.lastAt {
            let times = probe.probes == 1 ? "once" : "\(probe.probes) times"
            sentences.append(
                "Asked \(times), the last time at \(Timestamp(microseconds: last)): \(probe.lastResult).")
        } else {
            sentences.append("Not asked yet.")
        }
        if probe.failures > 1 {
            sentences.append("It has failed \(probe.failures) times in a row, so the next times are further apart.")
        }
        if let outage = line.outage {
            sentences.append(
                "The database has not been reached since \(Timestamp(microseconds: outage.since)): \(outage.words). "
                    + "One query for all waits on it tries again "
                    + (line.active > 0
                        ? "now." : "at \(Timestamp(microseconds: max(outage.tryAt, loop.now)))."))
        }
        switch probe.activity {
        case .idle: sentences.append("The next time is \(Timestamp(microseconds: probe.dueAt)).")
        case .queued:
            sentences.append(
                "It is due and waits for its turn among \(line.line.count): \(line.backend.places) at a time for one "
                    + "database.")
        case .asking: sentences.append("It is being asked now.")
        }
        return WaitExplanation(sentences: sentences, probe: state(of: probe), sharing: probe.count)
    }

    func state(of probe: SQLProbe) -> ProbeState {
        ProbeState(
            kind: SQLTrigger.kind, target: probe.target,
            lastProbeAt: probe.lastAt.map { Timestamp(microseconds: $0) },
            nextProbeAt: probe.count > 0
                ? Timestamp(microseconds: max(probe.dueAt, probe.line.outage?.tryAt ?? 0)) : nil,
            lastResult: probe.lastResult, probes: probe.probes)
    }
}
