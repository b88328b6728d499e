// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import PerchGraph

@Suite("Graphs of other things than tasks")
struct OtherGraphTests {
    private func words(_ graph: DAGGraph) -> [String] {
        graph.edges.map { "\(graph.nodes[$0.from].name)>\(graph.nodes[$0.to].name)" }.sorted()
    }

    @Test("Each node stands behind what leads to it, in whatever order they are named")
    func order() {
        let names = ["c", "b", "a", "alone"].map { (name: $0, kind: "asset") }
        let (graph, leftOut) = DAGGraph.of(names, links: [(1, 0), (2, 1), (2, 0)])
        #expect(graph.nodes.map(\.name) == ["a", "alone", "b", "c"] && leftOut.isEmpty)
        #expect(words(graph) == ["a>b", "a>c", "b>c"])
        #expect(graph.nodes.map(\.tasks) == [[2], [3], [1], [0]])
        #expect(GraphLayout(graph, widths: graph.nodes.map { _ in 40 }).boxes.count == 4)
    }

    @Test("Of a circle what leads back is left out, and of one that leads to itself; nothing else is")
    func circles() {
        let names = ["a", "b", "c", "d", "e"].map { (name: $0, kind: "DAG") }
        let links = [(0, 1), (1, 2), (2, 0), (2, 3), (4, 4), (3, 4)]
        let (graph, leftOut) = DAGGraph.of(names, links: links.map { (from: $0.0, to: $0.1) })
        #expect(words(graph) == ["a>b", "b>c", "c>d", "d>e"])
        #expect(leftOut.map { [$0.from, $0.to] } == [[2, 0], [4, 4]])
        for edge in graph.edges { #expect(edge.from < edge.to) }
        #expect(DAGGraph.of([], links: []).graph.nodes.isEmpty)
    }
}
