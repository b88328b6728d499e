// SPDX-License-Identifier: Apache-2.0

/// The code of a task with its types erased: what a bundle process runs.
public struct TaskCode: Sendable {
    /// Runs it. `inputs` are the outputs of `TaskDefinition.inputs` as JSON texts, `mapElement` the element of a mapped
    /// instance.
    public var run:
        @Sendable (_ context: TaskContext, _ inputs: [String], _ mapElement: String?) async throws -> TaskOutput
    /// The fields of its operator that may hold templates; none of a closure.
    package var templateFields: [TemplateField] = []

    /// Code from a closure.
    public init(
        run:
            @escaping @Sendable (_ context: TaskContext, _ inputs: [String], _ mapElement: String?) async throws ->
            TaskOutput
    ) {
        self.run = run
    }
}

/// What a task gave, coded.
public struct TaskOutput: Sendable, Hashable {
    /// The output as JSON text; `null` for `Void`.
    public var json: String
    /// The elements, one text each, where another task is mapped over this one.
    public var items: [String]?

    /// An output from its parts.
    public init(json: String, items: [String]? = nil) {
        self.json = json
        self.items = items
    }
}

/// A task's code asked for a wait that has not fired: the attempt unwinds and is dispatched again when it has.
///
/// It is an error so that `defer` blocks run. Do not catch it: what the engine recorded counts, not what is thrown, and a
/// body that swallows it fails with `SwallowedSuspension`.
public struct Suspension: Error, Sendable, Hashable {
    /// The journal key of the wait.
    public var key: String

    /// A suspension at a wait.
    public init(key: String) { self.key = key }
}
