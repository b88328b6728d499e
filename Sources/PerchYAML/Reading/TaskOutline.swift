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
        /// The entry that makes what this one is mapped over; nil: it is mapped over a task, or not at all.
        var source: Int?
        /// Of what it makes what others are mapped over; nil: it is one that was written.
        var elements: Elements?
    }

    /// Of which tasks' outputs an entry makes what another is mapped over.
    struct Elements {
        var combination: DocumentElements.Combination
        /// The tasks, by the names that their elements get.
        var tasks: [YAMLValue.Member]
        /// The entry for which they are.
        var owner: Int
    }

    private(set) var entries: [Entry] = []
    private(set) var indexByID: [String: Int] = [:]
    private(set) var problems: [YAMLProblem] = []

    /// Reads the tasks of a DAG, as far as they are right.
    init(_ tasks: YAMLValue?, _ reader: inout ShapeReader) {
        guard let tasks else { return }
        _ = add(tasks, in: nil, &reader)
        for index in entries.indices { addSource(of: index) }
    }

    /// Adds the entry that makes what another is mapped over, where that is not one task's output as it is.
    private mutating func addSource(of index: Int) {
        guard let over = entries[index].read?["over"], let member = over.members.first,
            mappedGroup(around: index) == nil
        else { return }
        let elements: Elements
        if let combination = DocumentElements.Combination(rawValue: member.name) {
            guard member.value.members.count > 1 else {
                let message = "'\(member.name)' is of two tasks or more; of one it is 'over: TASK'"
                problems.append(YAMLProblem(place: member.place, message: message))
                return
            }
            elements = Elements(combination: combination, tasks: member.value.members, owner: index)
        } else {
            // The list is in the event of a run's end.
            guard let name = member.value.text, let found = find(name, from: entries[index].group),
                entries[found].read?["run_dag"]?["output_of"] != nil
            else { return }
            elements = Elements(combination: .one, tasks: [member], owner: index)
        }
        var entry = entries[index]
        entry.id += "_elements"
        if let other = indexByID[entry.id] {
            let message = """
                the task '\(entry.id.shown())', which makes what '\(entries[index].id)' is mapped over, is there \
                already, in line \(entries[other].place.line); give one another id
                """
            problems.append(YAMLProblem(place: over.place, message: message))
            return
        }
        entry.isGroup = false
        entry.read = YAMLValue(content: .mapping([]), place: over.place)
        entry.value.place = over.place
        entry.children = []
        entry.elements = elements
        let source = entries.count
        indexByID[entry.id] = source
        entries.append(entry)
        if let parent = entry.parent { entries[parent].children.append(source) }
        entries[index].source = source
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

    /// How the elements are made that an entry makes.
    func elements(_ elements: Elements) -> DocumentElements {
        let group = entries[elements.owner].group
        return DocumentElements(
            elements.combination,
            of: elements.tasks.map { member in
                let found = find(member.value.text ?? "", from: group)
                return DocumentElements.Source(
                    name: member.name, task: member.value.text ?? "",
                    isRun: found.map { entries[$0].read?["run_dag"] != nil } ?? false)
            })
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

extension TaskOutline.Entry {
    /// The key of what it does, where that gives no list.
    var workWithoutOutput: String? {
        guard let read else { return nil }
        if let run = read["run_dag"] { return run["output_of"] == nil ? "run_dag" : nil }
        return ["sensor", "empty", "latest_only"].first { read[$0] != nil }
    }

    /// The key of what it does, where no output of that can lead on and another not.
    var workWithoutBranch: String? {
        guard let read else { return nil }
        return ["sensor", "run_dag", "empty"].first { read[$0] != nil }
    }
}
