// SPDX-License-Identifier: Apache-2.0

extension DAGBuilder {
    /// Declares tasks that run together once for each element of another task's output: each element has an instance of
    /// every task, and an instance waits for those of its own element alone.
    ///
    /// ```swift
    /// let files = dag.task("list") { _ in try list() }
    /// let stored = dag.mapGroup("load", over: files) { group, file in
    ///     let checked = group.task("check", file) { context, file in try check(file) }     // its id is load.check
    ///     return group.task("store", file, checked) { context, file, checked in try store(file, checked) }
    /// }
    /// dag.task("report", stored) { context, stored in … }     // all of them, in the order of the files
    /// ```
    ///
    /// Trigger rules, branches, short circuits, retries and clears inside the group are those of one element: where `check`
    /// fails for the third file, its `store` is `upstream_failed`, and those of the others run. What tasks inside come after
    /// outside of the group has to succeed before their first instance begins.
    ///
    /// - Parameters:
    ///   - over: The task whose output, an array, is mapped over.
    ///   - after: What every task of the group comes after.
    ///   - build: Declares the tasks with the builder that it is given. The reference is to the element: an input of a task.
    ///     Templates have it as `{{ element }}`.
    /// - Returns: A reference to what the closure gave, of all instances: as an input it is the array of their outputs, in
    ///   the order of elements; `after:` it is after the whole group.
    @discardableResult
    public func mapGroup<Element: Codable & Sendable, Output: Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, after: any AnyTaskReference..., file: String = #fileID,
        line: Int = #line,
        build: (_ group: borrowing DAGBuilder, _ element: TaskReference<Element>) -> TaskReference<Output>
    ) -> TaskReference<[Output]> {
        let place = DeclarationPlace(file, line)
        let (value, members) = mapped(id, elements, after.flatMap(\.anchors), place, build)
        return TaskReference(gathered(value.anchor, id, members, place), reading: value.reading?.ofInstances)
    }

    /// Declares a mapped group whose closure gives nothing; see the other `mapGroup`.
    @discardableResult
    @_disfavoredOverload
    public func mapGroup<Element: Codable & Sendable>(
        _ id: String, over elements: TaskReference<[Element]>, after: any AnyTaskReference..., file: String = #fileID,
        line: Int = #line,
        build: (_ group: borrowing DAGBuilder, _ element: TaskReference<Element>) -> Void
    ) -> TaskReference<Void> {
        let place = DeclarationPlace(file, line)
        let (_, members) = mapped(id, elements, after.flatMap(\.anchors), place, build)
        return TaskReference(gathered(draft.leaves(of: members).first, id, members, place))
    }

    private func mapped<Element, Value>(
        _ id: String, _ elements: TaskReference<[Element]>, _ after: [TaskAnchor], _ place: DeclarationPlace,
        _ build: (_ group: borrowing DAGBuilder, _ element: TaskReference<Element>) -> Value
    ) -> (value: Value, members: Range<Int>) {
        if let problem = IDRule.problem(of: id, what: "group id") { draft.problems.append(place.problem(problem)) }
        var inner = group.inner(id)
        if let around = group.mapping {
            draft.problems.append(
                place.problem(Self.nested("the group '\(inner.name)'", in: draft.mappings[around].name)))
        } else {
            draft.check(elements.anchor, takenBy: inner.name, in: nil, place)
        }
        inner.mapping = draft.declareMapping(inner.name, over: draft.resolve(elements.anchor, for: inner.name, place))
        var element = elements.anchor
        element.role = .element(mapping: inner.mapping ?? 0)  // because it was set a line ago
        let first = draft.tasks.count
        let value = build(
            DAGBuilder(draft: draft, group: inner), TaskReference(element, reading: elements.reading?.ofElement))
        let members = first..<draft.tasks.count
        draft.join(after, toRootsOf: members, place)
        return (value, members)
    }

    private func gathered(
        _ value: TaskAnchor?, _ id: String, _ members: Range<Int>, _ place: DeclarationPlace
    ) -> TaskAnchor {
        var isMember = false
        if let value, case .task = value.role {
            isMember = members.contains(value.index) && value.owner === draft.token
        }
        let ends = draft.leaves(of: members)
        if !isMember {
            let problem = ends.isEmpty ? "has no tasks" : "gives what is none of its tasks: return one of them"
            draft.problems.append(place.problem("the mapped group '\(id)' \(problem)"))
        }
        // What has a problem is never run: any task stands for it.
        var anchor = value ?? ends.first ?? TaskAnchor(taskID: id, index: 0, owner: draft.token)
        anchor.role = .gathered(ends: ends.map(\.index))
        return anchor
    }

    static func nested(_ what: String, in group: String) -> String {
        "\(what) is mapped inside of the mapped group '\(group)'; mappings do not nest: map over pairs, or over a flat list"
    }
}
