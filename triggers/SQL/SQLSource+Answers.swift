// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// What comes of a query.
extension SQLSource {
    /// A probe is over: its waits that have what they wait for fire, the others go on.
    func end(_ probe: SQLProbe, _ outcome: SQLOutcome) {
        guard probe.activity == .asking else { return }
        let now = loop.now
        probe.run = nil
        probe.probes += 1
        probe.lastAt = now
        var fired: [Int64] = []
        var payload: JSONValue = .null
        let kind: String
        switch outcome {
        case .rows(let rows) where rows.count > 0 && rows.first == nil && rows.rows.isEmpty:
            probe.failures += 1
            probe.line.outage = nil
            kind = "large"
            probe.lastResult = "the first row is larger than \(options.byteLimit) bytes; select less of it"
        case .rows(let rows):
            fired = probe.conditions.filter { $0.key.evaluate(rows) }.flatMap(\.value).sorted()
            if !fired.isEmpty { payload = Self.payload(of: rows, at: now) }
            probe.failures = 0
            probe.line.outage = nil
            kind = "rows"
            let more = rows.isCut ? " or more, of which \(rows.rows.count) are kept" : ""
            probe.lastResult =
                "\(rows.count == 1 && !rows.isCut ? "1 row" : "\(rows.count) rows")\(more), "
                + "condition \(fired.count == probe.count ? "met" : "not met")"
        case .failed(let what, let words):
            probe.failures += 1
            probe.line.outage = nil
            (kind, probe.lastResult) = (what, probe.line.address.shown(words))
        case .unreachable(let words):
            // The database is tried more seldom, not this query.
            let shown = probe.line.address.shown(words)
            missed(probe, shown)
            (kind, probe.lastResult) = ("unreachable", shown)
        }
        options.meter?.probed(
            took: max(0, now - probe.startedAt), !fired.isEmpty ? .met : kind == "rows" ? .unmet : .failed)
        leave(probe)
        for waitID in fired { remove(waitID) }
        if probe.count > 0 {
            schedule.next(probe)
            if probe.isStale { hurry(probe) }
        }
        tell(probe, kind)
        for waitID in fired { report(.fired(waitID: waitID, payload: payload)) }
        let asked = probe.asked
        probe.asked = []
        for done in asked { done() }
    }

    private static func payload(of rows: SQLRows, at now: Int64) -> JSONValue {
        .object([
            "columns": .array(rows.columns.map { .string($0) }), "rows": .array(rows.rows),
            "is_cut": .bool(rows.isCut), "at": .integer(now),
        ])
    }

    /// Reports how the probe stands when the class of its result has changed, and else every ten seconds.
    private func tell(_ probe: SQLProbe, _ kind: String) {
        let now = loop.now
        guard kind != probe.lastClass || now - probe.reportedAt >= 10_000_000 else { return }
        probe.lastClass = kind
        probe.reportedAt = now
        report(.probed(state(of: probe)))
    }
}
