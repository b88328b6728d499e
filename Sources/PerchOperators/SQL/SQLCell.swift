// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// One value of a row, as exact as its database has it.
enum SQLCell: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    /// A number as its digits are written: more of them than a `Double` holds.
    case decimal(String)
    case text(String)
    /// JSON, as it is written.
    case json(String)
    case bytes([UInt8])

    /// Bytes as PostgreSQL writes them: `\x00ff`.
    static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text = Array("\\x".utf8)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// What `hexadecimal` writes, read; nil where it is something else.
    static func bytes(hexadecimal text: some Collection<UInt8>) -> [UInt8]? {
        guard text.count >= 2, text.count % 2 == 0, text.starts(with: "\\x".utf8) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 2 - 1)
        var rest = text.dropFirst(2)
        while let high = rest.popFirst(), let low = rest.popFirst() {
            guard let left = digit(high), let right = digit(low) else { return nil }
            bytes.append(left << 4 | right)
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }

    /// The value in a JSON document. Numbers that JSON has not are texts.
    var json: JSONValue {
        switch self {
        case .null: return .null
        case .bool(let flag): return .bool(flag)
        case .integer(let number): return .integer(number)
        case .number(let number): return number.isFinite ? .number(number) : .string("\(number)")
        case .decimal(let digits):
            if let whole = Int64(digits) { return .integer(whole) }
            if let number = Double(digits), number.isFinite { return .number(number) }
            return .string(digits)
        case .text(let text): return .string(text)
        case .json(let text):
            do {
                return try JSONValue(parsing: text)
            } catch {  // because it may be nested deeper than is read here: it is a text then
                return .string(text)
            }
        case .bytes(let bytes): return .string(Self.hexadecimal(bytes))
        }
    }

    /// A value of a JSON document.
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let flag): self = .bool(flag)
        case .integer(let number): self = .integer(number)
        case .number(let number): self = .number(number)
        case .string(let text): self = .text(text)
        case .array, .object: self = .json(value.text)
        }
    }

    /// As a text; nil: null.
    var written: String? {
        switch self {
        case .null: nil
        case .bool(let flag): flag ? "true" : "false"
        case .integer(let number): "\(number)"
        case .number(let number): Self.written(number)
        case .decimal(let text), .text(let text), .json(let text): text
        case .bytes(let bytes): Self.hexadecimal(bytes)
        }
    }

    /// As databases read it.
    static func written(_ number: Double) -> String {
        if number.isFinite { return "\(number)" }
        return number.isNaN ? "NaN" : number > 0 ? "Infinity" : "-Infinity"
    }

    /// About how many bytes it takes.
    var size: Int {
        switch self {
        case .null, .bool, .integer, .number: 8
        case .decimal(let text), .text(let text), .json(let text): text.utf8.count
        case .bytes(let bytes): bytes.count
        }
    }
}

/// Names of columns.
enum SQLColumns {
    /// A name that comes again has its number behind it: `id`, `id_2`.
    static func unique(_ names: [String]) -> [String] {
        var seen: Set<String> = []
        return names.map { name in
            var unique = name
            var number = 2
            while !seen.insert(unique).inserted {
                unique = "\(name)_\(number)"
                number += 1
            }
            return unique
        }
    }

    /// A name as it stands in a statement; dots part the schema from the table.
    static func quoted(_ name: String, dotted: Bool = false) -> String {
        let parts = dotted ? name.split(separator: ".", omittingEmptySubsequences: false).map(String.init) : [name]
        return parts.map { "\"\($0.replacing("\"", with: "\"\""))\"" }.joined(separator: ".")
    }
}
