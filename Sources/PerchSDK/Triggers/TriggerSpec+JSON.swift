// SPDX-License-Identifier: Apache-2.0

extension TriggerSpec: JSONConvertible {
    /// `{"kind": …, "target": …, "definition": {…}}`, and for a time wait `"due": …`.
    public var json: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind), "target": .string(target), "definition": definition,
        ]
        if let due { members["due"] = due.json }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a trigger")
        self.init(
            kind: try fields.string("kind"), target: try fields.string("target"),
            definition: fields.members["definition"] ?? .object([:]))
        if let instant = fields.members["due"] { due = try DueInstant(json: instant) }
    }
}
