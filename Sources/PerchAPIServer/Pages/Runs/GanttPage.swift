// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// When each task of a run ran, and when it waited.
struct GanttPage {
    private static let size = 80
    private static let mostWaits = 40
    private static let width = 1_000.0

    private struct Row: Sendable {
        var instance: TaskInstanceRow
        var start: Timestamp
        var end: Timestamp
        /// Ascending, apart from one another, and within.
        var waits: [(from: Timestamp, to: Timestamp)]

        var waited: TimeSpan { TimeSpan(microseconds: waits.reduce(0) { $0 + ($1.to - $1.from).microseconds }) }
        var ran: TimeSpan { TimeSpan(microseconds: (end - start).microseconds - waited.microseconds) }
    }

    private let call: PageCall
    private let head: RunHead
    private let rows: [Row]
    private let next: String?
    private let isFirst: Bool

    init(_ call: PageCall) async throws {
        let after = call.query["after"].flatMap { text -> (taskIndex: Int, mapIndex: Int)? in
            let parts = text.split(separator: ".").compactMap { Int($0) }
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        (head, rows, next) = try await call.read { snapshot in
            let head = try RunHead(call, snapshot)
            let found = try snapshot.taskInstances(of: head.run, after: after, limit: Self.size + 1)
            let shown = Array(found.prefix(Self.size))
            let waits = try snapshot.waitSpans(of: shown.map(\.taskInstanceID), limit: Self.mostWaits)
            let rows = zip(shown, waits).compactMap { Self.row($0, $1, head) }
            let last = found.count > Self.size ? shown.last : nil
            return (head, rows, last.map { "\($0.taskIndex).\($0.key.mapIndex)" })
        }
        (self.call, isFirst) = (call, after == nil)
    }

    private static func row(
        _ instance: TaskInstanceRow, _ waits: [(from: Timestamp, to: Timestamp?)], _ head: RunHead
    ) -> Row? {
        guard let start = instance.startDate ?? instance.queuedAt ?? waits.first?.from else { return nil }
        let end = max(start, instance.endDate ?? head.now)
        var spans: [(from: Timestamp, to: Timestamp)] = []
        for wait in waits {
            let from = max(start, wait.from, spans.last?.to ?? start)
            let to = min(end, wait.to ?? end)
            if from < to { spans.append((from, to)) }
        }
        // A sensor does nothing but wait; its one wait is recorded when it has ended.
        if case .sensor = head.definition.tasks[instance.taskIndex].kind, spans.isEmpty, start < end {
            spans = [(start, end)]
        }
        return Row(instance: instance, start: start, end: end, waits: spans)
    }

    var content: PageContent {
        guard let start = rows.map(\.start).min(), let end = rows.map(\.end).max() else {
            return head.content(call, view: "gantt", "<p class=\"empty\">Nothing of it has begun yet.</p>")
        }
        let span = Double(max(1, (end - start).microseconds))
        let lines = rows.map { line($0, start, span) }
        let columns = [PageColumn("Task"), PageColumn("Ran", "num tight"), PageColumn("Waited", "num tight")]
        let table = HTML.table(
            "When each task ran and waited, from \(start.pageText) to \(end.pageText) UTC", kind: "gantt",
            isCaptionShown: true,
            columns + [PageColumn("From \(start.pageText.dropFirst(11)) on, \((end - start).brief)")],
            lines, empty: "")
        let pager = HTML.pager(
            "\(rows.count) tasks", before: isFirst ? nil : call.link(["after": nil]),
            after: next.map { call.link(["after": $0]) })
        let key: HTML = """
            <ul class="legend" aria-label="What the bars mean"><li>solid: it ran; the colour is that of its state</li>\
            <li><svg width="22" height="10" aria-hidden="true"><rect class="deferred" width="22" height="10" opacity="0.45"/></svg> \
            thin: it waited, and held no worker</li></ul>
            """
        return head.content(call, view: "gantt", key + table + pager)
    }

    private func line(_ row: Row, _ start: Timestamp, _ span: Double) -> HTML {
        func x(_ instant: Timestamp) -> Double { Double((instant - start).microseconds) / span * Self.width }
        let state = row.instance.state
        let name = row.instance.key.shownTask
        let words = "\(name): \(state.rawValue), ran \(row.ran.brief), waited \(row.waited.brief)"
        func told(_ span: TimeSpan) -> String { span.microseconds == 0 ? "–" : span.brief }
        var bars: [HTML] = []
        func add(_ from: Timestamp, _ to: Timestamp, _ isWait: Bool) {
            let width = max(2, x(to) - x(from))
            bars.append(
                isWait
                    ? "<rect class=\"wait\" x=\"\(x(from))\" y=\"5\" width=\"\(width)\" height=\"6\"/>"
                    : "<rect class=\"\(state.rawValue)\" x=\"\(x(from))\" y=\"1\" width=\"\(width)\" height=\"14\"/>")
        }
        var at = row.start
        for wait in row.waits {
            if at < wait.from { add(at, wait.from, false) }
            add(wait.from, wait.to, true)
            at = wait.to
        }
        if at < row.end || row.waits.isEmpty { add(at, row.end, false) }
        return """
            <tr><th scope="row" title="\(name)"><a href="\(exact: PagePath.instance(row.instance.key))">\(name)</a> \
            <span class="\(state.rawValue) st" title="\(state.rawValue)">\(state.symbol)</span></th>\
            <td class="num tight">\(told(row.ran))</td><td class="num tight">\(told(row.waited))</td>\
            <td><svg viewBox="0 0 1000 16" preserveAspectRatio="none" role="img" aria-label="\(words)"><title>\(words)</title>\(bars)</svg></td></tr>
            """
    }
}
