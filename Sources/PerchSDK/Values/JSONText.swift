// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Values as JSON text and back: how outputs, steps, events and params travel between a task's code and the engine.
///
/// `Date` is RFC 3339 with its fraction in text and may also be read from seconds since 1970; infinities and NaN are the
/// strings `Infinity`, `-Infinity`, `NaN`. Keys are sorted, so that equal values have equal texts.
public enum JSONText {
    /// The text of `null`, which stands for `Void` and for nothing.
    public static let null = "null"

    /// The JSON text of a value.
    /// - Throws: `PerchError` (`invalid`) where the value cannot be coded.
    public static func encode<Value: Encodable>(_ value: Value) throws -> String {
        if let value = value as? JSONValue { return value.text }
        do {
            return try encodeByFoundation(value)
        } catch {
            throw unwritable(Value.self, error)
        }
    }

    static func encodeByFoundation(_ value: some Encodable) throws -> String {
        String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    fileprivate static func unwritable(_ type: Any.Type, _ error: any Error) -> PerchError {
        PerchError(.invalid, "a \(type) cannot be written as JSON: \(reason(error))")
    }

    /// The value of a JSON text.
    /// - Throws: `PerchError` (`invalid`) that names the place in the text and what was wanted there.
    public static func decode<Value: Decodable>(_ type: Value.Type, from text: String) throws -> Value {
        if type == JSONValue.self, let value = try JSONValue(parsingEnvelope: text) as? Value { return value }
        // What many a task is mapped over, without setting up a decoder.
        if type == Int.self, case .integer(let whole) = try JSONValue(parsing: text), let value = Int(whole) as? Value {
            return value
        }
        do {
            return try decoder.decode(type, from: Data(text.utf8))
        } catch {
            throw PerchError(.invalid, reason(error))
        }
    }

    // A JSON coder is not changed after it was set up, and each call codes on its own.
    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .custom { date, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(Timestamp(date).description)
        }
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return encoder
    }()

    private static let decoder: JSONDecoder = {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            let container = try decoder.singleValueContainer()
            do {
                return Date(timeIntervalSince1970: try container.decode(Double.self))
            } catch DecodingError.typeMismatch {
                return try Timestamp(parsing: container.decode(String.self)).date
            }
        }
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
        return decoder
    }()

    private static func reason(_ error: any Error) -> String {
        switch error {
        case DecodingError.typeMismatch(let type, let context):
            "\(place(context)) is no \(type)"
        case DecodingError.valueNotFound(let type, let context):
            "\(place(context)) is null, wanted was \(type)"
        case DecodingError.keyNotFound(let key, let context):
            "\(place(context)) has no member '\(key.stringValue.shown(40))'"
        case DecodingError.dataCorrupted(let context):
            "\(place(context)): \(context.debugDescription.shown(400))"
        case EncodingError.invalidValue(_, let context):
            "\(place(context)): \(context.debugDescription.shown(400))"
        default:
            "\(error)"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String { place(context.codingPath) }
    private static func place(_ context: EncodingError.Context) -> String { place(context.codingPath) }

    private static func place(_ path: [any CodingKey]) -> String {
        let text = path.prefix(12).reduce(into: "$") { text, key in
            text += key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue.shown(40))"
        }
        return path.count > 12 ? text.shown(200) + "…" : text.shown(200)
    }
}

extension JSONText {
    /// The elements of an array, one text each, untouched. The text must be JSON; it is not checked a second time.
    /// - Throws: `PerchError` (`invalid`) where the text is no array.
    public static func elements(of text: String) throws -> [String] {
        let bytes = Array(text.utf8)
        var position = 0
        func skipSpace() {
            while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
        }
        skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "[") else {
            throw PerchError(.invalid, "wanted was a JSON array, found is \(text.shown(40))")
        }
        position += 1
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") { return [] }
        var elements: [String] = []
        var start = position
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "\""):
                position += 1
                while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
                    position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
                }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
            case UInt8(ascii: "]") where depth == 0:
                elements.append(String(decoding: bytes[start..<position], as: UTF8.self))
                return elements
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
            case UInt8(ascii: ",") where depth == 0:
                elements.append(String(decoding: bytes[start..<position], as: UTF8.self))
                start = position + 1
            default:
                break
            }
            position += 1
        }
        throw PerchError(.invalid, "the JSON array does not end: \(text.shown(40))")
    }

    /// The array of some elements, given as one text each.
    public static func array(of elements: [String]) -> String {
        "[" + elements.joined(separator: ",") + "]"
    }
}

extension JSONValue {
    /// Any value as JSON that can be looked into.
    /// - Throws: `PerchError` (`invalid`) where the value cannot be coded.
    public init(encoding value: some Encodable) throws {
        do {
            self = try JSONValueEncoder.encode(value)
        } catch {
            throw JSONText.unwritable(type(of: value), error)
        }
    }

    /// The value as a type of the caller.
    /// - Throws: `PerchError` (`invalid`) that names the place and what was wanted there.
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        if let value = self as? Value { return value }
        if let type = type as? any JSONConvertible.Type, let value = try type.init(json: self) as? Value {
            return value
        }
        return try JSONText.decode(type, from: text)
    }
}
