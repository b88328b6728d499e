// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Reads comma-separated values. What is wrong is named by line and column.
final class CSVReader: RowReader {
    private enum State {
        /// Before a field's first byte.
        case start
        case plain
        case quoted
        /// After a quote in a quoted field: it ends it, or is one of two.
        case quote
        /// After a CR that was not quoted.
        case carriage
    }

    private let format: CSVFormat
    private let pipe: TransferPipe
    private let delimiter: UInt8
    private let null: [UInt8]
    private var state = State.start
    private var field: [UInt8] = []
    private var row: [SQLCell] = []
    private var rowSize = 0
    private var line = 1
    private var rowLine = 1
    private var fieldLine = 1
    private var columns = 0
    /// How many bytes of a byte order mark have been seen.
    private var marks = 0
    private static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    init(_ format: CSVFormat, _ pipe: TransferPipe) {
        self.format = format
        self.pipe = pipe
        delimiter = format.delimiter.utf8.first ?? 0x2C
        null = Array(format.null.utf8)
        if format.encoding != .utf8 { marks = 3 }
    }

    func take(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes[...]
        while marks < 3, let byte = rest.first {
            guard byte == Self.mark[marks] else {
                // No mark after all.
                field += Self.mark[..<marks]
                if marks > 0 { state = .plain }
                marks = 3
                break
            }
            marks = marks == 2 ? 3 : marks + 1
            rest = rest.dropFirst()
        }
        for byte in rest { try take(byte) }
    }

    @inline(__always) private func take(_ byte: UInt8) throws {
        if state == .carriage {
            state = .start
            line += 1
            rowLine = line
            // Without an LF the CR alone ended the line.
            if byte == 0x0A { return }
        }
        switch state {
        case .start, .plain:
            switch byte {
            case delimiter: try endField(isQuoted: false)
            case 0x0A:
                try endRow(isQuoted: false)
                line += 1
                rowLine = line
            case 0x0D:
                try endRow(isQuoted: false)
                state = .carriage
            case 0x22 where state == .start:
                fieldLine = line
                state = .quoted
            case 0x22:
                throw fault("a quote stands in the middle of a field; put the field in quotes, and double it")
            default:
                field.append(byte)
                state = .plain
            }
        case .quoted:
            if byte == 0x22 {
                state = .quote
            } else {
                if byte == 0x0A { line += 1 }
                field.append(byte)
                guard field.count <= RowBounds.longest else { throw tooLong() }
            }
        case .quote:
            switch byte {
            case 0x22:
                field.append(byte)
                state = .quoted
            case delimiter: try endField(isQuoted: true)
            case 0x0A:
                try endRow(isQuoted: true)
                line += 1
                rowLine = line
            case 0x0D:
                try endRow(isQuoted: true)
                state = .carriage
            default: throw fault("something follows the quote that ends a field")
            }
        case .carriage: break
        }
    }

    func end() throws {
        if marks < 3 {
            field += Self.mark[..<marks]
            if marks > 0 { state = .plain }
            marks = 3
        }
        switch state {
        case .quoted:
            throw NonRetryable("line \(fieldLine), column \(row.count + 1): the quote that begins there does not end")
        case .quote: try endRow(isQuoted: true)
        case .plain: try endRow(isQuoted: false)
        case .start: if !row.isEmpty { try endRow(isQuoted: false) }
        case .carriage: break
        }
        if columns == 0, !format.names.isEmpty { try begin(format.names) }
    }

    private func endField(isQuoted: Bool) throws {
        rowSize += field.count
        guard rowSize <= RowBounds.longest else { throw tooLong() }
        if !isQuoted, field == null, columns > 0 || !format.hasHeader {
            row.append(.null)
        } else {
            guard let text = CSVEncoding.text(field, format.encoding) else {
                throw fault("the field is not \(format.encoding.rawValue); give the file's encoding")
            }
            row.append(.text(text))
        }
        field.removeAll(keepingCapacity: true)
        state = .start
    }

    private func endRow(isQuoted: Bool) throws {
        // An empty line is a row of one null, and nothing where there are several columns.
        if row.isEmpty, field.isEmpty, !isQuoted, columns != 1 { return state = .start }
        try endField(isQuoted: isQuoted)
        let cells = row
        row.removeAll(keepingCapacity: true)
        rowSize = 0
        if columns == 0 {
            if format.hasHeader {
                return try begin(format.names.isEmpty ? cells.map { $0.written ?? "" } : format.names, cells.count)
            }
            try begin(format.names.isEmpty ? cells.indices.map { "c\($0 + 1)" } : format.names)
        }
        guard cells.count == columns else {
            throw NonRetryable("line \(rowLine): the row has \(cells.count) fields, and there are \(columns) columns")
        }
        try pipe.take(cells, line: rowLine)
    }

    private func begin(_ names: [String], _ found: Int? = nil) throws {
        if let found, found != names.count {
            throw NonRetryable("line 1: the header has \(found) fields, and \(names.count) names are given")
        }
        columns = names.count
        for (index, name) in names.enumerated() {
            if name.isEmpty { throw NonRetryable("line 1, column \(index + 1): the column has no name") }
            if names[..<index].contains(name) {
                throw NonRetryable("line 1, column \(index + 1): there is a column '\(name.shown(60))' already")
            }
        }
        try pipe.begin(names)
    }

    private func fault(_ words: String) -> NonRetryable {
        NonRetryable("line \(line), column \(row.count + 1): \(words)")
    }

    private func tooLong() -> NonRetryable {
        NonRetryable("line \(rowLine): the row is longer than \(RowBounds.longest) bytes; a quote may be missing")
    }
}

/// Bytes as letters.
enum CSVEncoding {
    /// 0x80 to 0x9F of Windows; 0: there is no letter.
    private static let windows: [UInt32] = [
        0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
        0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E,
        0x0178,
    ]

    /// Nil where the bytes are none of it.
    static func text(_ bytes: [UInt8], _ encoding: CSVFormat.Encoding) -> String? {
        if encoding == .utf8 { return String(validating: bytes, as: UTF8.self) }
        var text = String.UnicodeScalarView()
        for byte in bytes {
            var number = UInt32(byte)
            if encoding == .windows1252, (0x80...0x9F).contains(byte) { number = windows[Int(byte) - 0x80] }
            guard let scalar = Unicode.Scalar(number), number > 0 || byte == 0 else { return nil }
            text.append(scalar)
        }
        return String(text)
    }
}
