// SPDX-License-Identifier: Apache-2.0

/// A task as a document declares it, instead of Swift code: its types are known only when the document is read.
package struct DocumentTask {
    /// What it does.
    package enum Work {
        case code(any Operator)
        case sensor(any Trigger, timeout: Duration, softFail: Bool)
        case run(DocumentRun, timeout: Duration, softFail: Bool)
        /// Makes what others are mapped over, of the outputs that it is given later.
        case elements(DocumentElements)
        case empty
        case latestOnly
    }

    /// A wait before the code.
    package struct Start {
        var trigger: any Trigger
        var timeout: Duration?

        package init(_ trigger: any Trigger, timeout: Duration?) {
            self.trigger = trigger
            self.timeout = timeout
        }
    }

    /// Without the groups around it.
    package var id: String
    /// The group, with those around it; empty: none.
    package var group: String
    /// The mapped group among those, by its number.
    package var mapping: Int?
    package var work: Work
    /// What is waited for before the code runs.
    package var start: Start?
    package var options: TaskOptions
    /// Whether it will be mapped over another one, so that its templates have an `element`.
    package var isMapped: Bool
    package var place: DeclarationPlace

    /// A task with its work alone.
    package init(id: String, group: String, work: Work, options: TaskOptions, place: DeclarationPlace) {
        self.id = id
        self.group = group
        self.work = work
        self.options = options
        self.place = place
        isMapped = false
    }
}

extension DAGBuilder {
    /// Declares a task; what it comes after is joined to it later, when all tasks stand.
    package func declare(_ task: DocumentTask) -> TaskAnchor {
        let kind: TaskDefinition.Kind
        switch task.work {
        case .code(let code): return declare(task, code)
        case .elements(let elements): return declare(task, elements)
        case .run(let run, let timeout, let softFail):
            kind = .sensor(
                startingSensor(run.aim, run.params, timeout, softFail, of: task.id, isMapped: task.isMapped, task.place)
            )
        case .sensor(let trigger, let timeout, let softFail):
            kind = .sensor(
                sensor(task.id, trigger, timeout, softFail, isMapped: task.isMapped, task.place))
        case .empty: kind = .empty
        case .latestOnly: kind = .latestOnly
        }
        return draft.declare(
            task.id, kind, in: GroupPlace(name: task.group, mapping: task.mapping), after: [], options: task.options,
            place: task.place)
    }

    private func declare<O: Operator>(_ task: DocumentTask, _ code: O) -> TaskAnchor {
        check(code, of: task.id, isMapped: task.isMapped, task.place)
        var start: StartDefinition?
        if let first = task.start {
            start = self.start(task.id, first.trigger, first.timeout, isMapped: task.isMapped, task.place)
        }
        let first = task.start
        return draft.declare(
            task.id, .code(operatorName: O.operatorName),
            in: GroupPlace(name: task.group, mapping: task.mapping), after: [], options: task.options, start: start,
            hasOnKill: O.hasOnKill, fields: code.templateFields, place: task.place
        ) { context, _, _ in
            if let first { try await Self.wait(for: first.trigger, timeout: first.timeout, in: context) }
            let output = try await code.execute(context)
            guard let value = output as? any Encodable else { return JSONText.null }
            return try JSONText.encode(value)
        }
    }

    private func declare(_ task: DocumentTask, _ elements: DocumentElements) -> TaskAnchor {
        draft.declare(
            task.id, .code(operatorName: "closure"), in: GroupPlace(name: task.group, mapping: task.mapping), after: [],
            options: task.options, place: task.place
        ) { _, outputs, _ in try elements.text(of: outputs) }
    }

    /// Has a task take the outputs of others, in order.
    package func give(_ earlier: [TaskAnchor], to task: TaskAnchor, _ place: DeclarationPlace) {
        draft.give(earlier, to: task, place)
    }

    private static func wait(for trigger: some Trigger, timeout: Duration?, in context: TaskContext) async throws {
        _ = try await context.wait(for: trigger, timeout: timeout, as: StartDefinition.name)
    }

    /// Has one task come after another, where outputs are given after these alone.
    package func join(
        _ earlier: TaskAnchor, giving outputs: [String]? = nil, to later: TaskAnchor, _ place: DeclarationPlace
    ) {
        var edge = earlier
        edge.outputs = outputs
        // Whatever comes after it comes after its yes.
        if outputs == nil, draft.isLatestOnly(earlier) { edge.outputs = ["true"] }
        draft.order([edge], [later], place: place)
    }

    /// Maps one task over the output of another.
    package func map(_ task: TaskAnchor, over earlier: TaskAnchor, _ place: DeclarationPlace) {
        draft.map(task, over: earlier, place)
    }

    /// Declares that there is a mapped group, and gives its number; over what is said later, when all tasks stand.
    package func declareMappedGroup(_ name: String) -> Int { draft.declareMapping(name, over: nil) }

    /// Maps a group over the output of a task.
    package func map(group mapping: Int, over earlier: TaskAnchor, _ place: DeclarationPlace) {
        draft.map(group: mapping, over: earlier, place)
    }

    /// Has everything after a task depend on whether it gives true.
    package func shortCircuit(_ task: TaskAnchor, _ place: DeclarationPlace) {
        draft.shortCircuit([task], place: place)
    }

    /// Makes one task the teardown of others.
    package func teardown(_ task: TaskAnchor, of setups: [TaskAnchor], failsRun: Bool, _ place: DeclarationPlace) {
        draft.teardown([task], of: setups, failsRun: failsRun, place)
    }

    /// Lets some instances of a mapped task fail.
    package func tolerate(_ task: TaskAnchor, _ percent: Int, _ place: DeclarationPlace) {
        draft.tolerate([task], percent, place)
    }

    /// Bounds how many instances of a task there are at a time.
    package func limit(
        _ task: TaskAnchor, atMost slots: Int, perRun: Bool, key: String?, _ place: DeclarationPlace
    ) {
        draft.limit([task], atMost: slots, perRun: perRun, key: key, place)
    }
}
