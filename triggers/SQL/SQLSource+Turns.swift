// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import PerchReactor
internal import PerchSDK

/// The turn of probes with their databases.
extension SQLSource {
    /// Makes a probe as soon as its database and the sum of all queries allow.
    func ask(_ probe: SQLProbe) {
        probe.activity = .queued
        probe.line.line.append(probe)
        advance(probe.line)
    }

    func advance(_ line: SQLLine) {
        let now = loop.now
        while !line.line.isEmpty {
            // Of one that cannot be reached one query finds out whether it is back.
            if var outage = line.outage {
                if line.active > 0 { break }
                // The clock may have been set back.
                if outage.tryAt - now > longestOutage * 2 {
                    outage.tryAt = now + longestOutage
                    line.outage = outage
                }
                if outage.tryAt > now {
                    wake(line, at: outage.tryAt)
                    break
                }
            }
            guard line.active < line.backend.places else { break }
            guard active < options.inAll else {
                if !line.isInLine {
                    line.isInLine = true
                    linesInLine.append(line)
                }
                break
            }
            guard let probe = line.line.popFirst() else { break }
            // One whose waits have all gone meanwhile.
            guard probe.count > 0, probe.activity == .queued else { continue }
            probe.activity = .asking
            probe.startedAt = now
            line.active += 1
            active += 1
            let query = SQLQuery(
                text: probe.key.query, parameters: probe.key.parameters,
                countLimit: probe.conditions.keys.map(\.rowsNeeded).max() ?? 1, rowLimit: options.rowLimit,
                byteLimit: options.byteLimit, timeout: probe.timeout)
            probe.run = line.backend.run(query) { [weak self] outcome in self?.end(probe, outcome) }
        }
    }

    /// A probe has ended: its place goes to those in line.
    func leave(_ probe: SQLProbe) {
        probe.activity = .idle
        active -= 1
        probe.line.active -= 1
        while active < options.inAll, let next = linesInLine.popFirst() {
            next.isInLine = false
            advance(next)
        }
        advance(probe.line)
    }

    /// A database without probes is forgotten, and its connections are closed.
    func settle(_ line: SQLLine) {
        guard line.probes == 0, lines[line.database] === line else { return }
        if let timer = line.timer { loop.cancel(timer) }
        line.timer = nil
        line.backend.close()
        line.listener?.close()
        lines[line.database] = nil
    }

    private var longestOutage: Int64 { min(TimeSpan(options.longestBackOff).microseconds, 60_000_000) }

    /// There was no way to it: one query tries it from now on, ever more seldom.
    func missed(_ probe: SQLProbe, _ words: String) {
        let (line, now) = (probe.line, loop.now)
        var outage = line.outage ?? SQLLine.Outage(since: now, failures: 0, tryAt: 0, words: words)
        outage.words = words
        let span = min(min(probe.period, 1_000_000) << Int64(min(outage.failures, 20)), longestOutage)
        outage.failures += 1
        outage.tryAt = now + span + (span >= 10 ? loop.random(in: 0...(span / 10)) : 0)
        line.outage = outage
        // Whoever asked gets this as the answer.
        for other in line.line where !other.asked.isEmpty {
            for done in other.asked { loop.enqueue(done) }
            other.asked = []
        }
    }

    private func wake(_ line: SQLLine, at instant: Int64) {
        if let timer = line.timer { loop.cancel(timer) }
        line.timer = loop.schedule(at: instant) { [weak self, weak line] in
            guard let line else { return }
            line.timer = nil
            self?.advance(line)
        }
    }
}
