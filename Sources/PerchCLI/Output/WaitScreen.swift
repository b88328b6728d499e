// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The picture of `deferred watch`: from waits to the lines of a screen.
struct WaitScreen {
    /// A wait as it is shown.
    struct Row: Sendable {
        var waitID: Int64
        var task: String
        var kind: String
        var target: String
        var since: Timestamp
        /// Due, its next probe, or its deadline, whichever comes first; and which it is.
        var next: (instant: Timestamp, what: String)?
        var lastResult: String
    }

    var rows: [Row]
    /// How many waits there are in all.
    var total: Int
    /// The triggerers, `host:pid`.
    var owners: [String]
    /// How many waits stand above the first that is shown.
    var offset: Int
    var now: Timestamp

    /// How many lines are not waits.
    static let frame = 3

    func lines(_ size: Screen.Size) -> [String] {
        let headings = ["WAIT", "TASK", "KIND", "TARGET", "FOR", "NEXT", "LAST RESULT"]
        let cells = rows.prefix(max(0, size.rows - Self.frame)).map { row in
            [
                "\(row.waitID)", row.task, row.kind, row.target, Self.rounded(now - row.since),
                row.next.map { "\($0.what) \(Self.distance($0.instant - now))" } ?? "",
                row.lastResult,
            ].map { SafeText.neutralised($0) }
        }
        let table = Table(width: size.columns)
        let widths = table.widths(headings: headings, rows: cells)
        let end = "q quits, up and down move"
        let watcher =
            switch owners.count {
            case 0: "nobody watches: no engine is running"
            case 1: "watched by \(owners[0])"
            default: "watched by \(owners.count) triggerers"
            }
        let shown = cells.isEmpty ? "nothing is shown" : "\(offset + 1) to \(offset + cells.count)"
        let top = "\(total) \(total == 1 ? "wait" : "waits"), \(shown); \(SafeText.neutralised(watcher)); \(end)"
        let clear = [Self.cut(top, size.columns), "", table.line(headings, widths: widths)]
        // What is too narrow for its columns is cut at the edge: a line that wraps would move all others.
        return (clear + cells.map { table.line($0, widths: widths) }).map { Self.cut($0, size.columns) }
    }

    private static func cut(_ line: String, _ columns: Int) -> String {
        guard Table.columns(of: line) > columns else { return line }
        var kept = line
        while Table.columns(of: kept) > max(0, columns - 1) { kept.removeLast() }
        return kept + "…"
    }

    private static func distance(_ span: TimeSpan) -> String {
        span.microseconds < 0
            ? "\(rounded(TimeSpan(microseconds: -span.microseconds))) ago" : "in \(rounded(span))"
    }

    /// Whole seconds, and of long spans the two largest units.
    private static func rounded(_ span: TimeSpan) -> String {
        let seconds = max(0, span.microseconds) / 1_000_000
        let parts = [
            (seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"),
        ]
        guard let first = parts.firstIndex(where: { $0.0 > 0 }) else { return "0s" }
        return parts[first...].prefix(2).filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}
