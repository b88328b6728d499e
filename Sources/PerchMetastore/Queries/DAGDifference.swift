// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What differs between two definitions of a DAG. Tasks are known by their ids; where they stand in the file does not count.
public struct DAGDifference: Sendable, Hashable {
    /// One change.
    public struct Change: Sendable, Hashable {
        public enum Kind: String, Sendable, Hashable {
            case dagChanged = "dag_changed"
            case taskAdded = "task_added"
            case taskRemoved = "task_removed"
            case taskChanged = "task_changed"
            case edgeAdded = "edge_added"
            case edgeRemoved = "edge_removed"
        }

        public var kind: Kind
        /// Nil where the DAG itself changed.
        public var taskID: String?
        /// Of an edge: the task before `taskID`.
        public var upstreamID: String?
        /// The field that changed, as the bundle protocol names it.
        public var field: String?
        /// Nil: it had its default.
        public var old: JSONValue?
        public var new: JSONValue?
    }

    /// The DAG's fields, then tasks removed, added and changed, then edges; each in the order of the definitions.
    public var changes: [Change]

    /// What leads from one definition to another.
    public init(from old: DAGDefinition, to new: DAGDefinition) {
        let oldTasks = Self.byID(old)
        let newTasks = Self.byID(new)
        changes = Self.fields(Self.members(of: old), Self.members(of: new)).map {
            Change(kind: .dagChanged, field: $0.name, old: $0.old, new: $0.new)
        }
        changes += old.tasks.filter { newTasks[$0.taskID] == nil }.map { Change(kind: .taskRemoved, taskID: $0.taskID) }
        changes += new.tasks.filter { oldTasks[$0.taskID] == nil }.map { Change(kind: .taskAdded, taskID: $0.taskID) }
        for task in new.tasks {
            guard let before = oldTasks[task.taskID] else { continue }
            changes += Self.fields(Self.members(of: before, in: old), Self.members(of: task, in: new)).map {
                Change(kind: .taskChanged, taskID: task.taskID, field: $0.name, old: $0.old, new: $0.new)
            }
        }
        let (oldEdges, newEdges) = (Self.edges(old), Self.edges(new))
        let (oldSet, newSet) = (Set(oldEdges), Set(newEdges))
        changes += oldEdges.filter { !newSet.contains($0) }.map {
            Change(kind: .edgeRemoved, taskID: $0.to, upstreamID: $0.from)
        }
        changes += newEdges.filter { !oldSet.contains($0) }.map {
            Change(kind: .edgeAdded, taskID: $0.to, upstreamID: $0.from)
        }
    }

    private struct Edge: Hashable {
        var from: String
        var to: String
    }

    private static func edges(_ dag: DAGDefinition) -> [Edge] {
        dag.tasks.flatMap { task in task.upstream.map { Edge(from: dag.tasks[$0].taskID, to: task.taskID) } }
    }

    private static func byID(_ dag: DAGDefinition) -> [String: TaskDefinition] {
        Dictionary(dag.tasks.map { ($0.taskID, $0) }) { first, _ in first }
    }

    private static func fields(
        _ old: [String: JSONValue], _ new: [String: JSONValue]
    ) -> [(name: String, old: JSONValue?, new: JSONValue?)] {
        Set(old.keys).union(new.keys).sorted().filter { old[$0] != new[$0] }.map { ($0, old[$0], new[$0]) }
    }

    private static func members(of dag: DAGDefinition) -> [String: JSONValue] {
        guard case .object(var members) = dag.json else { return [:] }
        members["tasks"] = nil
        members["dag_id"] = nil
        for (name, instant) in [("start", dag.start), ("end", dag.end)] {
            if let instant { members[name] = .string("\(instant)") }
        }
        if let span = dag.runTimeout { members["run_timeout"] = .string("\(span)") }
        return members
    }

    /// Lengths of time as people write them.
    private static let spans = ["retry_delay", "max_retry_delay", "execution_timeout", "task_timeout", "kill_timeout"]

    /// The fields of a task, with names in place of places. Edges are told by themselves.
    private static func members(of task: TaskDefinition, in dag: DAGDefinition) -> [String: JSONValue] {
        guard case .object(var members) = task.json else { return [:] }
        for name in ["task_id", "upstream", "location"] { members[name] = nil }
        func name(_ index: Int) -> JSONValue { .string(dag.tasks[index].taskID) }
        if !task.inputs.isEmpty { members["inputs"] = .array(task.inputs.map(name)) }
        if let source = task.mappedOver { members["mapped_over"] = name(source) }
        if !task.alignedWith.isEmpty { members["aligned_with"] = .array(task.alignedWith.map(name)) }
        if !task.branches.isEmpty {
            members["branches"] = .array(
                task.branches.map { edge in
                    .object(["upstream": name(edge.upstream), "outputs": .array(edge.outputs.map { .string($0) })])
                })
        }
        if let teardown = task.teardown {
            members["teardown"] = .object([
                "setups": .array(teardown.setups.map(name)), "fails_run": .bool(teardown.failsRun),
            ])
        }
        for field in spans {
            if case .integer(let microseconds)? = members[field] {
                members[field] = .string("\(TimeSpan(microseconds: microseconds))")
            }
        }
        return members
    }
}
