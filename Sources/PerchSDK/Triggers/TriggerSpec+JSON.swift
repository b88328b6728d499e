// SPDX-License-Identifier: Apache-2.0

extension TriggerSpec: JSONConvertible {
    /// `{"kind": …, "target": …, "definition": {…}}`, and for a time wait `"due": {"at": …}` or `{"after": µs}`.
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

extension DueInstant: JSONConvertible, Codable {
    /// `{"at": RFC 3339}` or `{"after": microseconds}`.
    public var json: JSONValue {
        switch self {
        case .at(let text): .object(["at": .string(text)])
        case .after(let span): .object(["after": .integer(span.microseconds)])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a due instant")
        if fields.members["at"] != nil {
            self = .at(try fields.string("at"))
        } else {
            self = .after(TimeSpan(microseconds: try fields.integer("after")))
        }
    }

    /// Reads the JSON form.
    public init(from decoder: any Decoder) throws {
        try self.init(json: JSONValue(from: decoder))
    }

    /// Writes the JSON form.
    public func encode(to encoder: any Encoder) throws {
        try json.encode(to: encoder)
    }
}
