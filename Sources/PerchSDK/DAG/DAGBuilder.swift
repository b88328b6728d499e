// SPDX-License-Identifier: Apache-2.0

/// Declares the tasks of a DAG inside the closure that is given to `DAG`, and nowhere else: it cannot be copied out of
/// it.
///
/// It is plain Swift: loops, conditions and functions that take a `borrowing DAGBuilder` work.
public struct DAGBuilder: ~Copyable {
    /// What runs when a task is cancelled.
    public typealias KillAction = @Sendable (TaskContext) async throws -> Void

    let draft: DAGDraft
    /// The task group whose tasks are declared.
    let group: GroupPlace

    init(draft: DAGDraft, group: GroupPlace = GroupPlace()) {
        self.draft = draft
        self.group = group
    }

    /// Declares that `before` ends before `after` starts, for tasks that stand already.
    public func order(
        _ earlier: any AnyTaskReference, before later: any AnyTaskReference, file: String = #fileID, line: Int = #line
    ) {
        draft.order(earlier.anchors, later.anchors, place: DeclarationPlace(file, line))
    }

    func declareCode<Output>(
        _ id: String, _ operatorName: String, inputs: [TaskAnchor] = [], mappedOver: TaskAnchor? = nil,
        after: [any AnyTaskReference], options: TaskOptions, start: StartDefinition? = nil, hasOnKill: Bool,
        onKill: KillAction? = nil, fields: [TemplateField] = [], place: DeclarationPlace, run: @escaping DAGDraft.Run
    ) -> TaskReference<Output> {
        var body = run
        if let onKill {
            body = { context, inputs, element in
                context.onKill { try await onKill(context) }
                return try await run(context, inputs, element)
            }
        }
        let anchor = draft.declare(
            id, .code(operatorName: operatorName), in: group, inputs: inputs, mappedOver: mappedOver, after: after,
            options: options, start: start, hasOnKill: hasOnKill || onKill != nil, fields: fields, place: place,
            run: body)
        return TaskReference(anchor)
    }

    /// Reports what is wrong with a template, in syntax or names.
    func check(template: String, of id: String, isMapped: Bool = false, _ place: DeclarationPlace) {
        for problem in TemplateCheck.problems(in: template, isMapped: isMapped || group.mapping != nil) {
            draft.problems.append(place.problem("task '\(id)': \(problem)"))
        }
    }

    /// Reports what is wrong with a template whose text is stored and shown: of what is waited for.
    func checkStored(template: String, of id: String, isMapped: Bool = false, _ place: DeclarationPlace) {
        check(template: template, of: id, isMapped: isMapped, place)
        for problem in TemplateCheck.storedProblems(in: template) {
            draft.problems.append(place.problem("task '\(id)': \(problem)"))
        }
    }
}
