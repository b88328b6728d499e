// SPDX-License-Identifier: Apache-2.0

import PerchGraph
import PerchMetastore
import PerchSDK

/// What comes after what in a DAG, and, of a run, how each task stands.
struct GraphPage {
    /// With more nodes a part of the graph is shown.
    private static let mostNodes = 250
    private static let mostEdges = 600
    /// With more tasks groups are folded, until somebody opens them.
    private static let mostOpen = 200

    private let call: PageCall
    private let head: DAGHead
    private let run: RunRow?
    private let runs: [RunRow]
    private let standings: [String: GridCell]

    init(_ call: PageCall) async throws {
        let dagID = call.name("dag_id")
        let wanted = call.query["run_id"]
        (head, runs, run, standings) = try await call.read { snapshot in
            let head = try DAGHead(dagID, snapshot)
            var filter = RunFilter(dagID: dagID)
            filter.limit = 20
            let runs = try snapshot.runs(filter)
            let run =
                try wanted.flatMap { $0.isEmpty ? nil : $0 }.map { try snapshot.knownRun(dagID, $0) }
                ?? (wanted == nil ? runs.first : nil)
            guard let run else { return (head, runs, nil, [:]) }
            let tasks = try snapshot.definition(ofVersion: run.versionID).tasks
            let standings = try snapshot.standings(of: run).map { (tasks[$0.key].taskID, $0.value) }
            return (head, runs, run, Dictionary(standings) { first, _ in first })
        }
        self.call = call
    }

    var content: PageContent {
        let definition = head.definition
        guard !definition.tasks.isEmpty else {
            return head.content(call, view: "graph", "<p class=\"empty\">The DAG has no tasks.</p>")
        }
        let turned = Set(call.query.all("turn"))
        let isFolded = definition.tasks.count > Self.mostOpen
        var counts: ((Int) -> [DAGGraph.StateCount])?
        if run != nil { counts = { index in states(index) } }
        let whole = DAGGraph(definition, states: counts).folding { group in isFolded != turned.contains(group) }
        let (shown, note) = part(of: whole)
        let picture = GraphPicture(graph: shown, path: path).html
        let legend = run == nil ? HTML.empty : HTML.legend(seen(shown))
        return head.content(
            call, view: "graph", isLive: run?.state.isFinished == false,
            """
            \(choice)\(folds(definition, turned, isFolded))\(note)\(legend)
            <div>\(Self.zoomBar)<div class="graph" tabindex="0" role="region" aria-label="Graph">\(picture)</div></div>
            \(list(shown))
            """)
    }

    static let zoomBar: HTML = """
        <div class="zoom"><button type="button" value="in" aria-label="Larger">+</button>\
        <button type="button" value="out" aria-label="Smaller">−</button>\
        <button type="button" value="fit">Fit</button><button type="button" value="reset">Reset</button>\
        <span class="soft">or the keys + − 0 and arrows in the picture</span></div>
        """

    /// The whole graph, or, where that is too large for a page, what is nearest to a task.
    private func part(of whole: DAGGraph) -> (DAGGraph, HTML) {
        let isLarge = whole.nodes.count > Self.mostNodes || whole.edges.count > Self.mostEdges
        let asked = call.query.text("around")
        guard isLarge || asked != nil else { return (whole, .empty) }
        let index = asked.flatMap { id in head.definition.tasks.firstIndex { $0.taskID == id } }
        let node = index.flatMap { index in whole.nodes.firstIndex { $0.tasks.contains(index) } } ?? 0
        var shown = whole.around(node, most: asked == nil ? 120 : 60)
        for most in [60, 30, 15] where shown.edges.count > Self.mostEdges { shown = whole.around(node, most: most) }
        let fault: HTML = .when(
            asked != nil && index == nil, "<p class=\"fault\">There is no task '\(asked ?? "")'.</p>")
        let all: HTML = .when(
            !isLarge, "<a class=\"button\" href=\"\(exact: call.link(["around": nil]))\">The whole graph</a>")
        let run: HTML =
            call.query["run_id"].map { "<input type=\"hidden\" name=\"run_id\" value=\"\(exact: $0)\">" } ?? .empty
        return (
            shown,
            """
            <form class="row"><label for="around">\(shown.nodes.count) of \(whole.nodes.count) nodes, around the task</label>\
            <input type="text" id="around" name="around" value="\(exact: asked ?? whole.nodes[node].name)">\(run)\
            <button>Show</button>\(all)</form>\(fault)
            """
        )
    }

    private func states(_ index: Int) -> [DAGGraph.StateCount] {
        guard let standing = standings[head.definition.tasks[index].taskID] else { return [] }
        guard let mapped = standing.mapped else { return [DAGGraph.StateCount(standing.state, 1)] }
        let counts: [(TaskState, Int)] = [
            (.failed, mapped.failed), (.running, mapped.unfinished),
            (.success, mapped.ended - mapped.failed - mapped.skipped), (.skipped, mapped.skipped),
        ]
        return counts.filter { $0.1 > 0 }.map { DAGGraph.StateCount($0.0, $0.1) }
    }

    private func seen(_ graph: DAGGraph) -> [TaskState] {
        let seen = Set(graph.nodes.compactMap(\.state))
        return TaskState.allCases.filter(seen.contains)
    }

    private func path(_ node: DAGGraph.Node) -> String {
        if node.kind == DAGGraph.groupKind { return turn(node.name) }
        let taskID = head.definition.tasks[node.tasks[0]].taskID
        if node.tasks.count == 1, let run {
            return PagePath.instance(TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID))
        }
        return call.link(["around": taskID])
    }

    /// The same page with a group the other way.
    private func turn(_ group: String) -> String {
        let turned = call.query.all("turn")
        let others = turned.contains(group) ? turned.filter { $0 != group } : turned + [group]
        let rest = call.query.replacing(["turn": nil]).map { ($0.name, Optional($0.value)) }
        return call.path + PagePath.query(rest + others.map { ("turn", $0) })
    }

    private var choice: HTML {
        let others = runs.map { each -> HTML in
            let mark: HTML = .when(each.runKey == run?.runKey, " selected")
            return "<option value=\"\(exact: each.runID)\"\(mark)>\(each.state.symbol) \(each.runID)</option>"
        }
        let isOld = run.map { run in !runs.contains { $0.runKey == run.runKey } } ?? false
        let old: HTML = .when(
            isOld, "<option value=\"\(exact: run?.runID ?? "")\" selected>\(run?.runID ?? "")</option>")
        return """
            <form class="row"><label for="run_id">States of the run</label>\
            <select id="run_id" name="run_id"><option value="">none</option>\(old)\(others)</select>\
            <button>Show</button></form>
            """
    }

    /// Groups that can be folded or opened, where there are any.
    private func folds(_ definition: DAGDefinition, _ turned: Set<String>, _ isFolded: Bool) -> HTML {
        var groups: [String] = []
        var known: Set<String> = []
        for task in definition.tasks where !task.group.isEmpty && known.insert(task.group).inserted {
            groups.append(task.group)
        }
        guard !groups.isEmpty else { return .empty }
        return HTML.choices(
            "Groups, folded or open",
            groups.prefix(40).map { group in
                let folds = isFolded != turned.contains(group)
                return ("\(folds ? "▸ open" : "▾ fold") \(group)", turn(group), false)
            })
    }

    /// The same in words, for whoever does not see the picture.
    private func list(_ graph: DAGGraph) -> HTML {
        let items = graph.nodes.prefix(150).enumerated().map { index, node -> HTML in
            let before = graph.upstream[index].prefix(10).map { graph.nodes[$0].name }.joined(separator: ", ")
            let words = before.isEmpty ? "first" : "after \(before)"
            return "<li>\(node.name): \(words)</li>"
        }
        return "<details><summary>The graph in words</summary><ol>\(items)</ol></details>"
    }
}
