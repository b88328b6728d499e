// SPDX-License-Identifier: Apache-2.0

/// The `AsyncTrigger`s of a bundle by their names: how a stored wait finds its code again.
public struct TriggerCatalog: Sendable {
    private var types: [String: any AsyncTrigger.Type] = [:]
    /// What is wrong with the declarations, in sentences.
    public private(set) var problems: [String] = []

    /// The types that a bundle declares, and those that sensors of its DAGs wait for.
    public init(_ declared: [any AsyncTrigger.Type] = [], dags: [DAG] = []) {
        for type in declared + dags.flatMap(\.asyncTriggers) { add(type) }
    }

    private mutating func add(_ type: any AsyncTrigger.Type) {
        if let problem = IDRule.problem(of: type.name, what: "name of the trigger type \(type)") {
            return problems.append(problem)
        }
        for name in [type.name] + type.formerNames {
            if let other = types[name], ObjectIdentifier(other) != ObjectIdentifier(type) {
                problems.append(
                    "the trigger types \(other) and \(type) are both called '\(name)': waits find their code by it; give "
                        + "one of them another `name`")
            } else {
                types[name] = type
            }
        }
    }

    /// The names, in their order.
    public var names: [String] { types.keys.sorted() }

    /// Throws where a wait of a kind needs code that the bundle does not have.
    package func require(kind: String) throws(PerchError) {
        guard HostedKind.isHosted(kind), types[HostedKind.name(of: kind)] == nil else { return }
        throw Self.missing(HostedKind.name(of: kind), names)
    }

    /// The code of a stored wait.
    /// - Throws: `PerchError`: `notFound` where the bundle has no such type, `invalid` where the definition is not one
    ///   of it.
    package func code(kind: String, definition: JSONValue) throws(PerchError) -> TriggerCode {
        let name = HostedKind.name(of: kind)
        guard let type = types[name] else { throw Self.missing(name, names) }
        do {
            return try Self.code(of: type, definition)
        } catch {
            throw PerchError(.invalid, "what is stored of the wait cannot be read as \(type): \(error)")
        }
    }

    private static func code<T: AsyncTrigger>(of type: T.Type, _ definition: JSONValue) throws -> TriggerCode {
        let trigger = try definition.decode(type)
        return { context in try JSONText.encode(try await trigger.run(context)) }
    }

    private static func missing(_ name: String, _ known: [String]) -> PerchError {
        let there = known.isEmpty ? "it has none" : "it has \(known.joined(separator: ", "))"
        return PerchError(
            .notFound,
            "the bundle has no trigger '\(name)' (\(there)): add its type to `triggers` of the bundle; where it was renamed, "
                + "the old name belongs into its `formerNames`")
    }
}

/// Runs a trigger; gives its event as JSON text.
package typealias TriggerCode = @Sendable (TriggerContext) async throws -> String
