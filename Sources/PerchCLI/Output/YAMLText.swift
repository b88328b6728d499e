// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Writes documents as YAML 1.2 in block style.
enum YAMLText {
    /// The lines of a document, each without its line feed.
    static func lines(_ document: Document) -> [String] {
        switch document {
        case .value(let value): lines(value)
        case .list(let elements):
            elements.isEmpty ? ["[]"] : elements.flatMap { element in item(lines(element)) }
        case .record(let record):
            record.fields.isEmpty
                ? ["{}"] : record.fields.flatMap { member($0.name, lines($0.value), isBlock: $0.value.isBlock) }
        }
    }

    private static func lines(_ value: JSONValue) -> [String] {
        switch value {
        case .string(let text): [scalar(text)]
        case .array(let elements) where !elements.isEmpty: elements.flatMap { item(lines($0)) }
        case .object(let members) where !members.isEmpty:
            members.sorted { $0.key < $1.key }.flatMap {
                member($0.key, lines($0.value), isBlock: Document.value($0.value).isBlock)
            }
        default: [value.text]
        }
    }

    private static func item(_ lines: [String]) -> [String] {
        lines.enumerated().map { ($0.offset == 0 ? "- " : "  ") + $0.element }
    }

    private static func member(_ name: String, _ lines: [String], isBlock: Bool) -> [String] {
        guard isBlock else { return ["\(scalar(name)): \(lines.joined())"] }
        return ["\(scalar(name)):"] + lines.map { "  " + $0 }
    }

    /// A string bare where nothing reads it as something else, else in double quotes, whose escapes are those of JSON.
    static func scalar(_ text: String) -> String {
        isPlain(text) ? text : JSONValue.string(text).text
    }

    private static let words: Set<String> = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "~", ".inf", "-.inf", "+.inf", ".nan",
    ]

    private static func isPlain(_ text: String) -> Bool {
        guard let first = text.unicodeScalars.first, first.properties.isAlphabetic || first == "/" || first == "_"
        else {
            return false
        }
        if words.contains(text.lowercased()) { return false }
        if text.hasSuffix(":") || text.hasSuffix(" ") || text.contains(": ") || text.contains(" #") { return false }
        return text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7F }
    }
}

extension Document {
    fileprivate var isBlock: Bool {
        switch self {
        case .value(.array(let elements)): !elements.isEmpty
        case .value(.object(let members)): !members.isEmpty
        case .value: false
        case .list(let elements): !elements.isEmpty
        case .record(let record): !record.fields.isEmpty
        }
    }
}
