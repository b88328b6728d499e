// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What a command shows: JSON whose members keep the order in which they are meant to be read.
indirect enum Document: Sendable, Hashable {
    case value(JSONValue)
    case list([Document])
    case record(Record)

    static func text(_ text: String?) -> Document { .value(text.map { .string($0) } ?? .null) }
    static func number(_ number: Int64?) -> Document { .value(number.map { .integer($0) } ?? .null) }
    static func number(_ number: Int) -> Document { .value(.integer(Int64(number))) }
    static func flag(_ flag: Bool) -> Document { .value(.bool(flag)) }
    static func instant(_ instant: Timestamp?) -> Document { text(instant.map { "\($0)" }) }
    /// Seconds, as listings give durations.
    static func seconds(_ span: TimeSpan?) -> Document {
        .value(span.map { .number(Double($0.microseconds) / 1_000_000) } ?? .null)
    }

    /// The document on one line of JSON; the members of records in their order.
    var json: String {
        switch self {
        case .value(let value): value.text
        case .list(let elements): "[" + elements.map(\.json).joined(separator: ",") + "]"
        case .record(let record):
            "{" + record.fields.map { "\(JSONValue.string($0.name).text):\($0.value.json)" }.joined(separator: ",")
                + "}"
        }
    }

    /// The document as JSON over several lines.
    func prettyJSON(indent: Int = 0) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .value: return json
        case .list(let elements):
            if elements.isEmpty { return "[]" }
            let lines = elements.map { inner + $0.prettyJSON(indent: indent + 2) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
        case .record(let record):
            if record.fields.isEmpty { return "{}" }
            let lines = record.fields.map {
                "\(inner)\(JSONValue.string($0.name).text): \($0.value.prettyJSON(indent: indent + 2))"
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        }
    }

    /// The document in the cell of a table: nothing for null, strings bare, everything else as JSON.
    var cell: String {
        switch self {
        case .value(.null): ""
        case .value(.string(let text)): text
        default: json
        }
    }
}

/// An object with its members in order.
struct Record: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    struct Field: Sendable, Hashable {
        var name: String
        var value: Document
    }

    var fields: [Field]

    init(dictionaryLiteral elements: (String, Document)...) {
        fields = elements.map { Field(name: $0.0, value: $0.1) }
    }

    subscript(name: String) -> Document? { fields.first { $0.name == name }?.value }
}
