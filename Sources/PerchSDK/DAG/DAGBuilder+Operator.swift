// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task whose code is an operator: `dag.add("tell", .bash("…"), after: sizes, triggerRule: .allDone)`.
    ///
    /// The parameters are those of `task`; `onKill` and `hasOnKill` come from the operator's type.
    @discardableResult
    public func add<O: Operator>(
        _ id: String, _ code: O, after: any AnyTaskReference..., retries: Int? = nil, retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<O.Output> where O.Output: Codable {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        check(code, of: id, place)
        return declareCode(
            id, O.operatorName, after: after, options: options, hasOnKill: O.hasOnKill,
            fields: code.templateFields, place: place
        ) { context, _, _ in
            try await JSONText.encode(code.execute(context))
        }
    }

    /// Declares a task whose code is an operator that gives nothing.
    @discardableResult
    public func add<O: Operator>(
        _ id: String, _ code: O, after: any AnyTaskReference..., retries: Int? = nil, retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<Void> where O.Output == Void {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        check(code, of: id, place)
        return declareCode(
            id, O.operatorName, after: after, options: options, hasOnKill: O.hasOnKill,
            fields: code.templateFields, place: place
        ) { context, _, _ in
            try await code.execute(context)
            return JSONText.null
        }
    }

    func check(_ code: some Operator, of id: String, isMapped: Bool = false, _ place: DeclarationPlace) {
        for problem in code.problems { draft.problems.append(place.problem("task '\(id)': \(problem)")) }
        for template in code.templates { check(template: template, of: id, isMapped: isMapped, place) }
    }
}
