// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// The tasks and groups of a DAG as they stand in each other, by their full ids; whether anything in them is right does
/// not matter yet.
struct TaskOutline {
    /// A task or a group.
    struct Entry {
        /// With the groups around it: `load.parse`.
        var id: String
        /// The group around it; empty: none.
        var group: String
        var isGroup: Bool
        /// As it was written.
        var value: YAMLValue
        /// As it was read; nil where something in it is wrong.
        var read: YAMLValue?
        /// The index of the group around it; nil: none.
        var parent: Int?
        /// How many groups are around it.
        var depth: Int
        /// What it has among its tasks, in order; of a task nothing.
        var children: [Int] = []
        /// Where it is named.
        var place: YAMLPlace
    }

    private(set) var entries: [Entry] = []
    private(set) var indexByID: [String: Int] = [:]
    private(set) var problems: [YAMLProblem] = []

    /// Reads the tasks of a DAG, as far as they are right.
    init(_ tasks: YAMLValue?, _ reader: inout ShapeReader) {
        guard let tasks else { return }
        _ = add(tasks, in: nil, &reader)
    }

    private mutating func add(_ tasks: YAMLValue, in parent: Int?, _ reader: inout ShapeReader) -> [Int] {
        guard case .list(let elements) = tasks.content else { return [] }
        return elements.enumerated().compactMap { index, value in
            add(value, "tasks[\(index)]", in: parent, &reader)
        }
    }

    private mutating func add(
        _ value: YAMLValue, _ name: String, in parent: Int?, _ reader: inout ShapeReader
    ) -> Int? {
        let group = parent.map { entries[$0].id } ?? ""
        let isGroup = value["group"] != nil
        // The tasks of a group are read one by one, so that one that is wrong hides no other.
        var own = value
        if isGroup, case .mapping(let members) = value.content {
            own.content = .mapping(
                members.map { member in
                    guard member.name == "tasks", case .list = member.value.content else { return member }
                    var member = member
                    member.value.content = .list([])
                    return member
                })
        }
        let read = reader.read(own, as: .named("task"), name)
        guard let named = value[isGroup ? "group" : "id"], !named.isNull else { return nil }
        let written = named.text ?? named.written
        guard !written.isEmpty || named.text != nil else { return nil }
        let id = group.isEmpty ? written : "\(group).\(written)"
        let what = isGroup ? "group" : "task"
        if let problem = IDRule.problem(of: written, what: isGroup ? "group's name" : "task id") {
            problems.append(YAMLProblem(place: named.place, message: problem))
            return nil
        }
        if let other = indexByID[id] {
            let line = entries[other].place.line
            problems.append(
                YAMLProblem(
                    place: named.place,
                    message: "the \(what) '\(id.shown())' is there already, in line \(line); ids are unique in a DAG"))
            return nil
        }
        let index = entries.count
        indexByID[id] = index
        entries.append(
            Entry(
                id: id, group: group, isGroup: isGroup, value: value, read: read, parent: parent,
                depth: parent.map { entries[$0].depth + 1 } ?? 0, place: named.place))
        if isGroup, let tasks = value["tasks"] {
            if case .list(let elements) = tasks.content, elements.isEmpty {
                problems.append(YAMLProblem(place: tasks.place, message: "the group '\(id)' has no tasks"))
            }
            entries[index].children = add(tasks, in: index, &reader)
        }
        return index
    }

    /// What a reference means that stands in a group: what is nearest of that name, from the group outwards.
    func find(_ name: String, from group: String) -> Int? {
        var around = group
        while true {
            if let index = indexByID[around.isEmpty ? name : "\(around).\(name)"] { return index }
            guard !around.isEmpty else { return nil }
            around = around.lastIndex(of: ".").map { String(around[..<$0]) } ?? ""
        }
    }

    /// How many groups two entries stand in together.
    func commonDepth(_ first: Int, _ second: Int) -> Int {
        var (left, right) = (entries[first].parent, entries[second].parent)
        while left != right {
            let (leftDepth, rightDepth) = (left.map { entries[$0].depth } ?? -1, right.map { entries[$0].depth } ?? -1)
            if leftDepth >= rightDepth { left = left.flatMap { entries[$0].parent } }
            if rightDepth >= leftDepth { right = right.flatMap { entries[$0].parent } }
        }
        return left.map { entries[$0].depth + 1 } ?? 0
    }

    /// Whether an entry stands in a group, or in one in it.
    func contains(_ group: Int, _ index: Int) -> Bool {
        var parent = entries[index].parent
        while let around = parent {
            if around == group { return true }
            parent = entries[around].parent
        }
        return false
    }

    /// The mapped group that an entry stands in, directly or in a group in it; nil: in none.
    func mappedGroup(around index: Int) -> Int? {
        var parent = entries[index].parent
        while let group = parent {
            if entries[group].value["over"] != nil { return group }
            parent = entries[group].parent
        }
        return nil
    }

    /// The tasks in a group, and in groups in it; of a task itself.
    func tasks(of index: Int) -> [Int] {
        guard entries[index].isGroup else { return [index] }
        return entries[index].children.flatMap { tasks(of: $0) }
    }
}
