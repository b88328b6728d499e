// SPDX-License-Identifier: Apache-2.0

/// Waits whose probes tell others in which trace they are made, by themselves or as members of a composite.
package enum TracedProbe {
    /// The kinds whose sources send it.
    private static let kinds: Set<String> = ["http"]
    /// The kind whose members are waits of other kinds.
    private static let composite = "composite"
    /// Deeper no composite is nested.
    private static let mostLevels = 16
    /// Where in the definition of a stored wait the `traceparent` stands.
    package static let member = "traceparent"

    /// Whether a wait has any such probe.
    package static func isMade(for definition: JSONValue, of kind: String) -> Bool {
        if kinds.contains(kind) { return true }
        return kind == composite && hasTold(definition, level: 0)
    }

    /// The definition of a wait, with the trace in which its probes are made.
    package static func told(_ traceparent: String, in definition: JSONValue, of kind: String) -> JSONValue {
        guard case .object(var members) = definition else { return definition }
        if kinds.contains(kind) {
            members[member] = .string(traceparent)
            return .object(members)
        }
        return kind == composite ? told(traceparent, inNode: definition, level: 0) : definition
    }

    // MARK: the tree of a composite

    private static func hasTold(_ node: JSONValue, level: Int) -> Bool {
        guard level < mostLevels else { return false }
        if case .string(let kind)? = node["wait"]?["kind"] { return kinds.contains(kind) }
        if let inner = node["none"] { return hasTold(inner, level: level + 1) }
        guard case .array(let nodes)? = node["of"] else { return false }
        return nodes.contains { hasTold($0, level: level + 1) }
    }

    private static func told(_ traceparent: String, inNode node: JSONValue, level: Int) -> JSONValue {
        guard level < mostLevels, case .object(var members) = node else { return node }
        if case .object(var wait)? = members["wait"] {
            guard case .string(let kind)? = wait["kind"], let definition = wait["definition"] else { return node }
            wait["definition"] = told(traceparent, in: definition, of: kind)
            members["wait"] = .object(wait)
        } else if let inner = members["none"] {
            members["none"] = told(traceparent, inNode: inner, level: level + 1)
        } else if case .array(let nodes)? = members["of"] {
            members["of"] = .array(nodes.map { told(traceparent, inNode: $0, level: level + 1) })
        }
        return .object(members)
    }
}
