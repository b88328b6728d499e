// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What stands in a row, or travels, for an output: its JSON text, a reference to it, or parts of which some are references.
package enum OutputText: Hashable, Sendable {
    case value(String)
    case reference(OutputReference)
    /// The outputs of all instances of a mapped task, each as it stands in its row.
    case parts([String])

    /// Reads what stands there. What is neither a reference nor made of parts is a value.
    package init(_ text: String) {
        self = Self.other(than: text) ?? .value(text)
    }

    /// Whether it may be more than a value: cheap, for every output is asked.
    package static func isMarked(_ text: String) -> Bool { text.utf8.first == mark }

    private static let mark = UInt8(ascii: " ")

    private static func other(than text: String) -> OutputText? {
        guard isMarked(text), let json = try? JSONValue(parsing: text) else {  // because then it is a value
            return nil
        }
        if case .array(let parts)? = json["output_parts"] {
            let texts = parts.compactMap { part in if case .string(let text) = part { text } else { nil } }
            return texts.count == parts.count ? .parts(texts) : nil
        }
        guard let stored = json["stored_output"], case .string(let name)? = stored["name"],
            case .integer(let offset)? = stored["offset"], case .integer(let size)? = stored["size"],
            case .string(let hash)? = stored["hash"], offset >= 0, size >= 0
        else { return nil }
        return .reference(OutputReference(name: name, offset: Int(offset), size: Int(size), hash: hash))
    }

    /// The JSON text itself.
    ///
    /// - Parameter reading: Gives the text behind a reference.
    package func value(_ reading: (OutputReference) throws -> String) throws -> String {
        switch self {
        case .value(let text): return text
        case .reference(let reference): return try reading(reference)
        case .parts(let parts):
            var texts: [String] = []
            texts.reserveCapacity(parts.count)
            for part in parts { texts.append(try OutputText(part).value(reading)) }
            return "[" + texts.joined(separator: ",") + "]"
        }
    }

    /// Everything that it refers to.
    package var references: [OutputReference] {
        switch self {
        case .value: []
        case .reference(let reference): [reference]
        case .parts(let parts): parts.flatMap { OutputText($0).references }
        }
    }

    /// What is stored or sent.
    package var text: String {
        switch self {
        case .value(let text): return text
        case .reference(let reference):
            let fields: JSONValue = .object([
                "name": .string(reference.name), "offset": .integer(Int64(reference.offset)),
                "size": .integer(Int64(reference.size)), "hash": .string(reference.hash),
            ])
            return " " + JSONValue.object(["stored_output": fields]).text
        case .parts(let texts):
            return " " + JSONValue.object(["output_parts": .array(texts.map { .string($0) })]).text
        }
    }

    /// The outputs of the instances of a mapped task, in their order, as one array.
    package static func joined(_ texts: [String]) -> String {
        if texts.contains(where: isMarked) { return OutputText.parts(texts).text }
        return "[" + texts.joined(separator: ",") + "]"
    }

    /// An output as its author gave it, without the white space that would make it look like a reference.
    package static func unmarked(_ text: String) -> String {
        guard isMarked(text) else { return text }
        return String(text.drop { $0 == " " })
    }
}
