// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let dags: [PageRoute] = [
        .page("/dags") { call in try await DAGsPage(call).content }.ofSome,
        .action("/dags/{dag_id}/pause", .user) { call in
            let isPaused = call.form["paused"] == "true"
            let dagID = call.name("dag_id")
            _ = try await call.write { try $0.pause(dagID, isPaused) }
            let words = isPaused ? "is paused: nothing of it is started" : "goes on"
            return .redirect(to: call.wayBack(or: PagePath.dag(dagID)), words: "\(dagID.shown()) \(words).")
        },
        .page("/dags/{dag_id}/trigger") { call in
            try await TriggerPage(call).content
        },
        .action("/dags/{dag_id}/trigger", .user) { call in try await TriggerPage(call).start() },
    ]
}

/// All DAGs, found by a part of their ids, by tag, by whether they are paused.
private struct DAGsPage {
    private static let size = 25
    private static let runs = 10

    private struct Row: Sendable {
        var view: DAGView
        /// The newest first.
        var runs: [RunRow]
    }

    private let call: PageCall
    private let part: String?
    private let tag: String?
    private let state: String
    private let number: Int
    private let count: Int
    private let rows: [Row]
    private let problems: [ImportErrorRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        let (part, tag) = (call.query.text("search"), call.query.text("tag"))
        let state = call.query["state"] ?? "active"
        let number = call.query.number("page", in: 1...100_000) ?? 1
        let selection = DAGSelection(
            isPaused: state == "paused" ? true : state == "unpaused" ? false : nil, isActive: state != "gone",
            part: part, isCaseIgnored: true, tag: tag)
        (rows, count, problems, now) = try await call.read { snapshot in
            let all = try selection.rows(in: snapshot).filter { call.sees($0.dagID) }
            let rows = try all.dropFirst((number - 1) * Self.size).prefix(Self.size).map { row in
                var filter = RunFilter(dagID: row.dagID)
                filter.limit = Self.runs
                return Row(view: try DAGView(row, snapshot), runs: try snapshot.runs(filter))
            }
            return (rows, all.count, call.may(.read) ? Array(try snapshot.importErrors().prefix(21)) : [], snapshot.now)
        }
        (self.call, self.part, self.tag, self.state, self.number) = (call, part, tag, state, number)
    }

    var content: PageContent {
        let first = (number - 1) * Self.size
        let words =
            rows.isEmpty ? "None" : "\(first + 1)–\(first + rows.count) of \(count.grouped)"
        let table = HTML.table(
            "DAGs",
            [
                PageColumn("DAG"), PageColumn("Schedule", "mid"), PageColumn("Last runs, oldest first", "tight"),
                PageColumn("Last ended", "wide tight"), PageColumn("Next run", "wide tight"),
                PageColumn("What can be done", "tight", isHidden: true),
            ], rows.map(row), empty: part == nil && tag == nil ? "There are no DAGs yet." : "No DAG is like that.")
        let pager = HTML.pager(
            words, before: number > 1 ? call.link(["page": "\(number - 1)"]) : nil,
            after: first + rows.count < count ? call.link(["page": "\(number + 1)"]) : nil)
        return PageContent(
            title: "DAGs", section: .dags, aside: "<a class=\"button\" href=\"/runs\">Runs of all DAGs</a>",
            body: search + table + pager + problemList, isLive: true)
    }

    private var search: HTML {
        let choices = [
            ("active", "All of the bundle"), ("unpaused", "Not paused"), ("paused", "Paused"),
            ("gone", "Gone from the bundle"),
        ].map { value, words -> HTML in
            let mark: HTML = .when(value == state, " selected")
            return "<option value=\"\(value)\"\(mark)>\(words)</option>"
        }
        let chosen: HTML =
            tag.map { tag in
                """
                <input type="hidden" name="tag" value="\(exact: tag)">\
                <a class="tag" aria-current="true" href="\(exact: call.link(["tag": nil, "page": nil]))" \
                title="Any tag">\(tag) ✕</a>
                """
            } ?? .empty
        return """
            <form class="row" role="search" action="/dags"><label class="vh" for="search">Search by id</label>\
            <input class="grow" type="search" id="search" name="search" placeholder="Search DAGs" \
            value="\(exact: part ?? "")"><label class="vh" for="state">Which</label>\
            <select id="state" name="state">\(choices)</select><button>Search</button>\(chosen)</form>
            """
    }

    private func row(_ row: Row) -> HTML {
        let (dag, definition) = (row.view.row, row.view.definition)
        let tags = definition.tags.prefix(6).map { tag -> HTML in
            " <a class=\"tag wide\" href=\"\(exact: call.link(["tag": tag, "page": nil]))\">\(tag)</a>"
        }
        let about: HTML = .when(
            !definition.description.isEmpty,
            "<div class=\"soft wide\">\(String(definition.description.shown(140)))</div>")
        let paused: HTML = .when(dag.isPaused, " <span class=\"tag\">⏸ paused</span>")
        let marks = row.runs.reversed().map { run in
            HTML.mark(run.state, to: PagePath.run(run.dagID, run.runID), "\(run.runID): \(run.state.rawValue)")
        }
        let last = row.runs.first { $0.endDate != nil }?.endDate
        return """
            <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.dag(dag.dagID))">\(dag.dagID)</a>\(paused)\(tags)\
            \(about)</th><td class="mid wrap">\(definition.schedule.summary.map { "<code>\($0)</code>" } ?? soft("none"))</td>\
            <td class="tight"><div class="marks">\(marks.isEmpty ? [soft("none")] : marks)</div></td>\
            <td class="wide tight">\(HTML.ago(last, now: now))</td>\
            <td class="wide tight">\(dag.isPaused ? soft("–") : HTML.ago(dag.nextRunAt, now: now))</td>\
            <td class="tight">\(buttons(dag))</td></tr>
            """
    }

    private func soft(_ words: String) -> HTML { "<span class=\"soft\">\(words)</span>" }

    private func buttons(_ dag: DAGRow) -> HTML {
        guard call.caller.right(for: dag.dagID) >= .user, dag.isActive else { return .empty }
        let pause = DAGHead.pauseButton(dag, call, kind: "quiet", back: call.link([:]))
        let trigger = PagePath.dag(dag.dagID, "trigger")
        return """
            <div class="acts">\(pause) <a href="\(exact: trigger)" aria-label="Trigger \(dag.dagID)">Trigger</a></div>
            """
    }

    private var problemList: HTML {
        guard !problems.isEmpty else { return .empty }
        let items = problems.prefix(20).map { error -> HTML in
            "<li><code>\(error.problem.file):\(error.problem.line)</code> \(error.problem.message)</li>"
        }
        let more: HTML = .when(problems.count > 20, "<li>and others</li>")
        return """
            <section aria-labelledby="problems"><h2 id="problems">What the bundle could not read</h2>\
            <ul class="box">\(items)\(more)</ul></section>
            """
    }
}
