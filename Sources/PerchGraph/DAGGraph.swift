// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A DAG as a picture has it: nodes in the order of its tasks, edges between them. Tasks that look alike may share a node, so
/// that ten thousand of them are still a picture.
public struct DAGGraph: Sendable, Hashable {
    /// A task, or several that look alike.
    public struct Node: Sendable, Hashable {
        /// The tasks, as indexes into the definition, ascending.
        public var tasks: [Int]
        /// The id of the task, or of the first and the last: `load_0 … load_9999`.
        public var name: String
        /// What runs it: `closure`, `sensor:file`.
        public var kind: String
        /// Whether it is mapped: one instance an element.
        public var isMapped: Bool
        /// The task group that it stands in; empty: none.
        public var group: String
        /// How many instances are in each state, in the order of `TaskState`; empty where no run is looked at.
        public var states: [StateCount] = []

        /// The state that a picture shows: the one that asks most for attention.
        public var state: TaskState? { states.min { Self.rank($0.state) < Self.rank($1.state) }?.state }

        private static let urgency: [TaskState] = [
            .failed, .upstreamFailed, .upForRetry, .running, .queued, .scheduled, .deferred, .none, .success, .skipped,
            .removed,
        ]

        private static func rank(_ state: TaskState) -> Int { urgency.firstIndex(of: state) ?? urgency.count }
    }

    /// How many instances are in a state.
    public struct StateCount: Sendable, Hashable {
        public var state: TaskState
        public var count: Int

        /// A count.
        public init(_ state: TaskState, _ count: Int) {
            self.state = state
            self.count = count
        }
    }

    /// One node comes after another.
    public struct Edge: Sendable, Hashable {
        public var from: Int
        public var to: Int
        /// The outputs that lead along it; empty: any end.
        public var outputs: [String] = []
        /// Whether the later one is given the earlier one's output.
        public var isInput = false
        /// Whether each instance of the later one comes after the instance of its own element: both stand in a mapped group.
        public var isElementwise = false
    }

    public var dagID: String
    public var nodes: [Node]
    /// Ordered by the later node, then the earlier one.
    public var edges: [Edge]
    /// For each node the nodes directly before it, ascending.
    public private(set) var upstream: [[Int]]

    /// The tasks that a graph may have before those that look alike share nodes, and how many of them have to.
    public struct Sharing: Sendable {
        public var above: Int
        public var atLeast: Int

        /// From so many tasks on, so many that look alike share a node.
        public init(above: Int = 60, atLeast: Int = 8) {
            self.above = above
            self.atLeast = atLeast
        }
    }

    /// The graph of a definition.
    ///
    /// - Parameters:
    ///   - states: How many instances of a task are in which state; asked for each task. Nil: no run is looked at.
    ///   - sharing: Nil: every task has a node of its own.
    public init(
        _ definition: DAGDefinition, sharing: Sharing? = Sharing(), states: ((Int) -> [StateCount])? = nil
    ) {
        let tasks = definition.tasks
        dagID = definition.dagID
        let classes = sharing.flatMap { tasks.count > $0.above ? LookAlikes(tasks).classes : nil }
        var members: [Int: [Int]] = [:]
        if let classes {
            for (index, name) in classes.enumerated() { members[name, default: []].append(index) }
        }
        let least = sharing?.atLeast ?? .max
        var place = [Int](repeating: 0, count: tasks.count)
        nodes = []
        for (index, task) in tasks.enumerated() {
            let alike = classes.flatMap { members[$0[index]] } ?? [index]
            let isShared = alike.count >= least
            // The node stands where its first task stands.
            if isShared, alike[0] != index {
                place[index] = place[alike[0]]
                continue
            }
            place[index] = nodes.count
            let together = isShared ? alike : [index]
            var node = Node(
                tasks: together,
                name: isShared ? "\(task.taskID) … \(tasks[together[together.count - 1]].taskID)" : task.taskID,
                kind: task.kindName, isMapped: task.mappedOver != nil, group: task.group)
            if let states { node.states = Self.sum(together.map(states)) }
            nodes.append(node)
        }
        upstream = Array(repeating: [], count: nodes.count)
        edges = []
        var known: [Int: Int] = [:]
        for (index, task) in tasks.enumerated() {
            let inputs = Set(task.inputs + [task.mappedOver].compactMap(\.self))
            for before in task.upstream {
                let (from, to) = (place[before], place[index])
                let key = from * nodes.count + to
                let isInput = inputs.contains(before)
                if let at = known[key] {
                    edges[at].isInput = edges[at].isInput || isInput
                    continue
                }
                known[key] = edges.count
                let outputs = task.branches.first { $0.upstream == before }?.outputs ?? []
                edges.append(
                    Edge(
                        from: from, to: to, outputs: outputs, isInput: isInput,
                        isElementwise: task.alignedWith.contains(before)))
                upstream[to].append(from)
            }
        }
        for node in upstream.indices { upstream[node].sort() }
        edges.sort { ($0.to, $0.from) < ($1.to, $1.from) }
    }

    /// A graph of some nodes in another order, and of the edges between them.
    init(dagID: String, nodes: [Node], edges: [Edge], order: [Int]) {
        self.dagID = dagID
        self.nodes = order.map { nodes[$0] }
        var place: [Int: Int] = [:]
        for (index, node) in order.enumerated() { place[node] = index }
        upstream = Array(repeating: [], count: order.count)
        self.edges = []
        for edge in edges {
            guard let from = place[edge.from], let to = place[edge.to] else { continue }
            var moved = edge
            (moved.from, moved.to) = (from, to)
            self.edges.append(moved)
            upstream[to].append(from)
        }
        for node in upstream.indices { upstream[node].sort() }
        self.edges.sort { ($0.to, $0.from) < ($1.to, $1.from) }
    }

    static func sum(_ counts: [[StateCount]]) -> [StateCount] {
        var sums: [TaskState: Int] = [:]
        for count in counts.joined() { sums[count.state, default: 0] += count.count }
        return TaskState.allCases.compactMap { state in sums[state].map { StateCount(state, $0) } }
    }
}
