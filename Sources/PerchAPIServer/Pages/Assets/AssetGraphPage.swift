// SPDX-License-Identifier: Apache-2.0

import PerchGraph
import PerchMetastore
import PerchSDK

/// Which DAGs update which assets, and which assets lead to which DAGs.
struct AssetGraphPage {
    /// With more nodes a part of the graph is shown.
    private static let mostNodes = 150
    private static let assetKind = "asset"

    private let call: PageCall
    private let whole: DAGGraph
    private let leftOut: [(from: String, to: String)]

    init(_ call: PageCall) async throws {
        self.call = call
        let assets = try await AssetShelf.assets(call).figure
        var names: [(name: String, kind: String)] = assets.map { ($0.name, Self.assetKind) }
        var places: [String: Int] = [:]
        for asset in assets {
            let others = asset.producers.map(\.dagID) + asset.startedDAGs + asset.sensors.map(\.dagID)
            for dagID in others where places[dagID] == nil {
                places[dagID] = names.count
                names.append((dagID, "DAG"))
            }
        }
        var (links, known): ([(from: Int, to: Int)], Set<[Int]>) = ([], [])
        func link(_ from: Int, _ to: Int) { if known.insert([from, to]).inserted { links.append((from, to)) } }
        for (place, asset) in assets.enumerated() {
            for task in asset.producers { if let dag = places[task.dagID] { link(dag, place) } }
            for dagID in asset.startedDAGs + asset.sensors.map(\.dagID) {
                if let dag = places[dagID] { link(place, dag) }
            }
        }
        let graph = DAGGraph.of(names, links: links)
        whole = graph.graph
        leftOut = graph.leftOut.map { (names[$0.from].name, names[$0.to].name) }
    }

    var content: PageContent {
        PageContent(
            title: "Assets", section: .assets, tabs: AssetShelf.tabs("/assets/graph"), body: body, isLive: false)
    }

    private var body: HTML {
        guard !whole.nodes.isEmpty else {
            return "<p class=\"empty\">There are no assets: tasks name them as outlets, DAGs as what starts them.</p>"
        }
        let asked = call.query.text("around")
        let found = asked.map { asked in whole.nodes.firstIndex { $0.name == asked } }
        var (shown, note) = (whole, HTML.empty)
        if whole.nodes.count > Self.mostNodes || asked != nil {
            let node = found.flatMap(\.self) ?? 0
            shown = whole.around(node, most: asked == nil ? Self.mostNodes : 60)
            let fault: HTML = .when(
                asked != nil && found.flatMap(\.self) == nil,
                "<p class=\"fault\">There is no asset and no DAG '\(asked ?? "")' in it.</p>")
            note = """
                <form class="row"><label for="around">\(shown.nodes.count) of \(whole.nodes.count.grouped) nodes, around</label>\
                <input type="text" id="around" name="around" value="\(exact: asked ?? whole.nodes[node].name)">\
                <button>Show</button> <a class="button" href="\(exact: call.path)">The beginning</a></form>\(fault)
                """
        }
        let picture = GraphPicture(graph: shown) { node in
            node.kind == Self.assetKind ? PagePath.asset(node.name) : PagePath.dag(node.name)
        }
        return """
            <p class="soft">From left to right: a DAG, the assets that its tasks update, the DAGs that those start or that wait \
            for them.</p>\(note)<div>\(GraphPage.zoomBar)\
            <div class="graph" tabindex="0" role="region" aria-label="Graph">\(picture.html)</div></div>\(circles)\(list(shown))
            """
    }

    /// What a picture from left to right cannot show.
    private var circles: HTML {
        guard !leftOut.isEmpty else { return .empty }
        let items = leftOut.prefix(50).map { "<li>\($0.from) → \($0.to)</li>" as HTML }
        return "<p>These lead back, and are not drawn:</p><ul>\(items)</ul>"
    }

    /// The same in words, for whoever does not see the picture.
    private func list(_ graph: DAGGraph) -> HTML {
        let items = graph.nodes.enumerated().map { index, node -> HTML in
            let before = graph.upstream[index].prefix(10).map { graph.nodes[$0].name }.joined(separator: ", ")
            return "<li>\(node.name) (\(node.kind)): \(before.isEmpty ? "first" : "after \(before)")</li>"
        }
        return "<details><summary>The graph in words</summary><ol>\(items)</ol></details>"
    }
}
