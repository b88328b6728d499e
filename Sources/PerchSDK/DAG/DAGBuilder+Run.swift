// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task that starts a run of another DAG and waits for its end. It never touches a worker.
    ///
    /// The run is started in the transaction that registers the wait: once for each try. It fails where the other run does,
    /// and with `retries:` starts another one then. Cancelling this task does not cancel the run that it has started.
    ///
    /// - Parameters:
    ///   - dagID: The other DAG; may be a template.
    ///   - params: What its run is given; strings may hold templates.
    ///   - timeout: How long the wait for its end may take: 7 days.
    /// - Returns: A reference whose output says how it ended.
    @discardableResult
    public func run(
        _ id: String, of dagID: String, params: [String: JSONValue] = [:], after: any AnyTaskReference...,
        timeout: Duration = .days(7), softFail: Bool = false, retries: Int? = nil, retryDelay: Duration? = nil,
        outlets: [Asset]? = nil, triggerRule: TriggerRule? = nil, file: String = #fileID, line: Int = #line
    ) -> TaskReference<RunEvent> {
        let anchor = declareRun(
            id, RunAim(dagID: dagID, selection: Self.startedRun), params, after, timeout, softFail,
            TaskOptions(retries: retries, retryDelay: retryDelay, outlets: outlets, triggerRule: triggerRule),
            DeclarationPlace(file, line))
        return TaskReference(anchor)
    }

    /// Declares a task that starts a run of another DAG and gives the output of one of its tasks, as soon as that has
    /// succeeded. See the other `run`.
    ///
    /// - Parameter task: The task of the other DAG whose output is wanted.
    public func run<Result: Codable & Sendable>(
        _ id: String, of dagID: String, outputOf task: String, as type: Result.Type = Result.self,
        params: [String: JSONValue] = [:], after: any AnyTaskReference..., timeout: Duration = .days(7),
        softFail: Bool = false, retries: Int? = nil, retryDelay: Duration? = nil, outlets: [Asset]? = nil,
        triggerRule: TriggerRule? = nil, file: String = #fileID, line: Int = #line
    ) -> TaskReference<Result> {
        var aim = RunAim(dagID: dagID, taskID: task, selection: Self.startedRun)
        aim.givesOutput = true
        let anchor = declareRun(
            id, aim, params, after, timeout, softFail,
            TaskOptions(retries: retries, retryDelay: retryDelay, outlets: outlets, triggerRule: triggerRule),
            DeclarationPlace(file, line))
        return TaskReference(
            anchor,
            reading: .whole { stored in
                let event = try stored.decode(RunEvent.self)
                return try (event.output ?? .null).decode(Result.self)
            })
    }

    /// A name that no other task and no other try has.
    static var startedRun: RunSelection {
        .id("started__{{ dag.dag_id }}__{{ run_id }}__{{ task.task_id }}__{{ map_index }}__{{ try_number }}")
    }

    private func declareRun(
        _ id: String, _ aim: RunAim, _ params: [String: JSONValue], _ after: [any AnyTaskReference],
        _ timeout: Duration,
        _ softFail: Bool, _ options: TaskOptions, _ place: DeclarationPlace
    ) -> TaskAnchor {
        let sensor = startingSensor(aim, params, timeout, softFail, of: id, isMapped: false, place)
        return draft.declare(id, .sensor(sensor), in: group, after: after, options: options, place: place)
    }

    /// The wait of a task that starts a run of another DAG; what is wrong with it is reported.
    func startingSensor(
        _ aim: RunAim, _ params: [String: JSONValue], _ timeout: Duration, _ softFail: Bool, of id: String,
        isMapped: Bool, _ place: DeclarationPlace
    ) -> SensorDefinition {
        for problem in aim.problems { draft.problems.append(place.problem("task '\(id)': \(problem)")) }
        if timeout <= .zero {
            draft.problems.append(place.problem("task '\(id)': timeout is \(timeout); it is a duration above 0"))
        }
        let trigger = TriggerSpec(kind: RunAim.kind, target: aim.target, definition: aim.json)
        let given = TriggerSpec(kind: RunAim.kind, target: "", definition: .object(params))
        for text in trigger.strings + given.strings { checkStored(template: text, of: id, isMapped: isMapped, place) }
        var sensor = SensorDefinition(trigger: trigger, timeout: TimeSpan(timeout), softFail: softFail)
        sensor.startsRun = .object(params)
        return sensor
    }
}
