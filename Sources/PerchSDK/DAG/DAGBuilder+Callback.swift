// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Has code run when something happens to tasks, or, where none are named, to the run.
    ///
    /// ```swift
    /// dag.on(.failure) { context, cause in try await page("\(cause.runID) failed") }
    /// dag.on(.retry, .failure, of: load) { context, cause in context.log.warning("\(cause.message ?? "")") }
    /// dag.on(.deadline(.hours(2))) { context, cause in … }     // the run has not ended two hours after its creation
    /// ```
    ///
    /// It runs as a task does, in the bundle process, with a log, retries and waits of its own: `tasks list` shows each
    /// call. It is called at least once for each thing that happens, also where the engine dies in between, in no order.
    /// It is no step of the DAG: nothing comes after it, and its failure fails nothing.
    ///
    /// - Parameters:
    ///   - points: What calls it.
    ///   - tasks: The tasks to which that happens; none: the run.
    ///   - id: Its id among the DAG's tasks; nil: made of what calls it, `on_failure_of_load`.
    ///   - retries: How many times a failed call is tried again, half a minute apart.
    ///   - executionTimeout: How long its code may run.
    public func on(
        _ points: CallbackPoint..., of tasks: any AnyTaskReference..., id: String? = nil, retries: Int = 2,
        executionTimeout: Duration = .minutes(10), file: String = #fileID, line: Int = #line,
        run: @escaping @Sendable (_ context: TaskContext, _ cause: CallbackCause) async throws -> Void
    ) {
        let place = DeclarationPlace(file, line)
        let id = declared(points, tasks, id)
        let options = Self.options(retries, executionTimeout)
        draft.callback(
            id, "closure", in: group, on: points, of: tasks.flatMap(\.anchors), options: options, place: place
        ) { context, _, cause in
            try await run(context, JSONText.decode(CallbackCause.self, from: cause ?? "null"))
            return JSONText.null
        }
    }

    /// Has an operator run when something happens to tasks or to the run: a notifier. Its templates know what has happened
    /// as `element`: `.bash("notify '{{ element.task_id }}: {{ element.message }}'")`. See the other `on`.
    public func on<O: Operator>(
        _ points: CallbackPoint..., of tasks: any AnyTaskReference..., id: String? = nil, retries: Int = 2,
        executionTimeout: Duration = .minutes(10), file: String = #fileID, line: Int = #line, do code: O
    ) {
        callBack(
            declared(points, tasks, id), code, in: group, on: points, of: tasks.flatMap(\.anchors),
            options: Self.options(retries, executionTimeout), DeclarationPlace(file, line))
    }

    private func callBack<O: Operator>(
        _ id: String, _ code: O, in group: GroupPlace, on points: [CallbackPoint], of tasks: [TaskAnchor],
        options: TaskOptions, _ place: DeclarationPlace
    ) {
        for problem in code.problems { draft.problems.append(place.problem("callback '\(id)': \(problem)")) }
        for template in code.templates {
            for problem in TemplateCheck.problems(in: template, isMapped: true) {
                draft.problems.append(place.problem("callback '\(id)': \(problem)"))
            }
        }
        draft.callback(
            id, O.operatorName, in: group, on: points, of: tasks, options: options, hasOnKill: O.hasOnKill,
            fields: code.templateFields, place: place
        ) { context, _, _ in
            _ = try await code.execute(context)
            return JSONText.null
        }
    }

    /// Has an operator run when something happens to a task, or, where none is given, to the run: of a document.
    ///
    /// - Parameters:
    ///   - id: Its id in the group.
    ///   - group: The group that it stands in, with those around it; empty: none.
    package func callBack(
        _ id: String, _ code: any Operator, in group: String, on points: [CallbackPoint], of task: TaskAnchor?,
        _ place: DeclarationPlace
    ) {
        callBack(
            id, code, in: GroupPlace(name: group), on: points, of: [task].compactMap(\.self),
            options: Self.options(2, .minutes(10)), place)
    }

    private func declared(_ points: [CallbackPoint], _ tasks: [any AnyTaskReference], _ id: String?) -> String {
        if let id { return id }
        let names = points.map(\.name).joined(separator: "_or_")
        let subjects = tasks.flatMap(\.anchors).map { $0.taskID.split(separator: ".").last.map(String.init) ?? "" }
        return subjects.isEmpty ? "on_\(names)" : "on_\(names)_of_\(subjects.joined(separator: "_"))"
    }

    /// A call does not wait for its turn among the work that it tells of.
    private static func options(_ retries: Int, _ executionTimeout: Duration) -> TaskOptions {
        TaskOptions(
            retries: retries, retryDelay: .seconds(30), retryExponentialBackoff: false,
            executionTimeout: executionTimeout, pool: "default_pool", poolSlots: 1, priority: 1_000_000, outlets: [],
            triggerRule: .allSuccess)
    }
}
