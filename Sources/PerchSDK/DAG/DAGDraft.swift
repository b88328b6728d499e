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
        /// The mapped group that it stands in, by its number.
        var mapping: Int?
        /// The outputs of an upstream task that lead here, where not all do.
        var branches: [Int: [String]] = [:]
        var shortCircuits = false
        var setups: [Int] = []
        var failsRun = false
        /// What calls it, where it is a callback, and of which tasks.
        var callback: (points: [CallbackPoint], tasks: [Int])?
        /// Whether another task is mapped over this one, so that its output is given element by element too.
        var givesItems = false
        /// What of its operator may hold templates.
        var fields: [TemplateField] = []
        var run: Run?
    }

    let token = DAGToken()
    let place: DeclarationPlace
    let defaults: TaskOptions
    var tasks: [Task] = []
    var mappings: [Mapping] = []
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
        _ id: String, _ kind: TaskDefinition.Kind, in group: GroupPlace, inputs: [TaskAnchor] = [],
        mappedOver: TaskAnchor? = nil,
        after: [any AnyTaskReference], options: TaskOptions, start: StartDefinition? = nil, hasOnKill: Bool = false,
        fields: [TemplateField] = [], place: DeclarationPlace, run: Run? = nil
    ) -> TaskAnchor {
        let index = tasks.count
        let id = Self.fullID(id, in: group.name)
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
        definition.group = group.name
        definition.hasOnKill = hasOnKill
        definition.start = start
        definition.location = "\(place.file):\(place.line)"

        for value in inputs { check(value, takenBy: id, in: group.mapping, place) }
        let inputIndexes = inputs.compactMap { value -> Int? in
            if case .element = value.role { return nil }
            return resolve(value, for: id, place)
        }
        if mappedOver != nil, let mapping = group.mapping {
            problems.append(place.problem(DAGBuilder.nested("task '\(id)'", in: mappings[mapping].name)))
        } else if let mappedOver {
            check(mappedOver, takenBy: id, in: group.mapping, place)
        }
        let mapIndex = group.mapping == nil ? mappedOver.flatMap { resolve($0, for: id, place) } : nil
        if let mapIndex { tasks[mapIndex].givesItems = true }
        var upstream = inputIndexes
        if let mapIndex { upstream.append(mapIndex) }
        if let source = group.mapping.flatMap({ mappings[$0].source }) { upstream.append(source) }
        tasks.append(
            Task(
                definition: definition, place: place, upstream: upstream, inputs: inputIndexes, mappedOver: mapIndex,
                mapping: group.mapping, fields: fields, run: run))
        for case .gathered(let ends) in inputs.map(\.role) { tasks[index].upstream += ends }
        for reference in after { for anchor in reference.anchors { join(anchor, to: index, place) } }
        return TaskAnchor(taskID: id, index: index, owner: token)
    }

    /// Has a task that stands already take the outputs of others, in order.
    func give(_ earlier: [TaskAnchor], to later: TaskAnchor, _ place: DeclarationPlace) {
        guard let index = resolve(later, for: nil, place) else { return }
        let sources = earlier.compactMap { resolve($0, for: later.taskID, place) }
        tasks[index].inputs += sources
        tasks[index].upstream += sources
    }

    /// Adds an edge between tasks that stand already.
    func order(_ before: [TaskAnchor], _ after: [TaskAnchor], place: DeclarationPlace) {
        for anchor in after {
            guard let later = resolve(anchor, for: nil, place) else { continue }
            for earlier in before { join(earlier, to: later, place) }
        }
    }

    /// Adds one edge, for some outputs of the earlier task where the anchor says which.
    func join(_ earlier: TaskAnchor, to later: Int, _ place: DeclarationPlace) {
        if case .element = earlier.role {
            return check(earlier, takenBy: tasks[later].definition.taskID, in: tasks[later].mapping, place)
        }
        guard let index = resolve(earlier, for: tasks[later].definition.taskID, place) else { return }
        tasks[later].upstream.append(index)
        if case .gathered(let ends) = earlier.role { tasks[later].upstream += ends }
        guard let outputs = earlier.outputs else { return }
        var known = tasks[later].branches[index] ?? []
        known += outputs.filter { !known.contains($0) }
        tasks[later].branches[index] = known
    }

    /// Whether a task lets only the newest run go on.
    func isLatestOnly(_ anchor: TaskAnchor) -> Bool {
        guard tasks.indices.contains(anchor.index), case .latestOnly = tasks[anchor.index].definition.kind else {
            return false
        }
        return true
    }

    /// Maps a task that stands already over the output of another.
    func map(_ later: TaskAnchor, over earlier: TaskAnchor, _ place: DeclarationPlace) {
        guard let index = resolve(later, for: nil, place), let source = resolve(earlier, for: later.taskID, place)
        else {
            return
        }
        if let mapping = tasks[index].mapping {
            problems.append(place.problem(DAGBuilder.nested("task '\(later.taskID)'", in: mappings[mapping].name)))
        }
        tasks[source].givesItems = true
        tasks[index].mappedOver = source
        tasks[index].upstream.append(source)
    }

    /// Has what comes after tasks depend on whether they give true.
    func shortCircuit(_ anchors: [TaskAnchor], place: DeclarationPlace) {
        for index in anchors.compactMap({ resolve($0, for: nil, place) }) { tasks[index].shortCircuits = true }
    }

    /// Makes tasks the teardowns of others.
    func teardown(_ anchors: [TaskAnchor], of setups: [TaskAnchor], failsRun: Bool, _ place: DeclarationPlace) {
        for index in anchors.compactMap({ resolve($0, for: nil, place) }) {
            if setups.isEmpty {
                let id = tasks[index].definition.taskID
                problems.append(place.problem("the teardown '\(id)' names no setup: teardown(…, of: …)"))
            }
            for setup in setups {
                var edge = setup
                edge.outputs = nil
                join(edge, to: index, place)
                if let setup = resolve(setup, for: nil, place) { tasks[index].setups.append(setup) }
            }
            tasks[index].failsRun = failsRun
            if tasks[index].definition.triggerRule == .allSuccess {
                tasks[index].definition.triggerRule = .allDoneSetupSuccess
            }
        }
    }

    /// Adds code that is called back.
    func callback(
        _ id: String, _ operatorName: String, in group: GroupPlace, on points: [CallbackPoint],
        of anchors: [TaskAnchor], options: TaskOptions, hasOnKill: Bool = false, fields: [TemplateField] = [],
        place: DeclarationPlace, run: @escaping Run
    ) {
        let own = declare(
            id, .code(operatorName: operatorName), in: GroupPlace(name: group.name), after: [], options: options,
            hasOnKill: hasOnKill, fields: fields, place: place, run: run)
        tasks[own.index].callback = (points, anchors.flatMap { everything(of: $0, for: own.taskID, place) })
    }

    /// Lets some instances of mapped tasks fail.
    func tolerate(_ anchors: [TaskAnchor], _ percent: Int, _ place: DeclarationPlace) {
        for index in anchors.flatMap({ everything(of: $0, place) }) {
            tasks[index].definition.toleratedFailures = percent
        }
    }

    /// Bounds how many instances of tasks there are at a time.
    func limit(_ anchors: [TaskAnchor], atMost slots: Int, perRun: Bool, key: String?, _ place: DeclarationPlace) {
        let indexes = anchors.flatMap { anchor in
            // Of a whole group those that run code.
            let all = everything(of: anchor, place)
            return all.count == 1
                ? all : all.filter { if case .code = tasks[$0].definition.kind { true } else { false } }
        }
        guard let first = indexes.first else { return }
        let name = key.map { "key:\($0)" } ?? "task:\(Self.dagIDMark).\(tasks[first].definition.taskID)"
        let limit = ConcurrencyLimit(name: perRun ? name + "@{{ run_id }}" : name, slots: slots)
        if let problem = limit.problem { problems.append(place.problem(problem)) }
        for index in indexes {
            let id = tasks[index].definition.taskID
            guard case .code = tasks[index].definition.kind else {
                problems.append(
                    place.problem("'\(id)' takes no worker: a limit bounds tasks that run code, not what waits"))
                continue
            }
            if let key {
                let isMapped = isMapped(index)
                let found = TemplateCheck.problems(in: key, isMapped: isMapped) + TemplateCheck.fixedProblems(in: key)
                for problem in found {
                    problems.append(place.problem("the limit of '\(id)': \(problem)"))
                }
            }
            tasks[index].definition.limits.append(limit)
        }
    }

    /// Stands for the DAG's id, which the draft does not know.
    static let dagIDMark = "\u{1}"

    /// The id of a task or a group in a group.
    static func fullID(_ id: String, in group: String) -> String { group.isEmpty ? id : "\(group).\(id)" }

    /// Of some tasks those that come after none of them.
    func roots(of members: Range<Int>) -> [Int] {
        members.filter { tasks[$0].callback == nil && !tasks[$0].upstream.contains(where: members.contains) }
    }

    /// Of some tasks, teardowns and callbacks left out, those that none of them comes after.
    func leaves(of members: Range<Int>) -> [TaskAnchor] {
        let counted = members.filter { tasks[$0].setups.isEmpty && tasks[$0].callback == nil }
        let inner = Set(counted.flatMap { tasks[$0].upstream })
        return counted.filter { !inner.contains($0) }
            .map { TaskAnchor(taskID: tasks[$0].definition.taskID, index: $0, owner: token) }
    }

    /// Has the tasks of a group that come after none of it come after others.
    func join(_ earlier: [TaskAnchor], toRootsOf members: Range<Int>, _ place: DeclarationPlace) {
        let roots = roots(of: members)
        for anchor in earlier { for root in roots { join(anchor, to: root, place) } }
    }

    func resolve(_ anchor: TaskAnchor, for id: String?, _ place: DeclarationPlace) -> Int? {
        if anchor.owner === token { return anchor.index }
        let subject = id.map { "task '\($0)' comes after" } ?? "the order names"
        problems.append(
            place.problem("\(subject) '\(anchor.taskID)', a task of another DAG; an edge joins tasks of one DAG only"))
        return nil
    }
}
