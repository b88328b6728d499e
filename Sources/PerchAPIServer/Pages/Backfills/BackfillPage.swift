// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One backfill in full, and what can be done with it.
struct BackfillPage {
    private let call: PageCall
    private let row: BackfillRow
    private let isDAGPaused: Bool
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let text = call.name("backfill_id")
        (row, isDAGPaused, now) = try await call.read { snapshot in
            guard let id = Int64(text), let row = try snapshot.backfill(id), call.sees(row.dagID) else {
                throw PerchError(.notFound, "there is no backfill '\(text.shown())'")
            }
            return (row, try snapshot.dag(row.dagID)?.isPaused ?? false, snapshot.now)
        }
    }

    private var path: String { "/backfills/\(row.backfillID)" }

    var content: PageContent {
        PageContent(
            title: "Backfill \(row.backfillID)", section: .backfills,
            trail: [("Backfills", "/backfills"), (row.dagID, PagePath.dag(row.dagID))],
            aside: "<div>\(row.sign)</div>", body: note + facts + actions, isLive: row.completedAt == nil)
    }

    private var note: HTML {
        .when(
            isDAGPaused && row.completedAt == nil,
            "<p class=\"box\">The DAG is paused: no run is created until it goes on.</p>")
    }

    private var facts: HTML {
        let runs = PagePath.dag(row.dagID, "runs") + PagePath.query([("type", "backfill")])
        let params: HTML =
            row.params == .object([:]) ? "<span class=\"soft\">none</span>" : HTML.json(row.params.text, most: 8_192)
        return HTML.facts([
            ("DAG", "<a href=\"\(exact: PagePath.dag(row.dagID))\">\(row.dagID)</a>"),
            ("Done", "\(row.progress)"),
            (
                "Under way",
                "\(row.unfinished.grouped) of its <a href=\"\(exact: runs)\">runs</a>, at most \(row.maxActiveRuns)"
            ),
            ("First date", HTML.time(row.from)), ("Last date", HTML.time(row.to)),
            ("Order", row.isReverse ? "from the last date to the first" : "from the first date to the last"),
            ("Dates with a run", "\(Self.words(row.reprocess))"),
            ("Dates that got a run", "\(row.created.grouped)"), ("Runs that run again", "\(row.cleared.grouped)"),
            ("Dates left alone", "\(row.skipped.grouped)"), ("Next date", HTML.time(row.nextDate)),
            ("Made", "\(HTML.time(row.createdAt)) by \(row.createdBy)"),
            ("Cancelled by", row.cancelledBy.map { "\($0)" } ?? "<span class=\"soft\">nobody</span>"),
            ("Completed", HTML.time(row.completedAt)), ("Params", params),
        ])
    }

    static func words(_ reprocess: BackfillReprocess) -> String {
        switch reprocess {
        case .none: "are left alone"
        case .failed: "run again where it failed"
        case .completed: "run again where it has ended"
        }
    }

    private var actions: HTML {
        guard call.caller.right(for: row.dagID) >= .operate, row.completedAt == nil, row.cancelledBy == nil else {
            return .empty
        }
        let pause = call.button(
            row.isPaused ? "Let it go on" : "Pause", path + "/act", fields: [("do", row.isPaused ? "unpause" : "pause")]
        )
        let cancel = call.button("Yes, cancel it", path + "/act", fields: [("do", "cancel")], kind: "risk")
        return """
            <section aria-labelledby="do"><h2 id="do">By hand</h2><p>\(pause)</p><details class="box"><summary>Cancel it…</summary>\
            <p>It creates no more runs, those that have not begun are cancelled, and those under way go on.</p>\(cancel)\
            </details></section>
            """
    }

    func perform() async throws -> PageReply {
        let (id, dagID, by) = (row.backfillID, row.dagID, call.caller.name)
        try call.require(.operate, for: dagID)
        switch call.form["do"] {
        case "pause", "unpause":
            let isPaused = call.form["do"] == "pause"
            _ = try await call.write { try $0.setBackfillPaused(id, isPaused) }
            return .redirect(to: path, words: isPaused ? "It is paused: no run is created." : "It goes on.")
        case "cancel":
            let left = try await call.write { try $0.cancelBackfill(id, by: by) }.unfinished
            return .redirect(
                to: path,
                words: left == 0 ? "It is cancelled." : "It is cancelled; \(left) of its runs are under way still.")
        default:
            throw Refusal(.badRequest, "invalid_request", "what is to be done? 'do' is pause, unpause or cancel")
        }
    }
}
