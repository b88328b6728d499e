// SPDX-License-Identifier: Apache-2.0

import PerchGraph
import PerchSDK

/// A graph as a picture of a page: each node is a link, told by its word, its symbol and its colour.
struct GraphPicture {
    let graph: DAGGraph
    /// Where a node leads.
    let path: (DAGGraph.Node) -> String

    /// With more nodes each is told in one line.
    private static let mostDetailed = 120

    private var isDetailed: Bool { graph.nodes.count <= Self.mostDetailed }

    var html: HTML {
        let labels = graph.nodes.map(Self.label)
        let widths = zip(graph.nodes, labels).map { node, label in
            let below = isDetailed ? Self.columns(Self.below(node)) * 6.2 : 0
            return max(Self.columns(label) * 7.2, below) + (node.state == nil ? 22 : 44)
        }
        let layout = GraphLayout(graph, widths: widths)
        let edges = zip(graph.edges, layout.paths).map(edge)
        let nodes = layout.boxes.enumerated().map { shape(graph.nodes[$0.offset], labels[$0.offset], $0.element) }
        return """
            <svg width="\(layout.width)" height="\(layout.height)" viewBox="0 0 \(layout.width) \(layout.height)" \
            role="group" aria-label="Graph of \(graph.nodes.count) nodes, each after those to its left">\
            <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">\
            <path class="tip" d="M0 0L8 4L0 8z"/></marker></defs><g>\(edges)</g>
            \(nodes.joined(by: "\n"))
            </svg>
            """
    }

    private func edge(_ edge: DAGGraph.Edge, _ path: [GraphLayout.Point]) -> HTML {
        guard let first = path.first else { return .empty }
        var line: HTML = "M\(first.x) \(first.y)"
        for (one, next) in zip(path, path.dropFirst()) {
            if one.y == next.y {
                line += "H\(next.x)"
            } else {
                let middle = (one.x + next.x) / 2
                line += "C\(middle) \(one.y) \(middle) \(next.y) \(next.x) \(next.y)"
            }
        }
        guard !edge.outputs.isEmpty else { return "<path class=\"edge\" marker-end=\"url(#tip)\" d=\"\(line)\"/>" }
        let words = "on " + edge.outputs.joined(separator: " or ")
        return "<path class=\"edge branch\" marker-end=\"url(#tip)\" d=\"\(line)\"><title>\(words)</title></path>"
    }

    private func shape(_ node: DAGGraph.Node, _ label: String, _ box: GraphLayout.Box) -> HTML {
        let words = "\(node.name): \(node.kind)" + (node.states.isEmpty ? "" : ", \(Self.states(node))")
        let rect: HTML =
            "<rect x=\"\(box.x)\" y=\"\(box.y)\" width=\"\(box.width)\" height=\"\(box.height)\" rx=\"6\"/>"
        // One behind the other: more than one instance.
        let behind: HTML = .when(
            node.isMapped || node.tasks.count > 1,
            """
            <rect x="\(box.x + 4)" y="\(box.y + 4)" width="\(box.width)" height="\(box.height)" rx="6"/>
            """)
        var inner = behind + rect
        var left = box.x + 11
        if let state = node.state {
            inner += """
                <rect class="fill" x="\(box.x + 8)" y="\(box.y + 9)" width="16" height="16" rx="4"/>\
                <text class="sym" x="\(box.x + 16)" y="\(box.y + 21)" text-anchor="middle">\(state.symbol)</text>
                """
            left = box.x + 31
        }
        let below: HTML =
            isDetailed ? "<text class=\"sub\" x=\"\(left)\" y=\"\(box.y + 28)\">\(Self.below(node))</text>" : .empty
        let base = isDetailed ? box.y + 15 : box.y + 21
        return """
            <a class="node \(node.state?.rawValue ?? "")" href="\(exact: path(node))"><title>\(words)</title>\(inner)\
            <text x="\(left)" y="\(base)">\(label)</text>\(below)</a>
            """
    }

    private static func label(_ node: DAGGraph.Node) -> String {
        (node.name.count <= 42 ? node.name : node.name.prefix(41) + "…") + (node.isMapped ? " []" : "")
    }

    /// The second line: in which state, or what runs it.
    private static func below(_ node: DAGGraph.Node) -> String {
        let many = node.tasks.count > 1 ? "\(node.tasks.count) tasks" : ""
        let words = node.states.isEmpty ? (node.tasks.count > 1 ? "" : node.kind) : states(node)
        let whole = [many, words].filter { !$0.isEmpty }.joined(separator: ", ")
        return whole.count <= 44 ? whole : whole.prefix(43) + "…"
    }

    private static func states(_ node: DAGGraph.Node) -> String {
        if node.states.count == 1, node.states[0].count == 1 { return node.states[0].state.rawValue }
        return node.states.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
    }

    private static func columns(_ text: String) -> Double {
        text.unicodeScalars.reduce(0) { $0 + ($1.value >= 0x1100 ? 2 : 1) }
    }
}
