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

    /// The same strings with the names of their fields, as `tasks render` shows them.
    var templateFields: [TemplateField] { get }

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
    /// The strings of `templates`, by their numbers.
    public var templateFields: [TemplateField] {
        templates.enumerated().map { TemplateField("template \($0.offset + 1)", $0.element) }
    }
    /// Nothing is wrong.
    public var problems: [String] { [] }
}

/// A string of an operator that may hold templates.
public struct TemplateField: Sendable, Hashable {
    /// The field's name, as people write it: `command`, `environment.PATH`.
    public var name: String
    /// What stands there, its templates not filled in.
    public var text: String

    /// A field by its name.
    public init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

extension [TemplateField] {
    /// Adds every string of a value, by its place in it.
    package mutating func add(_ name: String, _ value: JSONValue) {
        switch value {
        case .string(let text): append(TemplateField(name, text))
        case .array(let elements):
            for (index, element) in elements.enumerated() { add("\(name)[\(index)]", element) }
        case .object(let members):
            for (key, member) in members.sorted(by: { $0.key < $1.key }) { add("\(name).\(key)", member) }
        case .null, .bool, .integer, .number: break
        }
    }

    /// Adds the strings of a dictionary, by their keys.
    package mutating func add(_ name: String, _ values: [String: String]) {
        for (key, value) in values.sorted(by: { $0.key < $1.key }) { append(TemplateField("\(name).\(key)", value)) }
    }
}
