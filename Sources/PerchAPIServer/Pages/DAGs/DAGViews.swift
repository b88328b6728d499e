// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let dag: [PageRoute] = [
        .page("/dags/{dag_id}") { call in try await GridPage(call).content },
        .page("/dags/{dag_id}/graph") { call in try await GraphPage(call).content },
        .page("/dags/{dag_id}/runs") { call in try await DAGRunsPage(call).content },
        .get("/dags/{dag_id}/gantt") { call in
            let dagID = call.name("dag_id")
            let run = try await call.read { snapshot in
                var filter = RunFilter(dagID: try snapshot.knownDAG(dagID).dagID)
                filter.limit = 1
                return try snapshot.runs(filter).first
            }
            guard let run else { return .redirect(to: PagePath.dag(dagID), words: "It has not run yet.") }
            return .redirect(to: PagePath.run(dagID, run.runID, "gantt"))
        },
        .page("/dags/{dag_id}/calendar") { call in try await CalendarPage(call).content },
        .page("/dags/{dag_id}/details") { call in try await DetailsPage(call).content },
        .page("/dags/{dag_id}/versions") { call in try await VersionsPage(call).content },
        .page("/dags/{dag_id}/definition") { call in try await DefinitionPage(call).content },
    ]
}

/// The runs of one DAG, the newest logical date first.
private struct DAGRunsPage {
    private static let size = 50

    private let call: PageCall
    private let head: DAGHead
    private let state: RunState?
    private let type: RunType?
    private let isFirst: Bool
    private let rows: [RunRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        var filter = RunFilter(dagID: call.name("dag_id"))
        filter.state = call.query["state"].flatMap(RunState.init(rawValue:))
        filter.type = call.query["type"].flatMap(RunType.init(rawValue:))
        filter.limit = Self.size + 1
        if let key = call.query["after"].flatMap({ Int64($0) }), let date = call.query["date"].flatMap({ Int64($0) }) {
            filter.after = RunPlace(runKey: key, logicalDate: Timestamp(microseconds: date))
        }
        if let day = call.query.text("day") {
            let from = try Timestamp(parsing: String(day.prefix(10)))
            filter.from = from
            filter.to = from + TimeSpan(microseconds: 86_400_000_000 - 1)
        }
        let chosen = filter
        (head, rows, now) = try await call.read { snapshot in
            (try DAGHead(call.name("dag_id"), snapshot), try snapshot.runs(chosen), snapshot.now)
        }
        (self.call, state, type, isFirst) = (call, filter.state, filter.type, filter.after == nil)
    }

    var content: PageContent {
        let states =
            [("all", call.link(["state": nil, "after": nil, "date": nil]), state == nil)]
            + RunState.allCases.map {
                ($0.rawValue, call.link(["state": $0.rawValue, "after": nil, "date": nil]), state == $0)
            }
        let types =
            [("any type", call.link(["type": nil, "after": nil, "date": nil]), type == nil)]
            + RunType.allCases.map {
                ($0.rawValue, call.link(["type": $0.rawValue, "after": nil, "date": nil]), type == $0)
            }
        let day: HTML =
            call.query.text("day").map { day in
                """
                <p class="row"><a class="tag" aria-current="true" \
                href="\(exact: call.link(["day": nil, "after": nil, "date": nil]))">\(day) ✕</a></p>
                """
            } ?? .empty
        let shown = rows.prefix(Self.size)
        var next: String?
        if rows.count > Self.size, let last = shown.last {
            next = call.link(["after": "\(last.runKey)", "date": "\(last.logicalDate.microseconds)"])
        }
        let table = HTML.table(
            "Runs of \(head.row.dagID)", RunTable.columns(withDAG: false),
            shown.map { RunTable.row($0, now: now, withDAG: false) }, empty: "There are no such runs.")
        let pager = HTML.pager(
            "\(shown.count) runs", before: isFirst ? nil : call.link(["after": nil, "date": nil]), after: next)
        return head.content(
            call, view: "runs", isLive: true,
            HTML.choices("Only runs in a state", states) + HTML.choices("Only runs of a type", types) + day + table
                + pager)
    }
}
