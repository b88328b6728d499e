// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What comes after what: references resolved, and groups taken apart into the tasks at their beginnings and ends.
struct TaskGraph {
    struct Edge {
        var from: Int
        var to: Int
        /// The outputs of the earlier task that lead here; nil: all do.
        var outputs: [String]?
        var place: YAMLPlace
    }

    private let outline: TaskOutline
    private(set) var edges: [Edge] = []
    /// Over which task another, or a group, is mapped.
    private(set) var sources: [Int: (task: Int, place: YAMLPlace)] = [:]
    /// The tasks whose outputs another is given, in order.
    private(set) var inputs: [Int: [Int]] = [:]
    /// The setups of teardowns.
    private(set) var setups: [Int: [Int]] = [:]
    private(set) var problems: [YAMLProblem] = []

    private var upstream: [Int: Set<Int>] = [:]
    /// The tasks at the ends of groups, once they are known.
    private var knownEnds: [Int: [Int]] = [:]

    private struct Reference {
        var from: Int
        var to: Int
        var outputs: [String]?
        var place: YAMLPlace
        /// How many groups both stand in.
        var depth: Int
    }

    init(_ outline: TaskOutline) {
        self.outline = outline
        var references: [Reference] = []
        for (index, entry) in outline.entries.enumerated() {
            guard let value = entry.read else { continue }
            resolveMapping(of: index, value)
            if !entry.isGroup { resolveWork(of: index, value) }
            if let elements = entry.elements { resolveInputs(of: index, elements) }
            references += self.references(of: index, value)
        }
        // Which tasks a group begins and ends with is decided by what joins tasks in it: so that comes first.
        let order = references.indices.sorted { (-references[$0].depth, $0) < (-references[$1].depth, $1) }
        for reference in order.map({ references[$0] }) {
            let isGroup = outline.entries[reference.to].isGroup
            for target in isGroup ? beginnings(of: reference.to) : [reference.to] {
                for source in ends(of: reference.from) {
                    upstream[target, default: []].insert(source)
                    edges.append(
                        Edge(from: source, to: target, outputs: reference.outputs, place: reference.place))
                }
            }
        }
    }

    private mutating func references(of index: Int, _ value: YAMLValue) -> [Reference] {
        var references: [Reference] = []
        for item in value["after"]?.elements ?? [] {
            guard let name = item["task"], let earlier = find(name, for: index) else { continue }
            let outputs = item["when"]?.elements.compactMap(\.text)
            if outputs != nil, outline.entries[earlier].isGroup {
                report("a group gives no output: 'when' is for tasks", name)
                continue
            }
            if outputs != nil, let work = outline.entries[earlier].workWithoutBranch {
                report("'\(outline.entries[earlier].id)' is '\(work)', whose output is no branch's", name)
                continue
            }
            references.append(
                Reference(
                    from: earlier, to: index, outputs: outputs, place: name.place,
                    depth: outline.commonDepth(earlier, index)))
        }
        return references
    }

    private mutating func resolveMapping(of index: Int, _ value: YAMLValue) {
        guard let name = value["over"] else { return }
        let entry = outline.entries[index]
        if let group = outline.mappedGroup(around: index) {
            let around = outline.entries[group].id
            report("'\(entry.id)' is mapped inside of the mapped group '\(around)'; mappings do not nest", name)
            return
        }
        if let source = entry.source {
            sources[index] = (source, name.place)
        } else {
            guard let name = name["task"], let source = findList(name, for: index) else { return }
            sources[index] = (source, name.place)
        }
        guard let source = sources[index]?.task else { return }
        for task in outline.tasks(of: index) { upstream[task, default: []].insert(source) }
    }

    private mutating func resolveInputs(of index: Int, _ elements: TaskOutline.Elements) {
        for member in elements.tasks {
            guard let source = findList(member.value, for: elements.owner) else { continue }
            inputs[index, default: []].append(source)
            upstream[index, default: []].insert(source)
        }
    }

    /// A task whose output can be a list.
    private mutating func findList(_ name: YAMLValue, for index: Int) -> Int? {
        guard let found = findTask(name, for: index) else { return nil }
        guard let work = outline.entries[found].workWithoutOutput else { return found }
        let right = work == "run_dag" ? "; with 'output_of' it gives that of a task of the other DAG" : ""
        report("'\(outline.entries[found].id)' gives no list to be mapped over: it is '\(work)'\(right)", name)
        return nil
    }

    private mutating func resolveWork(of index: Int, _ value: YAMLValue) {
        for name in value["teardown"]?["setups"]?.elements ?? [] {
            guard let setup = findTask(name, for: index) else { continue }
            setups[index, default: []].append(setup)
            upstream[index, default: []].insert(setup)
        }
    }

    /// The tasks of a group that come after none of it.
    private func beginnings(of group: Int) -> [Int] {
        let tasks = outline.tasks(of: group)
        let members = Set(tasks)
        return tasks.filter { members.isDisjoint(with: upstream[$0, default: []]) }
    }

    /// The tasks of a group that none of it comes after, teardowns left out; of a task itself.
    private mutating func ends(of group: Int) -> [Int] {
        guard outline.entries[group].isGroup else { return [group] }
        if let known = knownEnds[group] { return known }
        let tasks = outline.tasks(of: group).filter { setups[$0] == nil }
        let inner = tasks.reduce(into: Set<Int>()) { $0.formUnion(upstream[$1, default: []]) }
        let ends = tasks.filter { !inner.contains($0) }
        knownEnds[group] = ends
        return ends
    }

    // MARK: References

    private mutating func findTask(_ name: YAMLValue, for index: Int) -> Int? {
        guard let found = find(name, for: index) else { return nil }
        guard outline.entries[found].isGroup else { return found }
        report("'\(outline.entries[found].id)' is a group; name one of its tasks", name)
        return nil
    }

    private mutating func find(_ name: YAMLValue, for index: Int) -> Int? {
        let entry = outline.entries[index]
        let text = name.text ?? ""
        if let found = outline.find(text, from: entry.group) {
            if found == index {
                report("'\(entry.id)' comes after itself", name)
                return nil
            }
            if outline.contains(index, found) {
                report("the group '\(entry.id)' comes after '\(outline.entries[found].id)', which stands in it", name)
                return nil
            }
            if outline.contains(found, index) {
                report("'\(entry.id)' comes after '\(outline.entries[found].id)', a group that it stands in", name)
                return nil
            }
            return found
        }
        let known = outline.entries.map(\.id)
        let near = NearestName.of(text, among: known).map { "did you mean '\($0)'?" }
        let shown = known.prefix(20).joined(separator: ", ") + (known.count > 20 ? ", …" : "")
        report("there is no task '\(text.shown(60))'; \(near ?? "there are \(shown.shown(400))")", name)
        return nil
    }

    private mutating func report(_ message: String, _ value: YAMLValue) {
        problems.append(YAMLProblem(place: value.place, message: message))
    }
}
