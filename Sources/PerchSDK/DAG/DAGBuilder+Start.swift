// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task whose first act is a wait, and then a closure: it goes from the scheduler to the triggerer, and takes a
    /// worker only when what it waits for has come.
    ///
    /// - Parameters:
    ///   - inputs: Tasks whose outputs the closure receives, typed, after the event.
    ///   - startFrom: What is waited for before the code runs, in every try anew. Its strings may hold templates.
    ///   - startTimeout: How long that wait may take; then the try fails with `WaitTimeout`. Nil: as long as the task may.
    ///   - run: The code. The other parameters are those of the other `task`.
    @discardableResult
    public func task<T: Trigger, each Input: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, _ inputs: repeat TaskReference<each Input>, startFrom trigger: T, startTimeout: Duration? = nil,
        after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil,
        executionTimeout: Duration? = nil, taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil,
        killTimeout: Duration? = nil,
        pool: String? = nil, poolSlots: Int? = nil, priority: Int? = nil, queue: String? = nil,
        isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil, hasOnKill: Bool = false, file: String = #fileID, line: Int = #line,
        onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, T.Event, repeat each Input) async throws -> Output
    ) -> TaskReference<Output> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        var collected = TaskInputs()
        for input in repeat each inputs { collected.add(input) }
        let declared = collected
        return declareCode(
            id, "closure", inputs: declared.anchors, after: after, options: options,
            start: start(id, trigger, startTimeout, isMapped: false, place), hasOnKill: hasOnKill, onKill: onKill,
            place: place
        ) { context, texts, element in
            let event = try await context.wait(for: trigger, timeout: startTimeout, as: StartDefinition.name)
            var reader = InputReader(declared, texts: texts, element: element, task: id)
            return try await JSONText.encode(run(context, event, repeat reader.next((each Input).self)))
        }
    }

    /// Declares a task whose first act is a wait, with a closure that gives nothing; see the other `task` for the parameters.
    @discardableResult
    public func task<T: Trigger, each Input: Codable & Sendable>(
        _ id: String, _ inputs: repeat TaskReference<each Input>, startFrom trigger: T, startTimeout: Duration? = nil,
        after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil,
        executionTimeout: Duration? = nil, taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil,
        killTimeout: Duration? = nil,
        pool: String? = nil, poolSlots: Int? = nil, priority: Int? = nil, queue: String? = nil,
        isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil, hasOnKill: Bool = false, file: String = #fileID, line: Int = #line,
        onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, T.Event, repeat each Input) async throws -> Void
    ) -> TaskReference<Void> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        var collected = TaskInputs()
        for input in repeat each inputs { collected.add(input) }
        let declared = collected
        return declareCode(
            id, "closure", inputs: declared.anchors, after: after, options: options,
            start: start(id, trigger, startTimeout, isMapped: false, place), hasOnKill: hasOnKill, onKill: onKill,
            place: place
        ) { context, texts, element in
            let event = try await context.wait(for: trigger, timeout: startTimeout, as: StartDefinition.name)
            var reader = InputReader(declared, texts: texts, element: element, task: id)
            try await run(context, event, repeat reader.next((each Input).self))
            return JSONText.null
        }
    }

    /// Declares a mapped task whose instances begin with a wait each, and then run a closure with the event and the element.
    /// Its templates have the instance's `element`. The parameters are those of `map`, and those of `task` with `startFrom`.
    @discardableResult
    public func map<T: Trigger, Element: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, startFrom trigger: T, startTimeout: Duration? = nil,
        after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil,
        executionTimeout: Duration? = nil, taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil,
        killTimeout: Duration? = nil,
        pool: String? = nil, poolSlots: Int? = nil, priority: Int? = nil, queue: String? = nil,
        isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil, hasOnKill: Bool = false, file: String = #fileID, line: Int = #line,
        onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, T.Event, Element) async throws -> Output
    ) -> TaskReference<[Output]> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        let reader = ElementReader(elements, task: id)
        return declareCode(
            id, "closure", mappedOver: elements.anchors.first, after: after, options: options,
            start: start(id, trigger, startTimeout, isMapped: true, place), hasOnKill: hasOnKill, onKill: onKill,
            place: place
        ) { context, _, text in
            let event = try await context.wait(for: trigger, timeout: startTimeout, as: StartDefinition.name)
            return try await JSONText.encode(run(context, event, reader.element(Element.self, from: text)))
        }
    }

    /// Declares a mapped task whose instances begin with a wait each, with a closure that gives nothing.
    @discardableResult
    public func map<T: Trigger, Element: Codable & Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, startFrom trigger: T, startTimeout: Duration? = nil,
        after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil,
        executionTimeout: Duration? = nil, taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil,
        killTimeout: Duration? = nil,
        pool: String? = nil, poolSlots: Int? = nil, priority: Int? = nil, queue: String? = nil,
        isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil, hasOnKill: Bool = false, file: String = #fileID, line: Int = #line,
        onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, T.Event, Element) async throws -> Void
    ) -> TaskReference<Void> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let place = DeclarationPlace(file, line)
        let reader = ElementReader(elements, task: id)
        return declareCode(
            id, "closure", mappedOver: elements.anchors.first, after: after, options: options,
            start: start(id, trigger, startTimeout, isMapped: true, place), hasOnKill: hasOnKill, onKill: onKill,
            place: place
        ) { context, _, text in
            let event = try await context.wait(for: trigger, timeout: startTimeout, as: StartDefinition.name)
            try await run(context, event, reader.element(Element.self, from: text))
            return JSONText.null
        }
    }

    func start(
        _ id: String, _ trigger: some Trigger, _ timeout: Duration?, isMapped: Bool, _ place: DeclarationPlace
    ) -> StartDefinition {
        if let timeout, timeout <= .zero {
            draft.problems.append(place.problem("task '\(id)': startTimeout is \(timeout); it is a duration above 0"))
        }
        let spec = spec(of: trigger, for: "task '\(id)'", id, isMapped: isMapped, place)
        return StartDefinition(trigger: spec, timeout: timeout.map { TimeSpan($0) })
    }
}
