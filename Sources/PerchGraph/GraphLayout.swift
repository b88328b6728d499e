// SPDX-License-Identifier: Apache-2.0

/// Where the nodes of a graph stand: in layers from left to right, each node behind everything that it comes after, with few
/// crossings of edges. The same graph always gets the same picture.
public struct GraphLayout: Sendable {
    /// A point of the picture, in its units.
    public struct Point: Sendable, Hashable {
        public var x: Double
        public var y: Double
    }

    /// A node's rectangle.
    public struct Box: Sendable, Hashable {
        public var x: Double
        public var y: Double
        public var width: Double
        public var height: Double
    }

    public var width = 0.0
    public var height = 0.0
    /// By node.
    public var boxes: [Box] = []
    /// By edge: the points that it goes through, from the right side of one node to the left side of another.
    public var paths: [[Point]] = []

    /// How high every node is.
    public static let nodeHeight = 34.0
    private static let rowGap = 14.0
    private static let columnGap = 56.0
    private static let margin = 20.0
    /// Edges over several layers go through a place of their own in each, while there are no more of these in all.
    private static let mostBends = 20_000

    /// Something that has a place in a layer: a node, or a bend of a long edge.
    private struct Item {
        var layer: Int
        var width: Double
        var before: [Int] = []
        var after: [Int] = []
        var y = 0.0
    }

    /// Lays a graph out; `widths` are those of its nodes.
    public init(_ graph: DAGGraph, widths: [Double]) {
        guard !graph.nodes.isEmpty else { return }
        var items: [Item] = []
        for index in graph.nodes.indices {
            // A node stands after everything that it comes after: those have their layers already.
            let layer = (graph.upstream[index].map { items[$0].layer }.max() ?? -1) + 1
            items.append(Item(layer: layer, width: widths[index]))
        }
        let bends = graph.edges.reduce(0) { $0 + items[$1.to].layer - items[$1.from].layer - 1 }
        var routes: [[Int]] = []
        for edge in graph.edges {
            var route = [edge.from]
            if bends <= Self.mostBends {
                for layer in (items[edge.from].layer + 1)..<max(items[edge.from].layer + 1, items[edge.to].layer) {
                    route.append(items.count)
                    items.append(Item(layer: layer, width: 0))
                }
            }
            route.append(edge.to)
            for (one, next) in zip(route, route.dropFirst()) {
                items[one].after.append(next)
                items[next].before.append(one)
            }
            routes.append(route)
        }
        var layers = [[Int]](repeating: [], count: (items.map(\.layer).max() ?? 0) + 1)
        for index in items.indices { layers[items[index].layer].append(index) }
        Self.order(&layers, items)
        Self.place(&layers, &items)
        draw(graph, items, layers, routes)
    }

    /// Puts each layer in the order of where its neighbours stand on average, from both sides in turn.
    private static func order(_ layers: inout [[Int]], _ items: [Item]) {
        var rank = [Double](repeating: 0, count: items.count)
        func note(_ layer: [Int]) {
            for (place, item) in layer.enumerated() { rank[item] = Double(place) }
        }
        func sort(_ layer: inout [Int], by neighbours: (Int) -> [Int]) {
            var keys: [Int: Double] = [:]
            for item in layer {
                let around = neighbours(item)
                keys[item] =
                    around.isEmpty ? rank[item] : around.reduce(0) { $0 + rank[$1] } / Double(around.count)
            }
            layer.sort { (keys[$0] ?? 0, $0) < (keys[$1] ?? 0, $1) }
            note(layer)
        }
        for layer in layers { note(layer) }
        for _ in 0..<4 {
            for index in layers.indices.dropFirst() { sort(&layers[index]) { items[$0].before } }
            for index in layers.indices.dropLast().reversed() { sort(&layers[index]) { items[$0].after } }
        }
    }

    /// Gives each item a height near its neighbours', without letting two of a layer overlap.
    private static func place(_ layers: inout [[Int]], _ items: inout [Item]) {
        func gap(_ item: Item) -> Double { item.width > 0 ? nodeHeight + rowGap : rowGap }
        func pack(_ layer: [Int], _ wish: (Int) -> Double) {
            // Down as far as those above need, then the layer as a whole to where it wishes to be on average.
            var y = -Double.infinity
            var offset = 0.0
            for item in layer {
                let wished = wish(item)
                items[item].y = max(wished, y)
                offset += wished - items[item].y
                y = items[item].y + gap(items[item])
            }
            offset /= Double(layer.count)
            for item in layer { items[item].y += offset }
        }
        for layer in layers {
            var y = 0.0
            for item in layer {
                items[item].y = y
                y += gap(items[item])
            }
        }
        for _ in 0..<2 {
            for layer in layers.dropFirst() {
                pack(layer) { item in
                    let around = items[item].before
                    return around.isEmpty ? items[item].y : around.reduce(0) { $0 + items[$1].y } / Double(around.count)
                }
            }
            for layer in layers.dropLast().reversed() {
                pack(layer) { item in
                    let around = items[item].after
                    return around.isEmpty ? items[item].y : around.reduce(0) { $0 + items[$1].y } / Double(around.count)
                }
            }
        }
    }

    private mutating func draw(_ graph: DAGGraph, _ items: [Item], _ layers: [[Int]], _ routes: [[Int]]) {
        let top = items.map(\.y).min() ?? 0
        var x = Self.margin
        var left: [Double] = []
        var columns: [Double] = []
        for layer in layers {
            let width = layer.map { items[$0].width }.max() ?? 0
            left.append(x)
            columns.append(width)
            x += width + Self.columnGap
        }
        width = x - Self.columnGap + Self.margin
        let shift = Self.margin - top
        for index in graph.nodes.indices {
            let item = items[index]
            let indent = (columns[item.layer] - item.width) / 2
            boxes.append(
                Box(x: left[item.layer] + indent, y: item.y + shift, width: item.width, height: Self.nodeHeight))
        }
        height = (boxes.map { $0.y + $0.height }.max() ?? 0) + Self.margin
        for route in routes {
            var path: [Point] = []
            for (place, item) in route.enumerated() {
                let y = items[item].y + shift + Self.nodeHeight / 2
                if item < graph.nodes.count {
                    let box = boxes[item]
                    path.append(Point(x: place == 0 ? box.x + box.width : box.x, y: y))
                } else {
                    // Straight through the column.
                    path.append(Point(x: left[items[item].layer], y: y))
                    path.append(Point(x: left[items[item].layer] + columns[items[item].layer], y: y))
                }
            }
            paths.append(path)
        }
        height = max(height, (paths.joined().map(\.y).max() ?? 0) + Self.margin)
    }
}
