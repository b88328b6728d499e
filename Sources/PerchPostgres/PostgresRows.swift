// SPDX-License-Identifier: Apache-2.0

internal import CPQ
internal import PerchMetastore

/// The rows of a result, one after another, in PostgreSQL's text form.
final class PostgresRows: SQLCells {
    private let result: OpaquePointer
    private var row: Int32 = 0

    /// Takes the result, and clears it.
    init(_ result: OpaquePointer) { self.result = result }

    deinit { PQclear(result) }

    /// How many rows the statement changed.
    var changed: Int { PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0 }

    /// `COMMIT`, or what the server has made of it.
    var tag: String { PQcmdStatus(result).map { String(cString: $0) } ?? "" }

    func forEach(_ body: (borrowing SQLRow) throws -> Void) rethrows {
        for index in 0..<PQntuples(result) {
            row = index
            try body(SQLRow(self))
        }
    }

    func first(_ body: (borrowing SQLRow) throws -> Void) rethrows {
        row = 0
        if PQntuples(result) > 0 { try body(SQLRow(self)) }
    }

    func isNull(_ column: Int32) -> Bool { PQgetisnull(result, row, column) != 0 }

    func int64(_ column: Int32) -> Int64 {
        let bytes = bytes(column)
        // A truth value.
        if bytes.count == 1, bytes[0] == UInt8(ascii: "t") { return 1 }
        // An inline sum of the digits: `Int64(_:)` wants a text of its own.
        var digits = bytes[...]
        let isNegative = digits.first == UInt8(ascii: "-")
        if isNegative { digits = digits.dropFirst() }
        var number: Int64 = 0
        for byte in digits {
            // What a fraction adds is cut off, as SQLite does.
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { break }
            let digit = Int64(byte - UInt8(ascii: "0"))
            // Negative, for the lowest has no positive.
            number = number &* 10 &- digit
        }
        return isNegative ? number : 0 &- number
    }

    func text(_ column: Int32) -> String { String(decoding: bytes(column), as: UTF8.self) }

    private func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: PQgetvalue(result, row, column), count: Int(PQgetlength(result, row, column)))
    }
}
