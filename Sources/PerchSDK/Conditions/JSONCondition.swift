// SPDX-License-Identifier: Apache-2.0

/// A condition on a JSON document, as data: it is checked where the document arrives, so that a task wakes only when the
/// answer is yes.
///
/// ```swift
/// .json("$.state", in: ["DONE", "FAILED"])
/// .all([.json("$.total", .greaterThan(100)), .not(.json("$.test", .exists))])
/// ```
public indirect enum JSONCondition: Hashable, Sendable {
    /// Of the values at the place, one passes the test (for `notEquals`: all do).
    case test(JSONPath, JSONTest)
    case all([JSONCondition])
    case any([JSONCondition])
    case not(JSONCondition)

    /// The value at a path passes a test.
    public static func json(_ path: String, _ test: JSONTest) -> JSONCondition { .test(JSONPath(path), test) }
    /// The value at a path is one of these.
    public static func json(_ path: String, in values: [JSONValue]) -> JSONCondition { .json(path, .isIn(values)) }
    /// The value at a path is this one.
    public static func json(_ path: String, equals value: JSONValue) -> JSONCondition { .json(path, .equals(value)) }

    /// Whether the document meets the condition. `all` of nothing is true, `any` of nothing false.
    public func evaluate(_ document: JSONValue) -> Bool {
        switch self {
        case .test(let path, let test): path.problem == nil && test.passes(path.values(in: document))
        case .all(let parts): parts.allSatisfy { $0.evaluate(document) }
        case .any(let parts): parts.contains { $0.evaluate(document) }
        case .not(let part): !part.evaluate(document)
        }
    }

    /// What is wrong with the paths and patterns in it, in sentences. Texts with templates are not looked at: they are
    /// filled in later.
    public var problems: [String] {
        switch self {
        case .test(let path, let test):
            let fromPath = path.text.contains("{{") ? nil : path.problem
            if case .matches(let pattern) = test, pattern.text.contains("{{") { return [fromPath].compactMap(\.self) }
            return [fromPath, test.problem].compactMap(\.self)
        case .all(let parts): return parts.flatMap(\.problems)
        case .any(let parts):
            return parts.isEmpty ? ["'any' of no conditions is never true"] : parts.flatMap(\.problems)
        case .not(let part): return part.problems
        }
    }
}

extension JSONCondition: CustomStringConvertible {
    /// In words, for people: `$.state in ["DONE","FAILED"]`.
    public var description: String {
        switch self {
        case .test(let path, let test): "\(path.text) \(test)"
        case .all(let parts): "(" + parts.map(\.description).joined(separator: " and ") + ")"
        case .any(let parts): "(" + parts.map(\.description).joined(separator: " or ") + ")"
        case .not(let part): "not \(part)"
        }
    }
}
