// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Writes comma-separated values.
final class CSVWriter: RowWriter {
    private let format: CSVFormat
    private let delimiter: UInt8
    private let null: [UInt8]

    init(_ format: CSVFormat) {
        self.format = format
        delimiter = format.delimiter.utf8.first ?? 0x2C
        null = Array(format.null.utf8)
    }

    func begin(_ columns: [String], _ bytes: inout [UInt8]) {
        guard format.hasHeader, !columns.isEmpty else { return }
        row(columns.map { .text($0) }, &bytes)
    }

    func row(_ row: [SQLCell], _ bytes: inout [UInt8]) {
        for (index, cell) in row.enumerated() {
            if index > 0 { bytes.append(delimiter) }
            guard let text = cell.written else {
                bytes += null
                continue
            }
            let utf8 = Array(text.utf8)
            let needsQuotes =
                utf8 == null || utf8.contains { $0 == delimiter || $0 == 0x22 || $0 == 0x0A || $0 == 0x0D }
            guard needsQuotes else {
                bytes += utf8
                continue
            }
            bytes.append(0x22)
            for byte in utf8 {
                if byte == 0x22 { bytes.append(0x22) }
                bytes.append(byte)
            }
            bytes.append(0x22)
        }
        bytes.append(0x0A)
    }

    func end(_ bytes: inout [UInt8]) {}
}

/// Writes rows as JSON objects, with the members in the order of the columns.
class JSONRowWriter {
    private var names: [[UInt8]] = []

    func take(_ columns: [String]) {
        names = columns.map { name in
            var bytes: [UInt8] = []
            JSONValue.append(name, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            return bytes
        }
    }

    func object(_ row: [SQLCell], _ bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "{"))
        for (index, cell) in row.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += names[index]
            cell.append(to: &bytes)
        }
        bytes.append(UInt8(ascii: "}"))
    }
}

/// Writes one JSON object a line.
final class JSONLinesWriter: JSONRowWriter, RowWriter {
    func begin(_ columns: [String], _ bytes: inout [UInt8]) { take(columns) }

    func row(_ row: [SQLCell], _ bytes: inout [UInt8]) {
        object(row, &bytes)
        bytes.append(0x0A)
    }

    func end(_ bytes: inout [UInt8]) {}
}

/// Writes one JSON array.
final class JSONArrayWriter: JSONRowWriter, RowWriter {
    private var isFirst = true

    func begin(_ columns: [String], _ bytes: inout [UInt8]) {
        take(columns)
        isFirst = true
        bytes.append(UInt8(ascii: "["))
    }

    func row(_ row: [SQLCell], _ bytes: inout [UInt8]) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(0x0A)
        object(row, &bytes)
    }

    func end(_ bytes: inout [UInt8]) { bytes += Array("\n]\n".utf8) }
}

extension SQLCell {
    /// Appends the value as JSON, every digit of it.
    func append(to bytes: inout [UInt8]) {
        switch self {
        case .null: bytes += "null".utf8
        case .bool(let flag): bytes += (flag ? "true" : "false").utf8
        case .integer(let number): bytes += "\(number)".utf8
        case .number(let number) where number.isFinite: bytes += "\(number)".utf8
        case .decimal(let digits) where Self.isJSONNumber(digits): bytes += digits.utf8
        case .json(let text):
            // On one line, whatever the database keeps.
            if text.utf8.contains(0x0A) || text.utf8.contains(0x0D) {
                json.append(to: &bytes)
            } else {
                bytes += text.utf8
            }
        case .number, .decimal, .text, .bytes: JSONValue.append(written ?? "", to: &bytes)
        }
    }

    private static func isJSONNumber(_ text: String) -> Bool {
        var rest = text.utf8[...]
        if rest.first == 0x2D { rest = rest.dropFirst() }
        let whole = rest.prefix { (0x30...0x39).contains($0) }
        guard !whole.isEmpty, whole.count == 1 || whole.first != 0x30 else { return false }
        rest = rest[whole.endIndex...]
        guard rest.popFirst() == 0x2E else { return whole.endIndex == text.utf8.endIndex }
        return !rest.isEmpty && rest.allSatisfy { (0x30...0x39).contains($0) }
    }
}
