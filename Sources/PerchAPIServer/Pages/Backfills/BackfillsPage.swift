// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let backfills: [PageRoute] = [
        .page("/backfills") { call in try await BackfillsPage(call).content }.ofSome,
        .page("/backfills/{backfill_id}") { call in try await BackfillPage(call).content }.ofSome,
        .action("/backfills/{backfill_id}/act") { call in try await BackfillPage(call).perform() }.ofSome,
        .page("/dags/{dag_id}/backfill") { call in try await BackfillForm(call).content },
        .action("/dags/{dag_id}/backfill") { call in try await BackfillForm(call).perform() },
    ]
}

extension BackfillRow {
    /// As a run in the same state looks.
    var sign: HTML {
        let (kind, symbol): (TaskState, String) =
            switch state {
            case .running: (.running, TaskState.running.symbol)
            case .paused: (.queued, "⏸")
            case .completed: (.success, TaskState.success.symbol)
            case .cancelling: (.failed, TaskState.running.symbol)
            case .cancelled: (.failed, TaskState.failed.symbol)
            }
        return """
            <span class="st \(kind.rawValue)"><i aria-hidden="true">\(symbol)</i>\(state.rawValue)</span>
            """
    }

    var progress: String { "\(done.grouped) of \(dates.grouped) (\(done * 100 / max(1, dates)) %)" }
}

/// Backfills with their progress, the newest first.
private struct BackfillsPage {
    private static let size = 50

    private let call: PageCall
    private let rows: [BackfillRow]
    private let hasMore: Bool
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.query.text("dag_id")
        let onlyOpen = call.query["open"] == "true"
        let before = call.query.text("before").flatMap { Int64($0) } ?? .max
        (rows, hasMore, now) = try await call.read { snapshot in
            // Those that somebody does not see are passed over.
            var (rows, last): ([BackfillRow], Int64) = ([], before)
            while rows.count <= Self.size {
                let more = try snapshot.backfills(
                    dagID: dagID, onlyOpen: onlyOpen, before: last, limit: Self.size + 1)
                rows += more.filter { call.sees($0.dagID) }
                guard more.count > Self.size, let end = more.last else { break }
                last = end.backfillID
            }
            return (Array(rows.prefix(Self.size)), rows.count > Self.size, snapshot.now)
        }
    }

    var content: PageContent {
        let isOpen = call.query["open"] == "true"
        let choices = HTML.choices(
            "Which backfills",
            [
                ("all", call.link(["open": nil, "before": nil]), !isOpen),
                ("not completed", call.link(["open": "true", "before": nil]), isOpen),
            ])
        let filter: HTML = """
            <form class="row" role="search" action="/backfills"><label>DAG <input type="text" name="dag_id" \
            value="\(exact: call.query["dag_id"] ?? "")"></label><button>Show</button></form>
            """
        let table = HTML.table(
            "Backfills",
            [
                PageColumn("Backfill", "tight num"), PageColumn("DAG"), PageColumn("State", "tight"),
                PageColumn("Done", "tight num"), PageColumn("Under way", "tight num mid"),
                PageColumn("From", "tight mid"), PageColumn("To", "tight mid"), PageColumn("Made", "tight wide"),
            ], rows.map(row), empty: "There are no such backfills.")
        let next = hasMore ? rows.last.map { call.link(["before": "\($0.backfillID)"]) } : nil
        let pager = HTML.pager(
            "\(rows.count) shown", before: call.query["before"] == nil ? nil : call.link(["before": nil]), after: next)
        let note: HTML = """
            <p class="soft">A backfill runs a DAG for dates of the past. One is made at its DAG, under \
            <a href="/dags">DAGs</a>.</p>
            """
        return PageContent(
            title: "Backfills", section: .backfills, body: choices + filter + table + pager + note, isLive: true)
    }

    private func row(_ row: BackfillRow) -> HTML {
        """
        <tr><th scope="row" class="tight num"><a href="/backfills/\(row.backfillID)">\(row.backfillID)</a></th>\
        <td class="wrap"><a href="\(exact: PagePath.dag(row.dagID))">\(row.dagID)</a></td><td class="tight">\(row.sign)</td>\
        <td class="tight num">\(row.progress)</td><td class="tight num mid">\(row.unfinished.grouped)</td>\
        <td class="tight mid">\(HTML.time(row.from))</td><td class="tight mid">\(HTML.time(row.to))</td>\
        <td class="tight wide">\(HTML.ago(row.createdAt, now: now))</td></tr>
        """
    }
}
