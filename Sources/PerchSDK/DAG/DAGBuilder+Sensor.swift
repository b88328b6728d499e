// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a sensor: a task that is nothing but a wait. It never touches a worker.
    ///
    /// - Parameters:
    ///   - id: Letters, digits, `_`, `.` and `-`; at most 250 of them; unique in the DAG.
    ///   - trigger: What is waited for. Its strings may hold templates; they are rendered when the wait is registered.
    ///   - after: The tasks that it comes after.
    ///   - timeout: How long the wait may take: 7 days.
    ///   - softFail: Whether a timeout skips the sensor instead of failing it.
    ///   - retries: How many times a sensor that timed out waits again.
    ///   - queue: The queue of the triggerers that watch it: `default`.
    /// - Returns: A reference whose output is the event that ended the wait.
    @discardableResult
    public func sensor<T: Trigger>(
        _ id: String, _ trigger: T, after: any AnyTaskReference..., timeout: Duration = .days(7),
        softFail: Bool = false, retries: Int? = nil, retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil,
        maxRetryDelay: Duration? = nil, taskTimeout: Duration? = nil, pool: String? = nil, poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, outlets: [Asset]? = nil, triggerRule: TriggerRule? = nil,
        file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<T.Event> {
        let place = DeclarationPlace(file, line)
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, taskTimeout: taskTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, outlets: outlets, triggerRule: triggerRule)
        let definition = sensor(id, trigger, timeout, softFail, isMapped: false, place)
        let anchor = draft.declare(
            id, .sensor(definition), in: group, after: after, options: options, place: place)
        return TaskReference(anchor, reading: .whole { try trigger.event(stored: $0) })
    }

    /// Declares a sensor that waits once for each element of another task's output, each instance with its own state and
    /// retries. None of them touches a worker.
    ///
    /// - Parameters:
    ///   - trigger: What an instance waits for. Its templates have the instance's `element`: `.file("{{ element.path }}")`.
    ///   - over: The task whose output, an array, is mapped over. The other parameters are those of the other `sensor`.
    /// - Returns: A reference to all instances: as an input it is the array of their events, in the order of elements.
    @discardableResult
    public func sensor<T: Trigger, Element: Codable & Sendable>(
        _ id: String, _ trigger: T, over elements: TaskReference<[Element]>, after: any AnyTaskReference...,
        timeout: Duration = .days(7),
        softFail: Bool = false, retries: Int? = nil, retryDelay: Duration? = nil, retryExponentialBackoff: Bool? = nil,
        maxRetryDelay: Duration? = nil, taskTimeout: Duration? = nil, pool: String? = nil, poolSlots: Int? = nil,
        priority: Int? = nil, queue: String? = nil, outlets: [Asset]? = nil, triggerRule: TriggerRule? = nil,
        file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<[T.Event]> {
        let place = DeclarationPlace(file, line)
        let options = TaskOptions(
            retries: retries, retryDelay: retryDelay, retryExponentialBackoff: retryExponentialBackoff,
            maxRetryDelay: maxRetryDelay, taskTimeout: taskTimeout, pool: pool, poolSlots: poolSlots,
            priority: priority, queue: queue, outlets: outlets, triggerRule: triggerRule)
        let definition = sensor(id, trigger, timeout, softFail, isMapped: true, place)
        let anchor = draft.declare(
            id, .sensor(definition), in: group, mappedOver: elements.anchors.first, after: after, options: options,
            place: place)
        return TaskReference(anchor, reading: .each { try trigger.event(stored: $0) })
    }

    func sensor(
        _ id: String, _ trigger: some Trigger, _ timeout: Duration, _ softFail: Bool, isMapped: Bool,
        _ place: DeclarationPlace
    ) -> SensorDefinition {
        if timeout <= .zero {
            draft.problems.append(place.problem("sensor '\(id)': timeout is \(timeout); it is a duration above 0"))
        }
        let spec = spec(of: trigger, for: "sensor '\(id)'", id, isMapped: isMapped, place)
        return SensorDefinition(trigger: spec, timeout: TimeSpan(timeout), softFail: softFail)
    }

    /// A trigger as data; what is wrong with it is reported.
    func spec<T: Trigger>(
        of trigger: T, for subject: String, _ id: String, isMapped: Bool, _ place: DeclarationPlace
    ) -> TriggerSpec {
        for problem in trigger.everyProblem { draft.problems.append(place.problem("\(subject): \(problem)")) }
        if let hosted = type(of: trigger.watched) as? any AsyncTrigger.Type { draft.asyncTriggers.append(hosted) }
        do {
            let spec = try TriggerSpec(trigger)
            for text in spec.strings { checkStored(template: text, of: id, isMapped: isMapped, place) }
            return spec
        } catch {
            draft.problems.append(place.problem("\(subject): \(error)"))
            return TriggerSpec(kind: T.kind, target: "")
        }
    }
}
