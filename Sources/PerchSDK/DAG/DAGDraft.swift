// SPDX-License-Identifier: Apache-2.0

/// A DAG while it is being declared: tasks in the order of declaration, edges by their indexes there.
final class DAGDraft {
    typealias Run = @Sendable (_ context: TaskContext, _ inputs: [String], _ mapElement: String?) async throws -> String

    struct Task {
        var definition: TaskDefinition
        var place: DeclarationPlace
        var upstream: [Int]
        var inputs: [Int]
        var mappedOver: Int?
        /// Whether another task is mapped over this one, so that its output is given element by element too.
        var givesItems = false
        var run: Run?
    }

    let token = DAGToken()
    let place: DeclarationPlace
    let defaults: TaskOptions
    var tasks: [Task] = []
    var problems: [DeclarationProblem] = []
    /// The types that sensors wait for and whose code the bundle hosts.
    var asyncTriggers: [any AsyncTrigger.Type] = []
    private var indexByID: [String: Int] = [:]

    init(place: DeclarationPlace, defaults: TaskOptions) {
        self.place = place
        self.defaults = defaults
    }

    /// Adds a task. `inputs` and `mappedOver` are upstream by themselves.
    func declare(
        _ id: String, _ kind: TaskDefinition.Kind, inputs: [TaskAnchor] = [], mappedOver: TaskAnchor? = nil,
        after: [any AnyTaskReference], options: TaskOptions, start: StartDefinition? = nil, hasOnKill: Bool = false,
        place: DeclarationPlace, run: Run? = nil
    ) -> TaskAnchor {
        let index = tasks.count
        if let problem = IDRule.problem(of: id, what: "task id") { problems.append(place.problem(problem)) }
        if let earlier = indexByID[id] {
            let there = tasks[earlier].place
            problems.append(
                place.problem(
                    "the task id '\(id)' is taken by \(there.file):\(there.line); task ids are unique in a DAG"))
        } else {
            indexByID[id] = index
        }
        problems += options.problems.map { place.problem("task '\(id)': \($0)") }

        var definition = TaskDefinition(taskID: id, kind: kind)
        options.apply(over: defaults, to: &definition)
        definition.hasOnKill = hasOnKill
        definition.start = start
        definition.location = "\(place.file):\(place.line)"

        let inputIndexes = inputs.compactMap { resolve($0, for: id, place) }
        let mapIndex = mappedOver.flatMap { resolve($0, for: id, place) }
        if let mapIndex { tasks[mapIndex].givesItems = true }
        var upstream = inputIndexes
        if let mapIndex { upstream.append(mapIndex) }
        for reference in after {
            for anchor in reference.anchors {
                if let one = resolve(anchor, for: id, place) { upstream.append(one) }
            }
        }
        tasks.append(
            Task(
                definition: definition, place: place, upstream: upstream, inputs: inputIndexes, mappedOver: mapIndex,
                run: run))
        return TaskAnchor(taskID: id, index: index, owner: token)
    }

    /// Adds an edge between tasks that stand already.
    func order(_ before: [TaskAnchor], _ after: [TaskAnchor], place: DeclarationPlace) {
        let earlier = before.compactMap { resolve($0, for: nil, place) }
        for anchor in after {
            guard let later = resolve(anchor, for: nil, place) else { continue }
            tasks[later].upstream += earlier
        }
    }

    private func resolve(_ anchor: TaskAnchor, for id: String?, _ place: DeclarationPlace) -> Int? {
        if anchor.owner === token { return anchor.index }
        let subject = id.map { "task '\($0)' comes after" } ?? "the order names"
        problems.append(
            place.problem("\(subject) '\(anchor.taskID)', a task of another DAG; an edge joins tasks of one DAG only"))
        return nil
    }
}
