// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Where something stands in a document; both count from 1.
struct YAMLPlace: Sendable, Hashable {
    var line: Int
    var column: Int
}

/// A value of a YAML document, with its place.
struct YAMLValue: Sendable {
    indirect enum Content: Sendable {
        case null
        case flag(Bool)
        case integer(Int64)
        case number(Double)
        case text(String)
        case list([YAMLValue])
        case mapping([Member])
    }

    /// One key of a mapping with its value.
    struct Member: Sendable {
        var name: String
        /// Of the key.
        var place: YAMLPlace
        var value: YAMLValue
    }

    var content: Content
    var place: YAMLPlace
    /// Of a scalar what stands there, before it became a number, true or false.
    var written = ""
}

extension YAMLValue {
    /// The value of a key; nil where this is no mapping, or has no such key.
    subscript(name: String) -> YAMLValue? {
        guard case .mapping(let members) = content else { return nil }
        return members.first { $0.name == name }?.value
    }

    var members: [Member] { if case .mapping(let members) = content { members } else { [] } }
    var elements: [YAMLValue] { if case .list(let elements) = content { elements } else { [] } }
    var text: String? { if case .text(let text) = content { text } else { nil } }
    var integer: Int? { if case .integer(let number) = content { Int(number) } else { nil } }
    var double: Double? {
        switch content {
        case .integer(let number): Double(number)
        case .number(let number): number
        case .null, .flag, .text, .list, .mapping: nil
        }
    }
    var isTrue: Bool { if case .flag(true) = content { true } else { false } }
    var isNull: Bool { if case .null = content { true } else { false } }
    /// What stands for a length of time once it was read.
    var span: TimeSpan? { if case .integer(let number) = content { TimeSpan(microseconds: number) } else { nil } }
    var duration: Duration? { span?.duration }

    /// The value without its places.
    var json: JSONValue {
        switch content {
        case .null: .null
        case .flag(let flag): .bool(flag)
        case .integer(let number): .integer(number)
        case .number(let number): .number(number)
        case .text(let text): .string(text)
        case .list(let elements): .array(elements.map(\.json))
        case .mapping(let members): .object(Dictionary(members.map { ($0.name, $0.value.json) }) { $1 })
        }
    }

    /// What stands there, for messages.
    var shown: String {
        switch content {
        case .null: "nothing"
        case .flag, .integer, .number: written.shown(60)
        case .text(let text): "'\(text.shown(60))'"
        case .list: "a list"
        case .mapping: "a mapping"
        }
    }
}
