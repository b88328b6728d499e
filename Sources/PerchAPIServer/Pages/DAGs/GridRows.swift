// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// The rows of a grid: tasks in the order of the DAG, those of a group below the group's name, or folded into it.
struct GridRows {
    struct Row: Sendable {
        /// The task, or those in the group with all groups in it; indexes into the definition.
        var tasks: [Int]
        /// The last part of a group's path, or the id of the task.
        var name: String
        /// Of a group; nil for a task.
        var group: String?
        var isOpen = false
        /// In how many groups it stands.
        var depth: Int
    }

    private final class Group {
        var path: String
        var items: [Item] = []
        var places: [String: Group] = [:]
        init(path: String) { self.path = path }
    }

    private enum Item {
        case task(Int)
        case group(String, Group)
    }

    let rows: [Row]
    let hasGroups: Bool

    /// - Parameters:
    ///   - isOpen: Whether groups are open that are not in `turned`.
    ///   - turned: Paths of groups that are the other way.
    init(_ definition: DAGDefinition, isOpen: Bool, turned: Set<String>) {
        let root = Group(path: "")
        for (index, task) in definition.tasks.enumerated() where task.callback == nil {
            var group = root
            for name in task.group.split(separator: ".").map(String.init) {
                if let known = group.places[name] {
                    group = known
                    continue
                }
                let made = Group(path: group.path.isEmpty ? name : group.path + "." + name)
                group.places[name] = made
                group.items.append(.group(name, made))
                group = made
            }
            group.items.append(.task(index))
        }
        hasGroups = !root.places.isEmpty
        var rows: [Row] = []
        Self.add(root, depth: 0, definition, isOpen, turned, &rows)
        self.rows = rows
    }

    private static func tasks(in group: Group) -> [Int] {
        group.items.flatMap { item in
            switch item {
            case .task(let index): [index]
            case .group(_, let inner): tasks(in: inner)
            }
        }
    }

    private static func add(
        _ group: Group, depth: Int, _ definition: DAGDefinition, _ isOpen: Bool, _ turned: Set<String>,
        _ rows: inout [Row]
    ) {
        for item in group.items {
            switch item {
            case .task(let index):
                rows.append(Row(tasks: [index], name: definition.tasks[index].taskID, depth: depth))
            case .group(let name, let inner):
                let opens = isOpen != turned.contains(inner.path)
                rows.append(
                    Row(tasks: tasks(in: inner), name: name, group: inner.path, isOpen: opens, depth: depth))
                if opens { add(inner, depth: depth + 1, definition, isOpen, turned, &rows) }
            }
        }
    }
}
