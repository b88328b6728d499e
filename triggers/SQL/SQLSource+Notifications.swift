// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// Queries that run at once when something is notified.
extension SQLSource {
    func listen(_ probe: SQLProbe, to channel: String) {
        let line = probe.line
        let known = line.listening[channel, default: [:]][ObjectIdentifier(probe)]
        line.listening[channel, default: [:]][ObjectIdentifier(probe)] = (probe, (known?.waits ?? 0) + 1)
        line.listener?.listen(channel)
    }

    func unlisten(_ probe: SQLProbe, from channel: String) {
        let line = probe.line
        guard let known = line.listening[channel]?[ObjectIdentifier(probe)] else { return }
        line.listening[channel]?[ObjectIdentifier(probe)] = known.waits == 1 ? nil : (probe, known.waits - 1)
        if line.listening[channel]?.isEmpty == true { line.listening[channel] = nil }
        line.listener?.unlisten(channel)
    }

    /// Something was notified on a channel of a database, or may have been missed there.
    func heard(_ channel: String, from database: SQLDatabase) {
        guard let probes = lines[database]?.listening[channel]?.values else { return }
        for (probe, _) in probes {
            if probe.activity == .asking { probe.isStale = true } else { hurry(probe) }
        }
    }

    /// Has a query run as soon as it may: many notifications in a short time make few queries.
    func hurry(_ probe: SQLProbe) {
        probe.isStale = false
        schedule.joined(probe, every: SQLTrigger.shortestPeriod.microseconds)
    }
}
