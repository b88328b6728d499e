// SPDX-License-Identifier: Apache-2.0

extension DAGGraph {
    /// A graph of other things than tasks, and of what leads from one to another. A picture goes from left to right: of what
    /// leads round in a circle some edges have to be left out, and are given apart.
    ///
    /// - Parameters:
    ///   - names: Each with its kind, in an order that is the same for the same things. A node's `tasks` holds its place here.
    ///   - links: Pairs of places.
    public static func of(
        _ names: [(name: String, kind: String)], links: [(from: Int, to: Int)]
    ) -> (graph: DAGGraph, leftOut: [(from: Int, to: Int)]) {
        var (before, after) = ([Int](repeating: 0, count: names.count), [[Int]](repeating: [], count: names.count))
        for link in links where link.from != link.to {
            before[link.to] += 1
            after[link.from].append(link.to)
        }
        var (order, place): ([Int], [Int?]) = ([], [Int?](repeating: nil, count: names.count))
        func take(_ node: Int) {
            place[node] = order.count
            order.append(node)
        }
        for node in names.indices where before[node] == 0 { take(node) }
        var (at, first) = (0, 0)
        while order.count < names.count {
            while at < order.count {
                for next in after[order[at]] where place[next] == nil {
                    before[next] -= 1
                    if before[next] == 0 { take(next) }
                }
                at += 1
            }
            // What is left stands in a circle, or behind one: it is entered at the first of it.
            while first < names.count, place[first] != nil { first += 1 }
            if first < names.count { take(first) }
        }
        func isForward(_ link: (from: Int, to: Int)) -> Bool { (place[link.from] ?? 0) < (place[link.to] ?? 0) }
        let nodes = names.enumerated().map { index, entry in
            Node(tasks: [index], name: entry.name, kind: entry.kind, isMapped: false, group: "")
        }
        let edges = links.filter(isForward).map { Edge(from: $0.from, to: $0.to) }
        return (
            DAGGraph(dagID: "", nodes: nodes, edges: edges, order: order), links.filter { !isForward($0) }
        )
    }
}
