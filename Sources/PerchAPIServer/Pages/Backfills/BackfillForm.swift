// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// The form that begins a backfill. It is shown what would be done with each date before anything is.
struct BackfillForm {
    private static let mostShown = 60

    private let call: PageCall
    private let head: DAGHead

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.name("dag_id")
        head = try await call.read { try DAGHead(dagID, $0) }
    }

    var content: PageContent { content(fault: nil, plan: nil) }

    // MARK: doing

    func perform() async throws -> PageReply {
        do {
            let request = try await request()
            guard try await knowsDates(of: request) else {
                throw PerchError(
                    .unavailable,
                    "the dates are told by code of the DAG's bundle, which has been asked just now: send the form again"
                )
            }
            if call.form["do"] == "create" {
                let by = call.caller.name
                let backfill = try await call.write { try $0.createBackfill(request, by: by) }
                return .redirect(
                    to: "/backfills/\(backfill.backfillID)",
                    words: head.row.isPaused ? "It begins when the DAG goes on: it is paused." : "The backfill begins.")
            }
            let plan = try await call.read { try $0.plan(request) }
            return .page(content(fault: nil, plan: plan))
        } catch let error as PerchError where [.invalid, .conflict, .unavailable].contains(error.code) {
            var page = content(fault: error.message, plan: nil)
            page.status = .badRequest
            return .page(page)
        }
    }

    /// Whether the schedule's dates are known; where code of the bundle tells them, it is asked.
    private func knowsDates(of request: BackfillRequest) async throws -> Bool {
        guard case .timetable = head.definition.schedule else { return true }
        return try await call.metastore.write {
            try $0.wantTicks(of: request.dagID, from: request.from, to: request.to)
        }
    }

    private func request() async throws -> BackfillRequest {
        let form = call.form
        let names = ["from": "the first date", "to": "the last date"]
        guard let from = form.text("from"), let to = form.text("to") else {
            throw PerchError(.invalid, "the first and the last date are needed, as 2026-01-31")
        }
        let span = try BackfillRequest.span(
            from: from, to: to, zone: head.definition.schedule.timeZone, now: call.metastore.clock.now
        ) { names[$0] ?? $0 }
        var request = BackfillRequest(dagID: head.row.dagID, from: span.from, to: span.to)
        request.isReverse = form.has("reverse")
        if let name = form.text("reprocess") {
            guard let reprocess = BackfillReprocess(rawValue: name) else {
                let all = BackfillReprocess.allCases.map(\.rawValue).joined(separator: ", ")
                throw PerchError(.invalid, "'reprocess' is '\(name.shown(40))'; there are \(all)")
            }
            request.reprocess = reprocess
        }
        if form.text("max_active_runs") != nil {
            guard let number = form.number("max_active_runs", in: 1...10_000) else {
                throw PerchError(.invalid, "runs at a time is a whole number from 1 to 10,000")
            }
            request.maxActiveRuns = number
        }
        if let text = form.text("params") { request.params = try Self.params(text) }
        return request
    }

    private static func params(_ text: String) throws -> JSONValue {
        do {
            let params = try JSONValue(parsing: Array(text.utf8))
            if case .object = params { return params }
        } catch let error as PerchError {
            throw PerchError(.invalid, "the params are no JSON object such as {\"region\": \"eu\"}: \(error.message)")
        }
        throw PerchError(.invalid, "the params are no JSON object such as {\"region\": \"eu\"}")
    }

    // MARK: showing

    private func content(fault: String?, plan: [BackfillDate]?) -> PageContent {
        let alert: HTML = fault.map { "<p class=\"flash\" role=\"alert\">\($0)</p>" } ?? .empty
        let pausedNote: HTML = .when(
            head.row.isPaused,
            "<p class=\"box\">The DAG is paused: a backfill of it begins when it goes on.</p>")
        let note: HTML = .when(
            head.definition.schedule.summary == nil,
            "<p class=\"box\">The DAG has no schedule: there are no dates that could be filled.</p>")
        let form: HTML = .when(
            call.mayOperate,
            call.form(PagePath.dag(head.row.dagID, "backfill"), "\(fields)\(shown(plan))\(buttons(plan))"))
        return PageContent(
            title: "Backfill of \(head.row.dagID)", section: .backfills,
            trail: [("DAGs", "/dags"), (head.row.dagID, PagePath.dag(head.row.dagID))],
            body: alert + note + pausedNote + form)
    }

    private func text(_ name: String, _ words: String, _ hint: String, _ standard: String = "") -> HTML {
        FormField(name: name, words: words, hint: hint).html { marks in
            "<input type=\"text\" value=\"\(exact: call.form[name] ?? standard)\"\(marks)>"
        }
    }

    private var fields: HTML {
        let zone = head.definition.schedule.timeZone
        let chosen = call.form.text("reprocess") ?? BackfillReprocess.none.rawValue
        let options = BackfillReprocess.allCases.map { each -> HTML in
            let mark: HTML = .when(each.rawValue == chosen, " selected")
            return "<option value=\"\(each.rawValue)\"\(mark)>\(BackfillPage.words(each))</option>"
        }
        let reprocess = FormField(
            name: "reprocess", words: "Dates that have a run already",
            hint: "Whether their runs are cleared and run again."
        ).html { marks in "<select\(marks)>\(options)</select>" }
        let reverse: HTML = .when(call.form.has("reverse"), " checked")
        let params = FormField(
            name: "params", words: "Params", hint: "Values over the DAG's own: a JSON object, or nothing."
        ).html { marks in "<textarea rows=\"3\"\(marks)>\n\(exact: call.form["params"] ?? "")</textarea>" }
        return """
            <div class="fields">\(text("from", "First date", "As 2026-01-31 on the clock of \(zone), or an instant."))\
            \(text("to", "Last date", "The same; the whole day is meant, and it lies in the past."))\(reprocess)\
            \(text("max_active_runs", "Runs at a time", "Beside the DAG's other runs.", "10"))\
            <p><label><input type="checkbox" name="reverse" value="1"\(reverse)> from the last date to the first</label></p>\
            \(params)</div>
            """
    }

    private func buttons(_ plan: [BackfillDate]?) -> HTML {
        let create: HTML =
            plan.map { plan in
                let count = plan.count { $0.action != .skip }
                let words = count == 1 ? "1 run" : "\(count.grouped) runs"
                return "<button class=\"main\" name=\"do\" value=\"create\">Yes, begin it with \(words)</button> "
            } ?? .empty
        return """
            <p>\(create)<button name="do" value="plan">Show what would be done</button> <a class="button" \
            href="\(exact: PagePath.dag(head.row.dagID))">Back</a></p>
            """
    }

    private func shown(_ plan: [BackfillDate]?) -> HTML {
        guard let plan else { return .empty }
        let rows = plan.prefix(Self.mostShown).map { date -> HTML in
            let words =
                switch date.action {
                case .create: "gets a run"
                case .clear: "its run runs again"
                case .skip: "is left alone"
                }
            let run: HTML =
                date.run.map { run in
                    "<a href=\"\(exact: PagePath.run(run.dagID, run.runID))\">\(run.runID)</a> \(HTML.state(run.state))"
                } ?? .empty
            return """
                <tr><th scope="row" class="tight">\(HTML.time(date.logicalDate))</th><td class="tight">\(words)</td>\
                <td class="wrap">\(run)</td></tr>
                """
        }
        func count(_ action: BackfillDate.Action) -> String { plan.count { $0.action == action }.grouped }
        let more: HTML = .when(
            plan.count > rows.count, "<p class=\"soft\">The first \(rows.count) of \(plan.count.grouped) dates.</p>")
        return """
            <h2>What would be done</h2><p>\(count(.create)) dates get a run, the runs of \(count(.clear)) run again, \
            \(count(.skip)) are left alone.</p>
            """
                + HTML.table(
                    "What would be done with each date",
                    [PageColumn("Date", "tight"), PageColumn("What", "tight"), PageColumn("Its run")], rows,
                    empty: "None.")
                + more
    }
}
