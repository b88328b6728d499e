// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Makes rows of JSON objects.
final class JSONRows {
    private let pipe: TransferPipe
    private let wanted: [TransferColumn]
    private var columns: [String] = []
    private var known: Set<String> = []
    private var hasBegun = false

    init(_ pipe: TransferPipe, _ wanted: [TransferColumn]) {
        self.pipe = pipe
        self.wanted = wanted
    }

    /// Takes the text of an object.
    func take(_ bytes: UnsafeRawBufferPointer, place: String, line: Int) throws {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch let error as PerchError {
            throw NonRetryable("\(place): \(error.message)")
        }
        try take(value, place: place, line: line)
    }

    /// Takes an object. Without columns that are wanted, the first one says which there are.
    func take(_ value: JSONValue, place: String, line: Int) throws {
        guard case .object(let members) = value else {
            throw NonRetryable("\(place): a row is an object, not \(value.text.shown(60))")
        }
        if !hasBegun {
            hasBegun = true
            var seen: Set<String> = []
            columns =
                wanted.isEmpty ? members.keys.sorted() : wanted.map(\.source).filter { seen.insert($0).inserted }
            known = Set(columns)
            try pipe.begin(columns)
        }
        if wanted.isEmpty, members.count > columns.count || !members.keys.allSatisfy(known.contains) {
            let name = members.keys.sorted().first { !known.contains($0) } ?? ""
            throw NonRetryable(
                "\(place): there is '\(name.shown(60))', which the first row does not have; name the columns that are wanted"
            )
        }
        try pipe.take(columns.map { members[$0].map { SQLCell($0) } ?? .null }, line: line)
    }
}

/// Reads one JSON object a line.
final class JSONLinesReader: RowReader {
    private let rows: JSONRows
    private var left: [UInt8] = []
    private var line = 1

    init(_ rows: JSONRows) { self.rows = rows }

    func take(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while let end = rest.firstIndex(of: 0x0A) {
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<end])
            if left.isEmpty {
                try row(piece)
            } else {
                left += piece
                try left.withUnsafeBytes { try row($0) }
                left.removeAll(keepingCapacity: true)
            }
            line += 1
            rest = rest[(end + 1)...]
        }
        left += rest
        guard left.count <= RowBounds.longest else {
            throw NonRetryable("line \(line): the row is longer than \(RowBounds.longest) bytes")
        }
    }

    func end() throws { try left.withUnsafeBytes { try row($0) } }

    private func row(_ bytes: UnsafeRawBufferPointer) throws {
        guard bytes.contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0D }) else { return }
        try rows.take(bytes, place: "line \(line)", line: line)
    }
}

/// Reads the elements of one JSON array as they come.
final class JSONArrayReader: RowReader {
    private enum State {
        case before, first, element, between, next, after
    }

    private let rows: JSONRows
    private var state = State.before
    private var element: [UInt8] = []
    private var depth = 0
    private var (isQuoted, isEscaped) = (false, false)
    private var line = 1
    private var elementLine = 1
    private var count = 0

    init(_ rows: JSONRows) { self.rows = rows }

    func take(_ bytes: UnsafeRawBufferPointer) throws {
        for byte in bytes { try take(byte) }
    }

    @inline(__always) private func take(_ byte: UInt8) throws {
        if byte == 0x0A { line += 1 }
        if state == .element { return try within(byte) }
        if byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { return }
        switch (state, byte) {
        case (.before, UInt8(ascii: "[")): state = .first
        case (.before, 0xEF), (.before, 0xBB), (.before, 0xBF): break  // a byte order mark
        case (.first, UInt8(ascii: "]")), (.between, UInt8(ascii: "]")): state = .after
        case (.between, UInt8(ascii: ",")): state = .next
        case (.first, UInt8(ascii: "{")), (.next, UInt8(ascii: "{")):
            state = .element
            elementLine = line
            depth = 1
            element.append(byte)
        default:
            let wanted =
                switch state {
                case .before: "an array, which begins with '['"
                case .after: "the end"
                case .between: "',' or ']'"
                default: "an object, which is a row"
                }
            let found = String(decoding: [byte], as: UTF8.self).shown(8)
            throw NonRetryable("line \(line): wanted was \(wanted), found is '\(found)'")
        }
    }

    private func within(_ byte: UInt8) throws {
        element.append(byte)
        if isQuoted {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isQuoted = false
            }
            return
        }
        switch byte {
        case UInt8(ascii: "\""): isQuoted = true
        case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            guard depth == 0 else { return }
            count += 1
            try element.withUnsafeBytes {
                try rows.take($0, place: "element \(count) (line \(elementLine))", line: elementLine)
            }
            element.removeAll(keepingCapacity: true)
            state = .between
        default:
            guard element.count <= RowBounds.longest else {
                throw NonRetryable("line \(elementLine): the row is longer than \(RowBounds.longest) bytes")
            }
        }
    }

    func end() throws {
        switch state {
        case .after: return
        case .before: throw NonRetryable("line \(line): there is no array")
        case .element: throw NonRetryable("line \(elementLine): the object that begins there does not end")
        case .first, .between, .next: throw NonRetryable("line \(line): the array does not end")
        }
    }
}
