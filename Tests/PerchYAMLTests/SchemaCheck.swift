// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Holds a value against a JSON Schema: as much of draft 2020-12 as the schema of DAGs uses. What it does not know is an error,
/// so that nothing is passed over.
struct SchemaCheck {
    let root: JSONValue

    func accepts(_ value: JSONValue) throws -> Bool { try accepts(value, root) }

    private func accepts(_ value: JSONValue, _ schema: JSONValue) throws -> Bool {
        guard case .object(let words) = schema else { return schema == true }
        for (word, wanted) in words.sorted(by: { $0.key < $1.key }) {
            guard try accepts(value, word, wanted, words) else { return false }
        }
        return true
    }

    private func accepts(
        _ value: JSONValue, _ word: String, _ wanted: JSONValue, _ words: [String: JSONValue]
    ) throws -> Bool {
        switch word {
        case "$schema", "$defs", "title", "description", "then", "else": return true
        case "$ref":
            guard case .string(let text) = wanted, let schema = root["$defs"]?[String(text.dropFirst("#/$defs/".count))]
            else { throw PerchError(.invalid, "no schema \(wanted.text)") }
            return try accepts(value, schema)
        case "type":
            let types = list(wanted) ?? [wanted]
            return types.contains { $0 == .string(type(of: value)) || ($0 == "number" && type(of: value) == "integer") }
        case "const": return value == wanted
        case "enum": return (list(wanted) ?? []).contains(value)
        case "minimum", "maximum":
            guard case .integer(let number) = value, case .integer(let bound) = wanted else { return true }
            return word == "minimum" ? number >= bound : number <= bound
        case "pattern":
            guard case .string(let text) = value else { return true }
            guard let span = try? TimeSpan(parsing: text) else { return false }
            return span.microseconds >= 0 || wanted.text.contains("-?")
        case "items":
            guard let elements = list(value) else { return true }
            return try elements.allSatisfy { try accepts($0, wanted) }
        case "required":
            guard case .object(let members) = value else { return true }
            return (list(wanted) ?? []).allSatisfy {
                if case .string(let name) = $0 { members[name] != nil } else { false }
            }
        case "properties":
            guard case .object(let members) = value, case .object(let schemas) = wanted else { return true }
            return try schemas.allSatisfy { name, schema in try members[name].map { try accepts($0, schema) } ?? true }
        case "additionalProperties":
            guard case .object(let members) = value else { return true }
            var known: [String: JSONValue] = [:]
            if case .object(let properties)? = words["properties"] { known = properties }
            return try members.allSatisfy { name, member in
                try known[name] != nil || accepts(member, wanted)
            }
        case "minProperties":
            guard case .object(let members) = value, case .integer(let least) = wanted else { return true }
            return members.count >= least
        case "allOf": return try (list(wanted) ?? []).allSatisfy { try accepts(value, $0) }
        case "anyOf": return try (list(wanted) ?? []).contains { try accepts(value, $0) }
        case "oneOf": return try (list(wanted) ?? []).count { try accepts(value, $0) } == 1
        case "not": return try !accepts(value, wanted)
        case "if":
            let next = try accepts(value, wanted) ? words["then"] : words["else"]
            return try next.map { try accepts(value, $0) } ?? true
        default: throw PerchError(.invalid, "the schema has '\(word)', which is not checked here")
        }
    }

    private func list(_ value: JSONValue) -> [JSONValue]? {
        if case .array(let elements) = value { elements } else { nil }
    }

    private func type(of value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool: "boolean"
        case .integer: "integer"
        case .number: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }
}
