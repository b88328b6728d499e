// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchGraph

private func task(
    _ id: String, after upstream: [Int] = [], _ change: (inout TaskDefinition) -> Void = { _ in }
) -> TaskDefinition {
    var task = TaskDefinition(taskID: id, kind: .code(operatorName: "closure"), upstream: upstream)
    change(&task)
    return task
}

/// Overlaps of the nodes' rectangles.
private func overlaps(_ layout: GraphLayout) -> Int {
    let boxes = layout.boxes.sorted { ($0.x, $0.y) < ($1.x, $1.y) }
    return zip(boxes, boxes.dropFirst()).count { $0.x == $1.x && $0.y + $0.height > $1.y + 0.001 }
}

@Suite("Pictures of DAGs")
struct DAGGraphTests {
    private let daily = DAGDefinition(
        dagID: "daily",
        tasks: [
            TaskDefinition(
                taskID: "landed",
                kind: .sensor(SensorDefinition(trigger: TriggerSpec(kind: "file", target: "/in")))),
            task("parse", after: [0]), task("check", after: [1]),
            task("load", after: [1]) { $0.mappedOver = 1 },
            task("report", after: [2, 3]), task("tell", after: [4]) { $0.group = "end.mail" },
        ])

    @Test("as text each task stands once, and what it also comes after is said")
    func text() {
        #expect(
            DAGGraph(daily).text() == [
                "● landed  sensor:file", "↳ ● parse  closure", "├─● check  closure", "└─● load[]  closure",
                "  ↳ ● report  closure  also after check", "  ↳ ● tell  closure",
            ])
    }

    @Test("edges inside of a mapped group are element by element, those that leave it are not")
    func mappedGroup() {
        var dag = daily
        dag.tasks[4].mappedOver = 1
        dag.tasks[4].upstream = [3]
        dag.tasks[4].alignedWith = [3]
        let graph = DAGGraph(dag)
        #expect(graph.edges.filter(\.isElementwise).map { [$0.from, $0.to] } == [[3, 4]])
        #expect(graph.text().contains("  ↳ ● report[]  closure  element by element"))
        #expect(graph.dot.contains(#"  n3 -> n4 [label="[]", arrowhead=vee];"#))
        #expect(graph.svg.filter { $0.contains("<title>element by element</title>") }.count == 1)
    }

    @Test("with a run each node has its states, and the one that asks for attention colours it")
    func states() {
        let graph = DAGGraph(daily) { index in
            switch index {
            case 0: [DAGGraph.StateCount(.success, 1)]
            case 3: [DAGGraph.StateCount(.success, 7), DAGGraph.StateCount(.failed, 3)]
            default: []
            }
        }
        let lines = graph.text {
            $0
        } paint: { mark, state in
            "<\(state.rawValue)>\(mark)"
        }
        #expect(lines[0] == "<success>● landed  sensor:file  success")
        #expect(lines[3] == "└─<failed>● load[]  closure  7 success, 3 failed")
        #expect(lines[1] == "↳ ● parse  closure")
        #expect(
            graph.dot.contains { $0.contains("fillcolor=red") } && graph.svg.contains { $0.contains("fill=\"red\"") })
    }

    @Test("DOT quotes what means something to it, groups are clusters, branches are dashed")
    func dot() {
        var dag = DAGDefinition(dagID: "a\"b\\c", tasks: [task("x\"y"), task("z", after: [0])])
        dag.tasks[1].branches = [BranchEdge(upstream: 0, outputs: ["large", "huge"])]
        dag.tasks[1].group = "load.orders"
        let dot = DAGGraph(dag).dot
        #expect(dot[0] == #"digraph "a\"b\\c" {"#)
        #expect(dot.contains { $0.contains(#"label="x\"y""#) })
        #expect(dot.contains(#"  n0 -> n1 [style=dashed, label="large | huge"];"#))
        #expect(dot.filter { $0.contains("subgraph cluster_") }.count == 2)
        #expect(dot.filter { $0.hasSuffix("{") }.count == dot.filter { $0.hasSuffix("}") }.count)
    }

    @Test("SVG is one document in which no name is markup and no two nodes overlap")
    func svg() {
        var dag = daily
        dag.tasks[1].taskID = "<script>&\u{0}\u{1B}"
        let text = DAGGraph(dag).svg.joined(separator: "\n")
        #expect(text.hasPrefix("<svg ") && text.hasSuffix("</svg>"))
        #expect(!text.contains("<script>") && text.contains("&lt;script&gt;&amp;"))
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        let layout = GraphLayout(DAGGraph(dag), widths: Array(repeating: 80, count: 6))
        #expect(overlaps(layout) == 0)
        for (edge, path) in zip(DAGGraph(dag).edges, layout.paths) {
            #expect(path.first?.x == layout.boxes[edge.from].x + 80 && path.last?.x == layout.boxes[edge.to].x)
            #expect(path[0].x < path[path.count - 1].x)
        }
    }

    @Test("an empty DAG is a picture too")
    func empty() {
        let graph = DAGGraph(DAGDefinition(dagID: "none"))
        #expect(graph.text().isEmpty && graph.dot.last == "}" && graph.svg.last == "</svg>")
    }

    @Test("ten thousand tasks that look alike are one node, ten thousand pipelines three")
    func lookAlikes() {
        let fan =
            [task("begin")] + (0..<10_000).map { task("t\($0)", after: [0]) } + [task("end", after: Array(1...10_000))]
        let graph = DAGGraph(DAGDefinition(dagID: "d", tasks: fan)) { _ in [DAGGraph.StateCount(.success, 1)] }
        #expect(graph.nodes.map(\.tasks.count) == [1, 10_000, 1])
        #expect(graph.text()[1] == "↳ ● t0 … t9999 (10000 tasks)  closure  10000 success")
        #expect(graph.edges.count == 2)
        #expect(DAGGraph(DAGDefinition(dagID: "d", tasks: fan), sharing: nil).nodes.count == 10_002)

        var pipes: [TaskDefinition] = []
        for index in 0..<10_000 {
            pipes.append(task("watch\(index)"))
            pipes.append(task("load\(index)", after: [index * 3]))
            pipes.append(task("check\(index)", after: [index * 3 + 1]))
        }
        #expect(DAGGraph(DAGDefinition(dagID: "d", tasks: pipes)).nodes.map(\.tasks.count) == [10_000, 10_000, 10_000])
    }

    @Test(
        "ten thousand tasks that do not look alike are drawn in a moment: a chain, a comb, a ladder, layers",
        arguments: ["chain", "comb", "ladder", "layers"])
    func large(shape: String) {
        let count = 10_000
        let tasks = (0..<count).map { index -> TaskDefinition in
            let upstream: [Int] =
                switch shape {
                case "chain": index == 0 ? [] : [index - 1]
                // Each even one has two behind it: set in ever deeper.
                case "comb": index == 0 ? [] : [index % 2 == 1 ? index - 1 : index - 2]
                case "ladder": index < 2 ? [] : index == count - 1 ? Array(0..<index) : [index - 2]
                default:
                    index < 100 ? [] : ((index / 100 - 1) * 100..<(index / 100) * 100).filter { $0 % 10 == index % 10 }
                }
            return task("t\(index)", after: upstream) { $0.kind = .code(operatorName: "op\(index)") }
        }
        let graph = DAGGraph(DAGDefinition(dagID: "d", tasks: tasks))
        #expect(graph.nodes.count == count)
        let text = graph.text()
        #expect(text.count == count && text.allSatisfy { $0.utf8.count < 600 })
        #expect(graph.dot.count >= count + graph.edges.count)
        let svg = graph.svg
        #expect(svg.reduce(0) { $0 + $1.utf8.count } < 40_000_000)
    }
}
