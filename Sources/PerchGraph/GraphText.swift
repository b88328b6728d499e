// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

extension DAGGraph {
    /// The graph as lines of text: each node once, under the last one that it comes after; what else it comes after is said.
    /// What follows alone stands below, behind an arrow; what branches is set in.
    ///
    /// - Parameters:
    ///   - safe: Makes what came from elsewhere safe for where it is shown.
    ///   - paint: Colours a mark by a state.
    public func text(safe: (String) -> String = { $0 }, paint: (String, TaskState) -> String = { mark, _ in mark })
        -> [String]
    {
        var children = [[Int]](repeating: [], count: nodes.count)
        var roots: [Int] = []
        for index in nodes.indices {
            if let parent = upstream[index].last { children[parent].append(index) } else { roots.append(index) }
        }
        var edgeOf: [Int: Edge] = [:]
        for edge in edges where upstream[edge.to].last == edge.from { edgeOf[edge.to] = edge }

        var lines: [String] = []
        // What is still to be written: a node, what stands before its mark, and before those below it.
        var rest: [(node: Int, lead: String, below: String, depth: Int)] = roots.reversed().map { ($0, "", "", 0) }
        while let (node, lead, below, depth) = rest.popLast() {
            let mark = nodes[node].state.map { paint("●", $0) } ?? "●"
            lines.append(lead + mark + " " + safe(words(node, edgeOf[node])))
            let next = children[node]
            if next.count == 1 {
                rest.append((next[0], below + "↳ ", below, depth))
                continue
            }
            for (place, child) in next.enumerated().reversed() {
                let isLast = place == next.count - 1
                if depth >= Self.deepest {
                    // Deeper than anybody can follow: set in no further.
                    rest.append((child, below, below, depth))
                } else {
                    rest.append((child, below + (isLast ? "└─" : "├─"), below + (isLast ? "  " : "│ "), depth + 1))
                }
            }
        }
        return lines
    }

    private static let deepest = 40

    private func words(_ node: Int, _ edge: Edge?) -> String {
        let shown = nodes[node]
        var words = shown.name + (shown.isMapped ? "[]" : "")
        if shown.tasks.count > 1 { words += " (\(shown.tasks.count) tasks)" }
        words += "  \(shown.kind)"
        if let edge, !edge.outputs.isEmpty { words += "  on \(edge.outputs.joined(separator: " or "))" }
        if let edge, edge.isElementwise { words += "  element by element" }
        let others = upstream[node].dropLast()
        if !others.isEmpty {
            let names = others.prefix(5).map { nodes[$0].name }.joined(separator: ", ")
            words += "  also after \(names)\(others.count > 5 ? " and \(others.count - 5) others" : "")"
        }
        if !shown.states.isEmpty { words += "  \(stateWords(node))" }
        return words
    }

    /// `success`, or `3 deferred, 7 success`.
    func stateWords(_ node: Int) -> String {
        let states = nodes[node].states
        if states.count == 1, states[0].count == 1 { return states[0].state.rawValue }
        return states.map { "\($0.count) \($0.state.rawValue)" }.joined(separator: ", ")
    }
}
