// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Parses one JSON document (RFC 8259).
    ///
    /// Whole numbers that fit 64 bits become `.integer`, others `.number`. Of a repeated member the last one counts. A
    /// document nested deeper than 500 is refused.
    /// - Throws: `PerchError` (`invalid`) that names the byte at which the text stops being JSON.
    public init(parsing text: String) throws {
        var copy = text
        self = try copy.withUTF8 { try JSONValue(parsing: UnsafeRawBufferPointer($0)) }
    }

    /// Parses one JSON document from UTF-8 bytes.
    public init(parsing bytes: some Sequence<UInt8>) throws {
        let array = Array(bytes)
        self = try array.withUnsafeBytes { try JSONValue(parsing: $0) }
    }

    /// Parses one JSON document from UTF-8 bytes.
    public init(parsing bytes: UnsafeRawBufferPointer) throws {
        var parser = JSONParser(bytes: bytes, deepest: 500)
        self = try parser.document()
    }

    /// Parses a document in which documents that came from outside stand a few levels deep: a frame, a journal's entry. What
    /// was taken once can be read wherever it was put.
    package init(parsingEnvelope bytes: UnsafeRawBufferPointer) throws {
        var parser = JSONParser(bytes: bytes, deepest: 512)
        self = try parser.document()
    }

    /// Parses the text of such a document.
    package init(parsingEnvelope text: String) throws {
        var copy = text
        self = try copy.withUTF8 { try JSONValue(parsingEnvelope: UnsafeRawBufferPointer($0)) }
    }
}

/// A recursive-descent reader; the depth is bounded, so that no input overflows the stack.
private struct JSONParser {
    let bytes: UnsafeRawBufferPointer
    var position = 0
    let deepest: Int

    init(bytes: UnsafeRawBufferPointer, deepest: Int) {
        self.bytes = bytes
        self.deepest = deepest
    }

    mutating func document() throws -> JSONValue {
        let value = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw fault("the end of the text") }
        return value
    }

    private func fault(_ wanted: String) -> PerchError {
        let found: String
        if position < bytes.count {
            let byte = bytes[position]
            let shown =
                byte >= 0x20 && byte < 0x7F
                ? "'\(Character(UnicodeScalar(byte)))'" : "byte 0x\(String(byte, radix: 16, uppercase: true))"
            found = shown
        } else {
            found = "the end"
        }
        return PerchError(.invalid, "not JSON: at byte \(position) stands \(found), wanted was \(wanted)")
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws -> JSONValue {
        guard depth <= deepest else {
            throw PerchError(.invalid, "not JSON for Perch: nested deeper than \(deepest) at byte \(position)")
        }
        skipSpace()
        guard position < bytes.count else { throw fault("a value") }
        switch bytes[position] {
        case UInt8(ascii: "{"): return try object(depth: depth)
        case UInt8(ascii: "["): return try array(depth: depth)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return try number()
        }
    }

    private mutating func word(_ text: StaticString, _ value: JSONValue) throws -> JSONValue {
        let count = text.utf8CodeUnitCount
        for offset in 0..<count {
            guard position + offset < bytes.count, bytes[position + offset] == text.utf8Start[offset] else {
                throw fault("\(text)")
            }
        }
        position += count
        return value
    }

    private mutating func object(depth: Int) throws -> JSONValue {
        position += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "}") {
            position += 1
            return .object(members)
        }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw fault("a member's name") }
            let key = try string()
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else { throw fault("':'") }
            position += 1
            members[key] = try value(depth: depth + 1)
            skipSpace()
            guard position < bytes.count else { throw fault("',' or '}'") }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return .object(members)
            default: throw fault("',' or '}'")
            }
        }
    }

    private mutating func array(depth: Int) throws -> JSONValue {
        position += 1
        var elements: [JSONValue] = []
        skipSpace()
        if position < bytes.count, bytes[position] == UInt8(ascii: "]") {
            position += 1
            return .array(elements)
        }
        while true {
            elements.append(try value(depth: depth + 1))
            skipSpace()
            guard position < bytes.count else { throw fault("',' or ']'") }
            switch bytes[position] {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return .array(elements)
            default: throw fault("',' or ']'")
            }
        }
    }

    private mutating func string() throws -> String {
        position += 1
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\""), bytes[position] != UInt8(ascii: "\\"),
            bytes[position] >= 0x20
        {
            position += 1
        }
        guard position < bytes.count else { throw fault("'\"'") }
        if bytes[position] == UInt8(ascii: "\"") {
            defer { position += 1 }
            return try text(bytes[start..<position])
        }
        var buffer = Array(bytes[start..<position])
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return try buffer.withUnsafeBytes { try text($0[...]) }
            case UInt8(ascii: "\\"):
                try escape(into: &buffer)
            case 0..<0x20:
                throw fault("an escaped control character")
            default:
                buffer.append(byte)
                position += 1
            }
        }
        throw fault("'\"'")
    }

    private func text(_ slice: Slice<UnsafeRawBufferPointer>) throws -> String {
        guard let text = String(validating: slice, as: UTF8.self) else {
            throw PerchError(.invalid, "not JSON: the string that ends at byte \(position) is not UTF-8")
        }
        return text
    }

    private mutating func escape(into buffer: inout [UInt8]) throws {
        position += 1
        guard position < bytes.count else { throw fault("an escape") }
        let byte = bytes[position]
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): buffer.append(byte)
        case UInt8(ascii: "b"): buffer.append(0x08)
        case UInt8(ascii: "f"): buffer.append(0x0C)
        case UInt8(ascii: "n"): buffer.append(0x0A)
        case UInt8(ascii: "r"): buffer.append(0x0D)
        case UInt8(ascii: "t"): buffer.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            var code = try hexadecimal()
            if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hexadecimal()
                guard (0xDC00..<0xE000).contains(low) else { throw fault("the second half of a surrogate pair") }
                code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(code) else { throw fault("a whole surrogate pair") }
            buffer.append(contentsOf: Array(String(Character(scalar)).utf8))
            return
        default: throw fault("one of \" \\ / b f n r t u")
        }
        position += 1
    }

    private mutating func hexadecimal() throws -> UInt32 {
        var code: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count, let digit = Character(UnicodeScalar(bytes[position])).hexDigitValue else {
                throw fault("a hexadecimal digit")
            }
            code = code << 4 | UInt32(digit)
            position += 1
        }
        return code
    }

    private mutating func number() throws -> JSONValue {
        let start = position
        var isWhole = true
        if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
        let firstDigit = position
        try digits()
        if bytes[firstDigit] == UInt8(ascii: "0"), position - firstDigit > 1 {
            position = firstDigit + 1
            throw fault("no digit after a leading zero")
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: ".") {
            isWhole = false
            position += 1
            try digits()
        }
        if position < bytes.count, bytes[position] | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            position += 1
            if position < bytes.count, bytes[position] == UInt8(ascii: "+") || bytes[position] == UInt8(ascii: "-") {
                position += 1
            }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        if isWhole, let whole = Int64(text) { return .integer(whole) }
        guard let double = Double(text), double.isFinite else {
            throw PerchError(.invalid, "not JSON for Perch: the number at byte \(start) is out of range")
        }
        return .number(double)
    }

    private mutating func digits() throws {
        let start = position
        while position < bytes.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[position]) {
            position += 1
        }
        guard position > start else { throw fault("a digit") }
    }
}
