// SPDX-License-Identifier: Apache-2.0

extension DAGGraph {
    /// The graph in the language of Graphviz; task groups are clusters.
    public var dot: [String] {
        var lines = [
            "digraph \(Self.quoted(dagID)) {", "  rankdir=LR;",
            "  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"];",
        ]
        var tree = GroupTree()
        for (index, node) in nodes.enumerated() {
            tree.add(index, path: node.group.split(separator: ".").map(String.init))
        }
        var clusters = 0
        write(tree, &lines, indent: "  ", &clusters)
        for edge in edges {
            var attributes: [String] = []
            if !edge.outputs.isEmpty {
                attributes += ["style=dashed", "label=\(Self.quoted(edge.outputs.joined(separator: " | ")))"]
            }
            if edge.isElementwise {
                attributes += edge.outputs.isEmpty ? ["label=\"[]\"", "arrowhead=vee"] : ["arrowhead=vee"]
            }
            let suffix = attributes.isEmpty ? "" : " [\(attributes.joined(separator: ", "))]"
            lines.append("  n\(edge.from) -> n\(edge.to)\(suffix);")
        }
        lines.append("}")
        return lines
    }

    private func write(_ tree: GroupTree, _ lines: inout [String], indent: String, _ clusters: inout Int) {
        for index in tree.nodes {
            let node = nodes[index]
            var label = node.name + (node.isMapped ? "[]" : "")
            if node.tasks.count > 1 { label += "\n\(node.tasks.count) tasks" }
            if !node.states.isEmpty { label += "\n\(stateWords(index))" }
            var attributes = ["label=\(Self.quoted(label))", "tooltip=\(Self.quoted(node.kind))"]
            if node.isMapped || node.tasks.count > 1 { attributes.append("peripheries=2") }
            if let state = node.state {
                attributes.append("fillcolor=\(state.colour)")
                if state.isDark { attributes.append("fontcolor=white") }
            }
            lines.append("\(indent)n\(index) [\(attributes.joined(separator: ", "))];")
        }
        for (name, group) in tree.groups {
            lines.append("\(indent)subgraph cluster_\(clusters) {")
            clusters += 1
            lines.append("\(indent)  label=\(Self.quoted(name));")
            write(group, &lines, indent: indent + "  ", &clusters)
            lines.append("\(indent)}")
        }
    }

    /// A string of the language: only quotes and backslashes mean something in it.
    private static func quoted(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            default: if scalar.properties.generalCategory != .control { quoted.unicodeScalars.append(scalar) }
            }
        }
        return quoted + "\""
    }
}

/// Nodes by the task groups in which they stand, in the order in which they come.
struct GroupTree {
    var nodes: [Int] = []
    var groups: [(name: String, tree: GroupTree)] = []
    private var places: [String: Int] = [:]

    mutating func add(_ node: Int, path: [String]) {
        guard let name = path.first else {
            nodes.append(node)
            return
        }
        let place = places[name] ?? groups.count
        if place == groups.count {
            places[name] = place
            groups.append((name, GroupTree()))
        }
        groups[place].tree.add(node, path: Array(path.dropFirst()))
    }
}
