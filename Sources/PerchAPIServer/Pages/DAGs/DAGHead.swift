// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What stands above every view of a DAG.
struct DAGHead: Sendable {
    let row: DAGRow
    let definition: DAGDefinition

    init(_ dagID: String, _ snapshot: Snapshot) throws {
        row = try snapshot.knownDAG(dagID)
        definition = try snapshot.definition(ofVersion: row.versionID)
    }

    static let views: [(name: String?, words: String)] = [
        (nil, "Grid"), ("graph", "Graph"), ("runs", "Runs"), ("gantt", "Gantt"), ("calendar", "Calendar"),
        ("details", "Details"), ("versions", "Versions"), ("definition", "Definition"),
    ]

    /// A page about the DAG: `view` nil is the grid, and what has no tab is its own.
    func content(_ call: PageCall, view: String?, isLive: Bool = false, _ body: HTML) -> PageContent {
        let tabs = Self.views.map { name, words in
            PageTab(words: words, path: PagePath.dag(row.dagID, name), isCurrent: name == view)
        }
        return PageContent(
            title: row.dagID, section: .dags, trail: [("DAGs", "/dags")], aside: buttons(call), tabs: tabs,
            body: about + body, isLive: isLive)
    }

    private var about: HTML {
        let description: HTML = .when(
            !definition.description.isEmpty, "<p class=\"soft\">\(definition.description)</p>")
        let gone: HTML = .when(
            !row.isActive,
            "<p class=\"box\">The current bundle does not have this DAG any more: nothing of it is started.</p>")
        return description + gone
    }

    private func buttons(_ call: PageCall) -> HTML {
        let paused: HTML = .when(row.isPaused, "<span class=\"tag\">⏸ paused</span> ")
        guard call.may(.user), row.isActive else { return "<div>\(paused)</div>" }
        let trigger = PagePath.dag(row.dagID, "trigger")
        let backfill: HTML = .when(
            call.mayOperate && definition.schedule.hasDates,
            "<a class=\"button\" href=\"\(exact: PagePath.dag(row.dagID, "backfill"))\">Backfill</a> ")
        return """
            <div>\(paused)\(Self.pauseButton(row, call, kind: "", back: call.path)) \(backfill)\
            <a class="button main" href="\(exact: trigger)">Trigger</a></div>
            """
    }

    static func pauseButton(_ row: DAGRow, _ call: PageCall, kind: String, back: String) -> HTML {
        call.form(
            PagePath.dag(row.dagID, "pause"), class: "inline",
            """
            <input type="hidden" name="paused" value="\(row.isPaused ? "false" : "true")">\
            <input type="hidden" name="back" value="\(exact: back)">\
            <button class="\(kind)" aria-label="\(row.isPaused ? "Unpause" : "Pause") \(row.dagID)">\
            \(row.isPaused ? "Unpause" : "Pause")</button>
            """)
    }
}

extension ScheduleDefinition {
    /// Whether runs are created for dates, which can be filled where they lie in the past.
    fileprivate var hasDates: Bool {
        switch self {
        case .cron, .every, .timetable: true
        case .none, .once, .continuous, .events: false
        }
    }
}
