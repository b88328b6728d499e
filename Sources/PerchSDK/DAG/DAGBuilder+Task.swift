// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task whose code is a closure.
    ///
    /// - Parameters:
    ///   - id: Letters, digits, `_`, `.` and `-`; at most 250 of them; unique in the DAG.
    ///   - inputs: Tasks whose outputs the closure receives, typed. The task comes after them.
    ///   - after: Further tasks that it comes after.
    ///   - outlets: The assets that the task updates when it succeeds; `.asset(…)` waits for that.
    ///   - hasOnKill: Whether `run` registers clean-up with `context.onKill` that has to run even where the task is
    ///     cancelled while it waits.
    ///   - onKill: Clean-up for a cancelled task, in place of `context.onKill` in `run`. Steps in it answer from the
    ///     journal. It sets `hasOnKill`.
    ///   - run: The code. It runs again from the top after every wait: steps and waits answer from the journal then.
    /// - Returns: A reference by which others take the output as an input, or come `after:` it.
    @discardableResult
    public func task<each Input: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, _ inputs: repeat TaskReference<each Input>, after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        hasOnKill: Bool = false,
        file: String = #fileID, line: Int = #line, onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, repeat each Input) async throws -> Output
    ) -> TaskReference<Output> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        var collected = TaskInputs()
        for input in repeat each inputs { collected.add(input) }
        let declared = collected
        return declareCode(
            id, "closure", inputs: declared.anchors, after: after, options: options, hasOnKill: hasOnKill,
            onKill: onKill, place: DeclarationPlace(file, line)
        ) { context, texts, element in
            var reader = InputReader(declared, texts: texts, element: element, task: id)
            return try await JSONText.encode(run(context, repeat reader.next((each Input).self)))
        }
    }

    /// Declares a task whose code is a closure that gives nothing; see the other `task` for the parameters.
    @discardableResult
    public func task<each Input: Codable & Sendable>(
        _ id: String, _ inputs: repeat TaskReference<each Input>, after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        hasOnKill: Bool = false,
        file: String = #fileID, line: Int = #line, onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, repeat each Input) async throws -> Void
    ) -> TaskReference<Void> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        var collected = TaskInputs()
        for input in repeat each inputs { collected.add(input) }
        let declared = collected
        return declareCode(
            id, "closure", inputs: declared.anchors, after: after, options: options, hasOnKill: hasOnKill,
            onKill: onKill, place: DeclarationPlace(file, line)
        ) { context, texts, element in
            var reader = InputReader(declared, texts: texts, element: element, task: id)
            try await run(context, repeat reader.next((each Input).self))
            return JSONText.null
        }
    }
}
