// SPDX-License-Identifier: Apache-2.0

/// A task's code as a type: made once when the DAG is declared, executed for every try.
///
/// ```swift
/// struct Submit: Operator {
///     let jar: String
///     func execute(_ context: TaskContext) async throws -> Job { … }
/// }
/// dag.add("submit", Submit(jar: "job.jar"), after: landed)
/// ```
/// `execute` may return any `Codable` value, or nothing. Write
/// `extension Operator where Self == Submit { static func submit(…) -> Submit }` so that `.submit(…)` works in `dag.add`.
public protocol Operator: Sendable {
    /// What the task gives to those that take it as an input. It is `Codable`, or `Void`.
    associatedtype Output: Sendable

    /// Does the work. It runs again from the top after every wait: steps and waits answer from the journal then.
    func execute(_ context: TaskContext) async throws -> Output

    /// The name that listings show. The type's name unless given.
    static var operatorName: String { get }

    /// Whether `execute` registers clean-up with `context.onKill` that has to run even where the task is cancelled while
    /// it waits. The engine then dispatches the task once more to clean up. An operator that only has to stop what runs
    /// inside it (a child process) needs no flag: running code is told by the cancellation of its Swift task.
    static var hasOnKill: Bool { get }

    /// The strings that `execute` renders: their templates are checked where the operator is declared.
    var templates: [String] { get }

    /// What is wrong with this value, in sentences; checked where the operator is declared.
    var problems: [String] { get }
}

extension Operator {
    /// The name of the type.
    public static var operatorName: String { String(describing: Self.self) }
    /// A cancel while the task waits just ends it.
    public static var hasOnKill: Bool { false }
    /// Nothing is rendered.
    public var templates: [String] { [] }
    /// Nothing is wrong.
    public var problems: [String] { [] }
}
