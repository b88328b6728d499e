// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task that runs once for each element of another's output, each instance with its own state, log and
    /// retries, told apart by `context.mapIndex`.
    ///
    /// - Parameters:
    ///   - over: The task whose output, an array, is mapped over.
    ///   - run: The code for one element. The other parameters are those of `task`.
    /// - Returns: A reference to all instances: as an input it is the array of their outputs, in the order of elements.
    @discardableResult
    public func map<Element: Codable & Sendable, Output: Codable & Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        hasOnKill: Bool = false,
        file: String = #fileID, line: Int = #line, onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, Element) async throws -> Output
    ) -> TaskReference<[Output]> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let reader = ElementReader(elements, task: id)
        return declareCode(
            id, "closure", mappedOver: elements.anchors.first, after: after, options: options, hasOnKill: hasOnKill,
            onKill: onKill, place: DeclarationPlace(file, line)
        ) { context, _, text in
            return try await JSONText.encode(run(context, reader.element(Element.self, from: text)))
        }
    }

    /// Declares a mapped task whose closure gives nothing; see the other `map` for the parameters.
    @discardableResult
    public func map<Element: Codable & Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, after: any AnyTaskReference..., retries: Int? = nil,
        retryDelay: Duration? = nil,
        retryExponentialBackoff: Bool? = nil, maxRetryDelay: Duration? = nil, executionTimeout: Duration? = nil,
        taskTimeout: Duration? = nil, queuedTimeout: Duration? = nil, killTimeout: Duration? = nil, pool: String? = nil,
        poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, isolation: TaskIsolation? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil,
        hasOnKill: Bool = false,
        file: String = #fileID, line: Int = #line, onKill: KillAction? = nil,
        run: @escaping @Sendable (TaskContext, Element) async throws -> Void
    ) -> TaskReference<Void> {
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, executionTimeout: executionTimeout, taskTimeout: taskTimeout,
            queuedTimeout: queuedTimeout, killTimeout: killTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, isolation: isolation,
            outlets: outlets,
            triggerRule: triggerRule)
        let reader = ElementReader(elements, task: id)
        return declareCode(
            id, "closure", mappedOver: elements.anchors.first, after: after, options: options, hasOnKill: hasOnKill,
            onKill: onKill, place: DeclarationPlace(file, line)
        ) { context, _, text in
            try await run(context, reader.element(Element.self, from: text))
            return JSONText.null
        }
    }
}
