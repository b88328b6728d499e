// SPDX-License-Identifier: Apache-2.0

/// A task that was declared, as others refer to it: by `after:`, or as a typed input.
public struct TaskReference<Output: Sendable>: AnyTaskReference {
    let anchor: TaskAnchor
    /// How the output is read from what is stored, where it is more than decoding.
    let reading: OutputReading?

    init(_ anchor: TaskAnchor, reading: OutputReading? = nil) {
        self.anchor = anchor
        self.reading = reading
    }

    /// The task's id.
    public var taskID: String { anchor.taskID }

    /// This one task.
    public var anchors: [TaskAnchor] { [anchor] }

    /// The same task as an input that is nil where the task gave no output: for `.allDone`, where it may have failed.
    public var optional: TaskReference<Output?> {
        TaskReference<Output?>(anchor, reading: reading)
    }

    /// The same task as an input whose elements are nil where a mapped instance gave no output.
    public func optionalElements<Element: Sendable>() -> TaskReference<[Element?]> where Output == [Element] {
        TaskReference<[Element?]>(anchor, reading: reading)
    }
}

/// What `after:` takes: a task's reference, an array of references of one type, or `TaskReferences` of mixed types.
public protocol AnyTaskReference: Sendable {
    /// The tasks that are meant.
    var anchors: [TaskAnchor] { get }
}

/// One task in one DAG, without its type.
public struct TaskAnchor: Sendable {
    /// The task's id.
    public let taskID: String
    let index: Int
    let owner: DAGToken
    /// The outputs of the task that lead on from it; nil: all do.
    var outputs: [String]?
    var role = Role.task

    enum Role: Sendable {
        case task
        /// The element of a mapped group that is under way, of the task that the group is mapped over.
        case element(mapping: Int)
        /// What a mapped group gave, all instances together, with the tasks that end the group.
        case gathered(ends: [Int])
    }
}

extension Array: AnyTaskReference where Element: AnyTaskReference {
    /// Every task of the array, in order.
    public var anchors: [TaskAnchor] { flatMap(\.anchors) }
}

/// Tasks of different types together, where the list is made at run time: `after: TaskReferences(list)`.
public struct TaskReferences: AnyTaskReference {
    /// Every task, in order.
    public let anchors: [TaskAnchor]

    /// The tasks of all references, in order.
    public init(_ references: [any AnyTaskReference]) {
        anchors = references.flatMap(\.anchors)
    }
}

/// Tells the tasks of one DAG from those of another, whatever their ids.
final class DAGToken: Sendable {}
