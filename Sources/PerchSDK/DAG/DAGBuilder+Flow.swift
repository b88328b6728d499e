// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares a task that does nothing: a join, or a name for what comes before it. It never touches a worker.
    @discardableResult
    public func empty(
        _ id: String, after: any AnyTaskReference..., triggerRule: TriggerRule? = nil, outlets: [Asset]? = nil,
        file: String = #fileID, line: Int = #line
    ) -> TaskReference<Void> {
        TaskReference(
            draft.declare(
                id, .empty, in: group, after: after,
                options: TaskOptions(outlets: outlets, triggerRule: triggerRule), place: DeclarationPlace(file, line)))
    }

    /// Declares a task by which only the newest run goes on: what comes after it is skipped in a run of an earlier logical
    /// date than the DAG's newest. It never touches a worker. Runs by hand always go on.
    @discardableResult
    public func latestOnly(
        _ id: String = "latest_only", after: any AnyTaskReference..., triggerRule: TriggerRule? = nil,
        file: String = #fileID, line: Int = #line
    ) -> BranchReference {
        let anchor = draft.declare(
            id, .latestOnly, in: group, after: after, options: TaskOptions(triggerRule: triggerRule),
            place: DeclarationPlace(file, line))
        return TaskReference<Bool>(anchor).when(true)
    }

    /// Has a task decide whether anything after it runs: where it gives false everything after it is skipped, and what
    /// comes after that, whatever the trigger rules. Teardowns are left out: their setups decide.
    ///
    /// A task that starts before its whole upstream has ended (`one_success` and its like) may have started by then.
    public func shortCircuit(_ task: TaskReference<Bool>, file: String = #fileID, line: Int = #line) {
        draft.shortCircuit(task.anchors, place: DeclarationPlace(file, line))
    }

    /// Makes a task the teardown of others: it runs when everything before it has ended and one of its setups has succeeded,
    /// also where work in between failed and where the run is cancelled, and its failure does not fail the run.
    ///
    /// ```swift
    /// let cluster = dag.task("create_cluster") { context in try await create() }
    /// let query = dag.task("query", cluster) { context, cluster in … }
    /// let delete = dag.task("delete_cluster", cluster, after: query) { context, cluster in … }
    /// dag.teardown(delete, of: cluster)
    /// ```
    ///
    /// Clearing a task between them clears both too.
    ///
    /// - Parameter failsRun: Whether the run fails when the teardown does.
    public func teardown(
        _ task: any AnyTaskReference, of setups: any AnyTaskReference..., failsRun: Bool = false,
        file: String = #fileID, line: Int = #line
    ) {
        draft.teardown(task.anchors, of: setups.flatMap(\.anchors), failsRun: failsRun, DeclarationPlace(file, line))
    }

    /// Lets some instances of a mapped task fail: as long as there are no more of them, the task has succeeded and the run too.
    /// What comes after it reads them as nil: `jobs.optionalElements()`.
    ///
    /// - Parameter percent: How many in a hundred; a number from 1 to 100.
    public func tolerate(
        _ task: any AnyTaskReference, failingPercent percent: Int, file: String = #fileID, line: Int = #line
    ) {
        draft.tolerate(task.anchors, percent, DeclarationPlace(file, line))
    }

    /// Bounds how many instances of tasks are queued or running at a time. While one waits it does not count.
    ///
    /// ```swift
    /// dag.limit(load, atMost: 4)                                          // four, in all runs together
    /// dag.limit(load, atMost: 1, perRun: true)                            // one in each run
    /// dag.limit(load, check, atMost: 1, key: "{{ params.customer }}")     // one for each customer, whatever the task
    /// ```
    ///
    /// - Parameters:
    ///   - tasks: Share the limit.
    ///   - atMost: How many; a number from 1.
    ///   - perRun: Whether each run has a limit of its own.
    ///   - key: What else shares the limit: tasks of other DAGs too, with the same key. It may hold templates. Nil: these
    ///     tasks alone.
    public func limit(
        _ tasks: any AnyTaskReference..., atMost slots: Int, perRun: Bool = false, key: String? = nil,
        file: String = #fileID, line: Int = #line
    ) {
        draft.limit(tasks.flatMap(\.anchors), atMost: slots, perRun: perRun, key: key, DeclarationPlace(file, line))
    }

    /// Declares tasks that belong together: each one's id is the group's, a dot and its own. Groups stand in groups.
    ///
    /// ```swift
    /// let load = dag.group("load", after: landed) { group in
    ///     let rows = group.task("parse") { … }            // its id is load.parse
    ///     group.task("check", rows) { … }
    ///     return rows
    /// }
    /// dag.task("report", load.value, after: load) { … }   // after everything in it
    /// ```
    ///
    /// - Parameters:
    ///   - after: What every task of the group comes after.
    ///   - build: Declares the tasks with the builder that it is given. What it gives is `value` of the result.
    @discardableResult
    public func group<Value: Sendable>(
        _ id: String, after: any AnyTaskReference..., file: String = #fileID, line: Int = #line,
        build: (borrowing DAGBuilder) -> Value
    ) -> TaskGroup<Value> {
        let place = DeclarationPlace(file, line)
        if let problem = IDRule.problem(of: id, what: "group id") { draft.problems.append(place.problem(problem)) }
        let first = draft.tasks.count
        let value = build(DAGBuilder(draft: draft, group: group.inner(id)))
        let members = first..<draft.tasks.count
        draft.join(after.flatMap(\.anchors), toRootsOf: members, place)
        return TaskGroup(value: value, anchors: draft.leaves(of: members))
    }
}

/// A task group that was declared. As what others come `after:` it is all of its tasks that nothing in it comes after, its
/// teardowns left out.
public struct TaskGroup<Value: Sendable>: AnyTaskReference {
    /// What the closure that declared the group gave.
    public let value: Value
    /// The tasks that end it.
    public let anchors: [TaskAnchor]
}
