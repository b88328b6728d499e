// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Runs of all DAGs, in a state or in every one.
struct RunsPage {
    private static let size = 50
    /// Runs that ended before are looked for at their DAGs.
    private static let reach = TimeSpan.seconds(7 * 86_400)

    private let call: PageCall
    private let state: RunState?
    private let number: Int
    private let rows: [RunRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        let state = call.query["state"].flatMap(RunState.init(rawValue:))
        let number = call.query.number("page", in: 1...200) ?? 1
        (rows, now) = try await call.read { snapshot in
            let skipping = (number - 1) * Self.size
            let rows: [RunRow]
            if let state {
                let since = snapshot.now + TimeSpan(microseconds: -Self.reach.microseconds)
                rows = try snapshot.runs(in: state, since: since, skipping: skipping, limit: Self.size + 1)
            } else {
                var filter = RunFilter()
                filter.limit = skipping + Self.size + 1
                rows = Array(try snapshot.runs(filter).dropFirst(skipping))
            }
            return (rows, snapshot.now)
        }
        (self.call, self.state, self.number) = (call, state, number)
    }

    var content: PageContent {
        let choices =
            [("all", call.link(["state": nil, "page": nil]), state == nil)]
            + RunState.allCases.map {
                ($0.rawValue, call.link(["state": $0.rawValue, "page": nil]), state == $0)
            }
        let shown = rows.prefix(Self.size)
        let note: HTML = .when(
            state?.isFinished == true,
            "<p class=\"soft\">Those that ended within the last seven days, the newest first.</p>")
        let table = HTML.table(
            "Runs of all DAGs", RunTable.columns(withDAG: true),
            shown.map { RunTable.row($0, now: now, withDAG: true) },
            empty: "There are no such runs.")
        let pager = HTML.pager(
            "Page \(number)", before: number > 1 ? call.link(["page": "\(number - 1)"]) : nil,
            after: rows.count > Self.size ? call.link(["page": "\(number + 1)"]) : nil)
        return PageContent(
            title: "Runs", section: .dags, trail: [("DAGs", "/dags")],
            body: HTML.choices("Only runs in a state", choices) + note + table + pager, isLive: true)
    }
}

/// Runs as the rows of a table.
enum RunTable {
    static func columns(withDAG: Bool) -> [PageColumn] {
        (withDAG ? [PageColumn("DAG")] : []) + [
            PageColumn("Run"), PageColumn("State", "tight"), PageColumn("Type", "mid"),
            PageColumn("Logical date", "mid tight"), PageColumn("Started", "wide tight"),
            PageColumn("Took", "tight num"),
        ]
    }

    static func row(_ run: RunRow, now: Timestamp, withDAG: Bool) -> HTML {
        let dag: HTML = .when(
            withDAG, "<td class=\"wrap\"><a href=\"\(exact: PagePath.dag(run.dagID))\">\(run.dagID)</a></td>")
        let path = PagePath.run(run.dagID, run.runID)
        return """
            <tr>\(dag)<th scope="row" class="wrap"><a href="\(exact: path)">\(run.runID)</a></th>\
            <td class="tight">\(HTML.state(run.state))</td><td class="mid">\(run.type.rawValue)</td>\
            <td class="mid tight">\(HTML.time(run.logicalDate))</td>\
            <td class="wide tight">\(HTML.ago(run.startDate, now: now))</td>\
            <td class="tight num">\(HTML.duration(from: run.startDate, to: run.endDate, now: now))</td></tr>
            """
    }
}
