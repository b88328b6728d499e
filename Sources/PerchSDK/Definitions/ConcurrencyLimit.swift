// SPDX-License-Identifier: Apache-2.0

/// How many dispatches of tasks with one name for it there may be at a time.
public struct ConcurrencyLimit: Hashable, Sendable {
    /// `dag:ID`, `task:DAG.TASK` or `key:…`; may hold templates, which make a limit for each value.
    public var name: String
    /// At least 1.
    public var slots: Int
    /// Whether the name has to be rendered.
    package let holdsTemplates: Bool

    /// A limit by its name.
    public init(name: String, slots: Int) {
        self.name = name
        self.slots = slots
        holdsTemplates = name.contains("{")
    }

    /// The name for one instance.
    /// - Throws: `PerchError` (`invalid`) where a template cannot be resolved, or gives what is no name.
    package func name(with scope: TemplateScope) throws -> String {
        let rendered = try Template.render(name, with: scope)
        guard rendered.utf8.count <= Self.longest else {
            throw PerchError(
                .invalid,
                "the limit '\(name)' is \(rendered.utf8.count) bytes long here; at most \(Self.longest) are allowed")
        }
        return rendered
    }

    private static let longest = 500

    /// What is wrong with the values themselves.
    var problem: String? {
        if slots < 1 { return "the limit '\(name.shown())' admits \(slots); it is a number from 1" }
        if !TaskDefinition.isLimit(name) { return "the limit '\(name.shown())' has no kind: 'dag:', 'task:' or 'key:'" }
        return nil
    }
}

extension ConcurrencyLimit: JSONConvertible {
    /// `{"name": "key:customer", "slots": 1}`
    public var json: JSONValue { .object(["name": .string(name), "slots": .integer(Int64(slots))]) }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a limit")
        self.init(name: try fields.string("name"), slots: Int(try fields.integer("slots")))
    }
}

extension TaskDefinition {
    /// Whether something that has slots is a limit; else it is a pool.
    package static func isLimit(_ name: String) -> Bool { name.utf8.contains(UInt8(ascii: ":")) }

    /// What is wrong with the name of a pool; nil where it is right.
    package static func problem(ofPool name: String) -> String? {
        if name.isEmpty { return "pool is empty; name a pool, or leave it out for default_pool" }
        return isLimit(name) ? "pool is '\(name.shown())'; a pool's name has no colon" : nil
    }
}
