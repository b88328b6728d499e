// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchGraph

@Suite("Folded graphs")
struct GraphFoldingTests {
    private func task(_ id: String, _ group: String, after upstream: [Int] = []) -> TaskDefinition {
        var task = TaskDefinition(taskID: id, kind: .code(operatorName: "closure"), upstream: upstream)
        task.group = group
        return task
    }

    private func edges(_ graph: DAGGraph) -> [String] {
        graph.edges.map { "\(graph.nodes[$0.from].name)>\(graph.nodes[$0.to].name)" }.sorted()
    }

    /// Whether each node stands behind those before it, and none lies over another.
    private func expectSound(_ graph: DAGGraph) {
        for edge in graph.edges { #expect(edge.from < edge.to) }
        let layout = GraphLayout(graph, widths: graph.nodes.map { Double(20 + 8 * $0.name.count) })
        for (one, box) in layout.boxes.enumerated() {
            for other in layout.boxes[(one + 1)...] {
                let apart =
                    box.x + box.width <= other.x || other.x + other.width <= box.x || box.y + box.height <= other.y
                    || other.y + other.height <= box.y
                #expect(apart, "\(box) and \(other)")
            }
            #expect(
                box.x >= 0 && box.y >= 0 && box.x + box.width <= layout.width && box.y + box.height <= layout.height)
        }
        for edge in graph.edges {
            let (from, to) = (layout.boxes[edge.from], layout.boxes[edge.to])
            #expect(from.x + from.width < to.x)
        }
    }

    private var nested: DAGDefinition {
        DAGDefinition(
            dagID: "d",
            tasks: [
                task("start", ""), task("a.one", "a", after: [0]), task("a.b.two", "a.b", after: [1]),
                task("a.b.three", "a.b", after: [1]), task("end", "", after: [2, 3]),
            ])
    }

    @Test("A folded group is one node with all that is in it; an open one may hold folded ones")
    func groups() {
        let graph = DAGGraph(nested) { [DAGGraph.StateCount($0 == 2 ? .failed : .success, 1)] }
        let outer = graph.folding { $0 == "a" }
        #expect(outer.nodes.map(\.name) == ["start", "a", "end"] && edges(outer) == ["a>end", "start>a"])
        #expect(outer.nodes[1].tasks == [1, 2, 3] && outer.nodes[1].kind == DAGGraph.groupKind)
        #expect(outer.nodes[1].state == .failed && outer.nodes[1].states.map(\.count) == [2, 1])
        let inner = graph.folding { $0 == "a.b" }
        #expect(inner.nodes.map(\.name) == ["start", "a.one", "a.b", "end"] && inner.nodes[2].group == "a")
        #expect(graph.folding { _ in true } == outer && graph.folding { _ in false } == graph)
        expectSound(outer)
        expectSound(inner)
    }

    @Test("A group that something comes between stays open, others are folded all the same")
    func circles() {
        let dag = DAGDefinition(
            dagID: "d",
            tasks: [
                task("a.first", "a"), task("between", "", after: [0]), task("a.last", "a", after: [1]),
                task("b.one", "b", after: [2]), task("b.two", "b", after: [3]), task("end", "", after: [4]),
            ])
        let graph = DAGGraph(dag).folding { _ in true }
        #expect(graph.nodes.map(\.name) == ["a.first", "between", "a.last", "b", "end"])
        #expect(edges(graph) == ["a.first>between", "a.last>b", "b>end", "between>a.last"])
        expectSound(graph)
    }

    @Test("Around a node are those that are nearest, and no more than were asked for")
    func around() {
        let chain = DAGDefinition(
            dagID: "d", tasks: (0..<50).map { task("t\($0)", "", after: $0 == 0 ? [] : [$0 - 1]) })
        let part = DAGGraph(chain, sharing: nil).around(20, most: 5)
        #expect(part.nodes.map(\.name) == ["t18", "t19", "t20", "t21", "t22"] && part.edges.count == 4)
        #expect(part.upstream == [[], [0], [1], [2], [3]])
        expectSound(part)
    }

    @Test("Random graphs are laid out without overlaps, in the same way each time", arguments: 0..<12)
    func random(seed: Int) {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func draw(_ below: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(below))
        }
        let count = 20 + draw(60)
        let tasks = (0..<count).map { index in
            let upstream = Set((0..<draw(4)).compactMap { _ in index == 0 ? nil : draw(index) }).sorted()
            return task("task_\(index)", draw(2) == 0 ? "" : "g\(draw(3)).h\(draw(2))", after: upstream)
        }
        let graph = DAGGraph(DAGDefinition(dagID: "d", tasks: tasks), sharing: nil)
        for folded in [graph, graph.folding { _ in true }, graph.folding { $0.contains(".") }] {
            expectSound(folded)
            let again = GraphLayout(folded, widths: folded.nodes.map { _ in 80 })
            #expect(again.boxes == GraphLayout(folded, widths: folded.nodes.map { _ in 80 }).boxes)
            #expect(folded.nodes.flatMap(\.tasks).sorted() == Array(0..<count))
        }
    }
}
