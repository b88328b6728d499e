// SPDX-License-Identifier: Apache-2.0

/// Two elements that belong together.
public struct ElementPair<First: Codable & Sendable, Second: Codable & Sendable>: Codable, Sendable {
    public var first: First
    public var second: Second

    /// A pair of two elements.
    public init(_ first: First, _ second: Second) {
        self.first = first
        self.second = second
    }
}

extension ElementPair: Equatable where First: Equatable, Second: Equatable {}

extension DAGBuilder {
    /// Declares a task whose output is every pair of an element of one task's output and one of another's, to map over:
    ///
    /// ```swift
    /// dag.map("load", over: dag.product(files, regions)) { context, pair in try await load(pair.first, pair.second) }
    /// ```
    ///
    /// The first element of the first array comes with each of the second's, then the second one, and so on.
    public func product<First: Codable & Sendable, Second: Codable & Sendable>(
        _ first: TaskReference<[First]>, _ second: TaskReference<[Second]>, id: String? = nil, file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<[ElementPair<First, Second>]> {
        task(id ?? Self.name(first, "x", second), first, second, file: file, line: line) { _, first, second in
            first.flatMap { one in second.map { ElementPair(one, $0) } }
        }
    }

    /// Declares a task whose output is the first elements of two tasks' outputs as a pair, the second ones, and so on, to
    /// map over. It fails where the two have not as many elements.
    public func zip<First: Codable & Sendable, Second: Codable & Sendable>(
        _ first: TaskReference<[First]>, _ second: TaskReference<[Second]>, id: String? = nil, file: String = #fileID,
        line: Int = #line
    ) -> TaskReference<[ElementPair<First, Second>]> {
        let ids = (first.taskID, second.taskID)
        return task(id ?? Self.name(first, "with", second), first, second, file: file, line: line) { _, first, second in
            guard first.count == second.count else {
                throw NonRetryable(
                    "'\(ids.0)' has \(first.count) elements and '\(ids.1)' \(second.count); as many are needed of each")
            }
            return first.indices.map { ElementPair(first[$0], second[$0]) }
        }
    }

    private static func name<First, Second>(
        _ first: TaskReference<First>, _ word: String, _ second: TaskReference<Second>
    ) -> String {
        func last(_ id: String) -> Substring { id.split(separator: ".").last ?? "" }
        return "\(last(first.taskID))_\(word)_\(last(second.taskID))"
    }
}
