// SPDX-License-Identifier: Apache-2.0

/// Any JSON document, for what Perch looks into without knowing its type: params, payloads, conditions, definitions.
///
/// Parsing and printing are in `JSONValue+Parsing.swift` and `JSONValue+Printing.swift`; printing sorts the keys of
/// objects, so that equal values have equal texts.
public enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    /// The member of an object; nil where this is no object or has no such member.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }
}
