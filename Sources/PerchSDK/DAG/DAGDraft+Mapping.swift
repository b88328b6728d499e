// SPDX-License-Identifier: Apache-2.0

extension DAGDraft {
    /// A group that is mapped over a task's output.
    struct Mapping {
        var name: String
        /// The task; nil where it is of another DAG, or not known yet.
        var source: Int?
    }

    /// Adds a mapped group; gives its number.
    func declareMapping(_ name: String, over source: Int?) -> Int {
        mappings.append(Mapping(name: name, source: source))
        if let source { tasks[source].givesItems = true }
        return mappings.count - 1
    }

    /// Maps a group that stands already over the output of a task.
    func map(group mapping: Int, over earlier: TaskAnchor, _ place: DeclarationPlace) {
        guard let source = resolve(earlier, for: mappings[mapping].name, place) else { return }
        mappings[mapping].source = source
        tasks[source].givesItems = true
    }

    /// The task that a task is mapped over, by itself or with its group.
    func source(of index: Int) -> Int? {
        tasks[index].mappedOver ?? tasks[index].mapping.flatMap { mappings[$0].source }
    }

    /// What is wrong with what a task is mapped over: only code gives its output element by element, too.
    func sourceProblem(of index: Int) -> String? {
        guard let source = source(of: index), !isMapped(source) else { return nil }
        let taskID = tasks[source].definition.taskID
        switch tasks[source].definition.kind {
        case .code: return nil
        case .sensor, .empty, .latestOnly:
            return """
                it is mapped over '\(taskID)', which runs no code that would give it a list; put a task between: \
                dag.task("\(taskID)_list", \(taskID)) { _, list in list }, and map over that one
                """
        }
    }

    /// Whether a task has an instance for each element of something.
    func isMapped(_ index: Int) -> Bool { tasks[index].mappedOver != nil || tasks[index].mapping != nil }

    /// The tasks that a reference names where a whole mapped group is meant: all of it.
    func everything(of anchor: TaskAnchor, for id: String? = nil, _ place: DeclarationPlace) -> [Int] {
        guard let index = resolve(anchor, for: id, place) else { return [] }
        guard case .gathered = anchor.role, let mapping = tasks[index].mapping else { return [index] }
        return tasks.indices.filter { tasks[$0].mapping == mapping }
    }

    /// Reports a value that is taken where there is none: an element outside of its group, one output of each instance
    /// where there are many.
    func check(_ value: TaskAnchor, takenBy id: String, in mapping: Int?, _ place: DeclarationPlace) {
        guard value.owner === token else { return }
        if case .element(let own) = value.role {
            if own != mapping {
                problems.append(
                    place.problem(
                        "task '\(id)' takes the element of the mapped group '\(mappings[own].name)', and stands outside of it"
                    ))
            }
            return
        }
        guard case .task = value.role, let own = tasks[value.index].mapping, own != mapping else { return }
        problems.append(
            place.problem(
                """
                task '\(id)' takes the output of '\(value.taskID)', which each element of the mapped group \
                '\(mappings[own].name)' has its own of; give it from the group's closure: what mapGroup returns are all \
                of them, in order
                """))
    }

    /// Has the tasks of mapped groups that come after none of their group come after what the group is mapped over, and the
    /// others after those alone.
    func joinMappings() {
        for index in tasks.indices where tasks[index].mapping != nil {
            guard let source = source(of: index) else { continue }
            if aligned(index).isEmpty {
                tasks[index].upstream.append(source)
            } else if !tasks[index].inputs.contains(source), tasks[index].branches[source] == nil {
                tasks[index].upstream.removeAll { $0 == source }
            }
        }
    }

    /// What a task comes after in its mapped group, element by element.
    func aligned(_ index: Int) -> [Int] {
        guard let mapping = tasks[index].mapping else { return [] }
        return tasks[index].upstream.filter { tasks[$0].mapping == mapping }
    }
}
