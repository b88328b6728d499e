// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How one kind of thing is shown: each member with its schema and with how it is read from a row, so that what is served and
/// what is said of it cannot differ.
struct Resource<Row: Sendable>: Sendable {
    struct Member: Sendable {
        var field: Schema.Field
        var value: @Sendable (Row) -> JSONValue
    }

    /// Its name among the schemas.
    let name: String
    let members: [Member]

    init(_ name: String, _ members: [Member]) {
        self.name = name
        self.members = members
    }

    var schema: Schema { .named(name, .object(members.map(\.field))) }

    /// A row as it is shown, or some members of it.
    func document(_ row: Row, only names: Set<String>? = nil) -> JSONValue {
        var shown: [String: JSONValue] = [:]
        for member in members where names?.contains(member.field.name) ?? true {
            shown[member.field.name] = member.value(row)
        }
        return .object(shown)
    }
}

extension Resource.Member {
    private static func member(
        _ name: String, _ schema: Schema, _ about: String, _ value: @escaping @Sendable (Row) -> JSONValue
    ) -> Self {
        Self(field: Schema.Field(name: name, schema: schema, about: about), value: value)
    }

    static func text(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> String) -> Self {
        member(name, .text, about) { .string(value($0)) }
    }

    static func textOrNull(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> String?) -> Self {
        member(name, .optional(.text), about) { value($0).map { .string($0) } ?? .null }
    }

    static func choice(
        _ name: String, _ names: [String], _ about: String, _ value: @escaping @Sendable (Row) -> String
    ) -> Self {
        member(name, .choice(names), about) { .string(value($0)) }
    }

    static func texts(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> [String]) -> Self {
        member(name, .list(.text, most: .max), about) { .array(value($0).map { .string($0) }) }
    }

    static func integer(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Int64) -> Self {
        member(name, .integer(.min ... .max), about) { .integer(value($0)) }
    }

    static func count(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Int) -> Self {
        member(name, .count, about) { .integer(Int64(value($0))) }
    }

    static func countOrNull(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Int?) -> Self {
        member(name, .optional(.count), about) { value($0).map { .integer(Int64($0)) } ?? .null }
    }

    static func flag(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Bool) -> Self {
        member(name, .flag, about) { .bool(value($0)) }
    }

    static func instant(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Timestamp) -> Self {
        member(name, .instant, about) { .string(value($0).description) }
    }

    static func instantOrNull(
        _ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> Timestamp?
    ) -> Self {
        member(name, .optional(.instant), about) { value($0).map { .string($0.description) } ?? .null }
    }

    /// A length of time in seconds.
    static func secondsOrNull(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> TimeSpan?) -> Self
    {
        member(name, .optional(.number), about) { value($0).map { .number(Double($0.microseconds) / 1e6) } ?? .null }
    }

    static func any(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> JSONValue) -> Self {
        member(name, .any, about, value)
    }

    /// Members of any name.
    static func map(_ name: String, _ about: String, _ value: @escaping @Sendable (Row) -> JSONValue) -> Self {
        member(name, .map, about, value)
    }

    /// Things of another kind.
    static func list<Element>(
        _ name: String, of resource: Resource<Element>, _ about: String,
        _ value: @escaping @Sendable (Row) -> [Element]
    ) -> Self {
        member(name, .list(resource.schema, most: .max), about) { .array(value($0).map { resource.document($0) }) }
    }
}
