// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The last runs of a DAG, a column each, and how each task of them stands, a row each.
struct GridPage {
    private static let mostRuns = 20
    private static let mostRows = 50
    /// Of all runs together.
    private static let mostStandings = 40_000
    /// With more tasks groups are folded, until somebody opens them.
    private static let mostOpen = 40

    private struct Column: Sendable {
        var run: RunRow
        /// By the ids of tasks: the run may be of another version of the DAG.
        var standings: [String: GridCell]
    }

    private let call: PageCall
    private let head: DAGHead
    /// The oldest first.
    private let columns: [Column]
    private let older: RunPlace?
    private let isNewest: Bool
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        let dagID = call.name("dag_id")
        var place: RunPlace?
        if let key = call.query["after"].flatMap({ Int64($0) }), let date = call.query["date"].flatMap({ Int64($0) }) {
            place = RunPlace(runKey: key, logicalDate: Timestamp(microseconds: date))
        }
        let after = place
        (head, columns, older, now) = try await call.read { snapshot in
            let head = try DAGHead(dagID, snapshot)
            var filter = RunFilter(dagID: dagID)
            let count = max(3, min(Self.mostRuns, Self.mostStandings / max(1, head.definition.tasks.count)))
            filter.limit = count + 1
            filter.after = after
            let runs = try snapshot.runs(filter)
            let columns = try runs.prefix(count).reversed().map { run in
                let tasks = try snapshot.definition(ofVersion: run.versionID).tasks
                let standings = try snapshot.standings(of: run)
                return Column(
                    run: run,
                    standings: Dictionary(standings.map { (tasks[$0.key].taskID, $0.value) }) { first, _ in first })
            }
            let last = runs.count > count ? runs[count - 1] : nil
            return (
                head, Array(columns), last.map { RunPlace(runKey: $0.runKey, logicalDate: $0.logicalDate) },
                snapshot.now
            )
        }
        (self.call, isNewest) = (call, place == nil)
    }

    var content: PageContent {
        let definition = head.definition
        let isOpen = definition.tasks.count <= Self.mostOpen
        let grid = GridRows(definition, isOpen: isOpen, turned: Set(call.query.all("turn")))
        let first = call.query.number("row", in: 0...1_000_000) ?? 0
        let shown = grid.rows.dropFirst(first).prefix(Self.mostRows)
        guard !columns.isEmpty else {
            let words = definition.tasks.isEmpty ? "The DAG has no tasks." : "It has not run yet."
            return head.content(call, view: nil, isLive: true, "<p class=\"empty\">\(words)</p>")
        }
        var pager = HTML.empty
        if grid.rows.count > Self.mostRows {
            pager = HTML.pager(
                "Rows \(first + 1)–\(first + shown.count) of \(grid.rows.count)",
                before: first > 0 ? call.link(["row": "\(max(0, first - Self.mostRows))"]) : nil,
                after: first + shown.count < grid.rows.count ? call.link(["row": "\(first + Self.mostRows)"]) : nil)
        }
        return head.content(
            call, view: nil, isLive: true, HTML.legend(states) + table(shown) + pager + runPager)
    }

    private var runPager: HTML {
        let newer: HTML = .when(
            !isNewest, "<a class=\"button\" href=\"\(exact: call.link(["after": nil, "date": nil]))\">Newest runs</a> ")
        let past: HTML =
            older.map { place in
                let path = call.link(["after": "\(place.runKey)", "date": "\(place.logicalDate.microseconds)"])
                return "<a class=\"button\" href=\"\(exact: path)\">Older runs</a>"
            } ?? .empty
        return "<p class=\"row\">\(newer)\(past)</p>"
    }

    /// Those that are there, so that the legend is no longer than it need be.
    private var states: [TaskState] {
        var seen: Set<TaskState> = []
        for column in columns { seen.formUnion(column.standings.values.map(\.state)) }
        return TaskState.allCases.filter(seen.contains)
    }

    private func table(_ rows: ArraySlice<GridRows.Row>) -> HTML {
        let longest = columns.compactMap { took($0.run)?.microseconds }.max() ?? 1
        let heads = columns.map { column -> HTML in
            let run = column.run
            let words = "\(run.runID): \(run.state.rawValue)" + (took(run).map { ", \($0.brief)" } ?? "")
            let share = Double(took(run)?.microseconds ?? 0) / Double(max(1, longest))
            let height = max(2, 40 * share)
            return """
                <th scope="col"><svg class="bar \(run.state.rawValue)" width="18" height="42" aria-hidden="true">\
                <rect x="5" y="\(42 - height)" width="8" height="\(height)" rx="1"/></svg>\
                \(HTML.mark(run.state, to: PagePath.run(run.dagID, run.runID), words))</th>
                """
        }
        let lines = rows.map { row -> HTML in
            let cells = columns.map { "<td>\(cell(row, $0))</td>" as HTML }
            return "<tr>\(rowHead(row))\(cells)</tr>"
        }
        return """
            <div class="scroll fit" role="region" aria-label="Grid of runs and tasks" tabindex="0"><table class="grid">\
            <caption class="vh">A column for each run, the newest last; a row for each task</caption>\
            <thead><tr><th scope="col"><span class="vh">Task</span></th>\(heads)</tr></thead>
            <tbody>
            \(lines.joined(by: "\n"))
            </tbody></table></div>
            """
    }

    private func took(_ run: RunRow) -> TimeSpan? { run.startDate.map { (run.endDate ?? now) - $0 } }

    private func rowHead(_ row: GridRows.Row) -> HTML {
        let depth = "d\(min(4, row.depth))"
        guard let group = row.group else {
            // In its group it is known by its own name.
            let name = row.depth > 0 ? row.name.split(separator: ".").last.map(String.init) ?? row.name : row.name
            return "<th scope=\"row\" class=\"\(depth)\" title=\"\(row.name)\">\(name)</th>"
        }
        let turned = call.query.all("turn")
        let others = turned.contains(group) ? turned.filter { $0 != group } : turned + [group]
        let rest = call.query.replacing(["turn": nil, "row": nil]).map { ($0.name, Optional($0.value)) }
        let path = call.path + PagePath.query(rest + others.map { ("turn", $0) })
        let words = "\(row.isOpen ? "Fold" : "Open") \(group)"
        return """
            <th scope="row" class="g \(depth)"><a href="\(exact: path)" aria-label="\(words)">\
            \(row.isOpen ? "▾" : "▸") \(row.name)</a> <span class="more">\(row.tasks.count)</span></th>
            """
    }

    private func cell(_ row: GridRows.Row, _ column: Column) -> HTML {
        if row.group != nil { return groupCell(row, column) }
        guard let standing = column.standings[row.name] else { return .empty }
        let state = standing.state
        if let mapped = standing.mapped {
            let key = TaskInstanceKey(dagID: head.row.dagID, runID: column.run.runID, taskID: row.name)
            let words = "\(mapped.ended) of \(mapped.length) ended, \(mapped.failed) failed"
            return """
                <a class="n \(state.rawValue)" href="\(exact: PagePath.instance(key))" title="\(words)" \
                aria-label="\(words)">\(mapped.unfinished > 0 ? "\(mapped.ended)/\(mapped.length)" : "\(state.symbol)\(mapped.length)")</a>
                """
        }
        guard let id = standing.taskInstanceID else { return .empty }
        return """
            <a class="m \(state.rawValue)" href="\(exact: PagePath.instance(id))" aria-label="\(state.rawValue)">\(state.symbol)</a>
            """
    }

    /// A group is told by the state that asks most for attention, and in how many of its tasks it is.
    private func groupCell(_ row: GridRows.Row, _ column: Column) -> HTML {
        var counts: [TaskState: Int] = [:]
        for task in row.tasks {
            if let state = column.standings[head.definition.tasks[task].taskID]?.state {
                counts[state, default: 0] += 1
            }
        }
        guard let worst = TaskState.byUrgency.first(where: { counts[$0] != nil }), let count = counts[worst] else {
            return .empty
        }
        let words = TaskState.byUrgency.compactMap { state in counts[state].map { "\($0) \(state.rawValue)" } }
            .joined(separator: ", ")
        return "<span class=\"n \(worst.rawValue)\" title=\"\(words)\">\(worst.symbol)\(count)</span>"
    }
}

extension TaskState {
    /// What asks most for attention comes first.
    static let byUrgency: [TaskState] = [
        .failed, .upstreamFailed, .upForRetry, .running, .queued, .scheduled, .deferred, .none, .success, .skipped,
        .removed,
    ]
}
