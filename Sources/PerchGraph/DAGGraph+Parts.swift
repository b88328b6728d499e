// SPDX-License-Identifier: Apache-2.0

extension DAGGraph {
    /// The graph with task groups folded, each into one node. A group that something outside of it comes between, after some of its
    /// tasks and before others, cannot be one node, and stays as it is.
    ///
    /// - Parameter isFolded: Asked for the paths of groups, from the outermost in: the first that is folded holds all within.
    public func folding(_ isFolded: (String) -> Bool) -> DAGGraph {
        var kept: Set<String> = []
        while true {
            let folds = nodes.map { Self.fold($0.group, kept, isFolded) }
            var place = [Int](repeating: 0, count: nodes.count)
            var places: [String: Int] = [:]
            var merged: [Node] = []
            for (index, node) in nodes.enumerated() {
                guard let fold = folds[index] else {
                    place[index] = merged.count
                    merged.append(node)
                    continue
                }
                if let known = places[fold] {
                    place[index] = known
                    merged[known].tasks += node.tasks
                    merged[known].states = Self.sum([merged[known].states, node.states])
                } else {
                    (place[index], places[fold]) = (merged.count, merged.count)
                    var group = node
                    (group.name, group.kind, group.isMapped) = (fold, Self.groupKind, false)
                    group.group = fold.contains(".") ? String(fold[..<(fold.lastIndex(of: ".") ?? fold.endIndex)]) : ""
                    merged.append(group)
                }
            }
            for index in merged.indices { merged[index].tasks.sort() }
            let links = Self.merge(edges, place, count: merged.count)
            let (order, left) = Self.sorted(merged.count, links)
            if left.isEmpty { return DAGGraph(dagID: dagID, nodes: merged, edges: links, order: order) }
            // A group that stands in a circle is unfolded; without groups there is none.
            let stuck = left.filter { merged[$0].kind == Self.groupKind }.map { merged[$0].name }
            kept.formUnion(stuck)
            if stuck.isEmpty { return self }
        }
    }

    /// What runs a node that stands for a group.
    public static let groupKind = "group"

    /// The nodes that are nearest to one, itself first counted, and what leads between them; the order stays.
    public func around(_ node: Int, most: Int) -> DAGGraph {
        var after = [[Int]](repeating: [], count: nodes.count)
        for edge in edges { after[edge.from].append(edge.to) }
        var chosen: Set<Int> = [node]
        var wave = [node]
        while !wave.isEmpty, chosen.count < most {
            var next: [Int] = []
            for place in wave {
                for other in upstream[place] + after[place] where chosen.count < most && chosen.insert(other).inserted {
                    next.append(other)
                }
            }
            wave = next
        }
        let order = nodes.indices.filter(chosen.contains)
        let links = edges.filter { chosen.contains($0.from) && chosen.contains($0.to) }
        return DAGGraph(dagID: dagID, nodes: nodes, edges: links, order: order)
    }

    private static func fold(_ group: String, _ kept: Set<String>, _ isFolded: (String) -> Bool) -> String? {
        guard !group.isEmpty else { return nil }
        var path = ""
        for part in group.split(separator: ".") {
            path += path.isEmpty ? part : "." + part
            if !kept.contains(path), isFolded(path) { return path }
        }
        return nil
    }

    private static func merge(_ edges: [Edge], _ place: [Int], count: Int) -> [Edge] {
        var known: [Int: Int] = [:]
        var merged: [Edge] = []
        for edge in edges {
            var moved = edge
            (moved.from, moved.to) = (place[edge.from], place[edge.to])
            guard moved.from != moved.to else { continue }
            if let at = known[moved.from * count + moved.to] {
                merged[at].isInput = merged[at].isInput || edge.isInput
                merged[at].isElementwise = merged[at].isElementwise && edge.isElementwise
                if merged[at].outputs != edge.outputs { merged[at].outputs = [] }
            } else {
                known[moved.from * count + moved.to] = merged.count
                merged.append(moved)
            }
        }
        return merged
    }

    /// An order in which each node stands behind those before it; and what has none, because it stands in a circle or between two.
    private static func sorted(_ count: Int, _ edges: [Edge]) -> (order: [Int], left: [Int]) {
        func peel(_ from: (Edge) -> Int, _ to: (Edge) -> Int, among: [Edge], _ nodes: [Int]) -> [Int] {
            var degree = [Int](repeating: 0, count: count)
            var next = [[Int]](repeating: [], count: count)
            for edge in among {
                degree[to(edge)] += 1
                next[from(edge)].append(to(edge))
            }
            var order = nodes.filter { degree[$0] == 0 }
            var at = 0
            while at < order.count {
                for other in next[order[at]] {
                    degree[other] -= 1
                    if degree[other] == 0 { order.append(other) }
                }
                at += 1
            }
            return order
        }
        let order = peel({ $0.from }, { $0.to }, among: edges, Array(0..<count))
        guard order.count < count else { return (order, []) }
        let done = Set(order)
        let rest = (0..<count).filter { !done.contains($0) }
        let inner = edges.filter { !done.contains($0.from) && !done.contains($0.to) }
        let behind = Set(peel({ $0.to }, { $0.from }, among: inner, rest))
        return (order, rest.filter { !behind.contains($0) })
    }
}
