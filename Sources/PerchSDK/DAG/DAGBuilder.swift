// SPDX-License-Identifier: Apache-2.0

/// Declares the tasks of a DAG inside the closure that is given to `DAG`, and nowhere else: it cannot be copied out of
/// it.
///
/// It is plain Swift: loops, conditions and functions that take a `borrowing DAGBuilder` work.
public struct DAGBuilder: ~Copyable {
    /// What runs when a task is cancelled.
    public typealias KillAction = @Sendable (TaskContext) async throws -> Void

    let draft: DAGDraft

    init(draft: DAGDraft) {
        self.draft = draft
    }

    /// Declares a sensor: a task that is nothing but a wait. It never touches a worker.
    ///
    /// - Parameters:
    ///   - id: Letters, digits, `_`, `.` and `-`; at most 250 of them; unique in the DAG.
    ///   - trigger: What is waited for. Its strings may hold templates; they are rendered when the wait is registered.
    ///   - after: The tasks that it comes after.
    ///   - timeout: How long the wait may take: 7 days.
    ///   - softFail: Whether a timeout skips the sensor instead of failing it.
    ///   - retries: How many times a sensor that timed out waits again.
    /// - Returns: A reference whose output is the event that ended the wait.
    @discardableResult
    public func sensor<T: Trigger>(
        _ id: String, _ trigger: T, after: any AnyTaskReference..., timeout: Duration = .days(7),
        softFail: Bool = false,
        retries: Int? = nil, retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil,
        maxRetryDelay: Duration? = nil, taskTimeout: Duration? = nil, pool: String? = nil, poolSlots: Int? = nil,
        priority: Int? = nil, triggerRule: TriggerRule? = nil, file: String = #fileID, line: Int = #line
    ) -> TaskReference<T.Event> {
        let place = DeclarationPlace(file, line)
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, taskTimeout: taskTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, triggerRule: triggerRule)
        for problem in trigger.everyProblem { draft.problems.append(place.problem("sensor '\(id)': \(problem)")) }
        if timeout <= .zero {
            draft.problems.append(place.problem("sensor '\(id)': timeout is \(timeout); it is a duration above 0"))
        }
        if let hosted = type(of: trigger.watched) as? any AsyncTrigger.Type { draft.asyncTriggers.append(hosted) }
        var spec = TriggerSpec(kind: T.kind, target: "")
        do {
            spec = try TriggerSpec(trigger)
            for text in spec.strings { check(template: text, of: id, place) }
        } catch {
            draft.problems.append(place.problem("sensor '\(id)': \(error)"))
        }
        let definition = SensorDefinition(trigger: spec, timeout: TimeSpan(timeout), softFail: softFail)
        let anchor = draft.declare(id, .sensor(definition), after: after, options: options, place: place)
        var reference = TaskReference<T.Event>(anchor)
        reference.reading = { text in try trigger.event(stored: JSONValue(parsingEnvelope: text)) }
        return reference
    }

    /// Declares that `before` ends before `after` starts, for tasks that stand already.
    public func order(
        _ earlier: any AnyTaskReference, before later: any AnyTaskReference, file: String = #fileID, line: Int = #line
    ) {
        draft.order(earlier.anchors, later.anchors, place: DeclarationPlace(file, line))
    }

    func declareCode<Output>(
        _ id: String, _ operatorName: String, inputs: [TaskAnchor] = [], mappedOver: TaskAnchor? = nil,
        after: [any AnyTaskReference], options: TaskOptions, hasOnKill: Bool, onKill: KillAction? = nil,
        place: DeclarationPlace, run: @escaping DAGDraft.Run
    ) -> TaskReference<Output> {
        var body = run
        if let onKill {
            body = { context, inputs, element in
                context.onKill { try await onKill(context) }
                return try await run(context, inputs, element)
            }
        }
        let anchor = draft.declare(
            id, .code(operatorName: operatorName), inputs: inputs, mappedOver: mappedOver, after: after,
            options: options, hasOnKill: hasOnKill || onKill != nil, place: place, run: body)
        return TaskReference(anchor)
    }

    /// Reports what is wrong with a template, in syntax or names.
    func check(template: String, of id: String, _ place: DeclarationPlace) {
        for problem in TemplateCheck.problems(in: template) {
            draft.problems.append(place.problem("task '\(id)': \(problem)"))
        }
    }
}
