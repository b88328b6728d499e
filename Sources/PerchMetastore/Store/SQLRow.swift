// SPDX-License-Identifier: Apache-2.0

import GRDBSQLite
package import PerchSDK

/// A row under the cursor of a statement. Columns count from 0; reading one of another type is a defect of the query.
package struct SQLRow: ~Copyable {
    /// SQLite's statement; nil where another driver's cells are read.
    private let statement: OpaquePointer?
    /// Unowned, because a row does not outlive the query that hands it out, and that one holds them.
    private unowned(unsafe) let cells: (any SQLCells)?

    init(statement: OpaquePointer) {
        self.statement = statement
        cells = nil
    }

    /// The row on which another driver's cells stand.
    package init(_ cells: any SQLCells) {
        statement = nil
        self.cells = cells
    }

    package func isNull(_ column: Int32) -> Bool {
        if let cells { return cells.isNull(column) }
        return sqlite3_column_type(statement, column) == SQLITE_NULL
    }

    package func int64(_ column: Int32) -> Int64 {
        if let cells { return cells.int64(column) }
        return sqlite3_column_int64(statement, column)
    }

    package func int(_ column: Int32) -> Int { Int(int64(column)) }
    package func bool(_ column: Int32) -> Bool { int64(column) != 0 }
    package func time(_ column: Int32) -> Timestamp { Timestamp(microseconds: int64(column)) }

    package func text(_ column: Int32) -> String {
        if let cells { return cells.text(column) }
        guard let bytes = sqlite3_column_text(statement, column) else { return "" }
        let count = Int(sqlite3_column_bytes(statement, column))
        return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
    }

    package func optionalInt64(_ column: Int32) -> Int64? { isNull(column) ? nil : int64(column) }
    package func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
    package func optionalTime(_ column: Int32) -> Timestamp? { isNull(column) ? nil : time(column) }
    package func optionalSpan(_ column: Int32) -> TimeSpan? {
        isNull(column) ? nil : TimeSpan(microseconds: int64(column))
    }

    /// A column that holds the name of a case; a name that is unknown is damage, not a default.
    package func name<Name: RawRepresentable<String>>(_ column: Int32, as type: Name.Type = Name.self) throws -> Name {
        let text = text(column)
        guard let name = Name(rawValue: text) else {
            throw PerchError(.metastore, "the metastore holds '\(text)' where a \(type) belongs")
        }
        return name
    }

    package func optionalName<Name: RawRepresentable<String>>(
        _ column: Int32, as type: Name.Type = Name.self
    ) throws -> Name? {
        isNull(column) ? nil : try name(column, as: type)
    }

    /// A column that holds JSON text.
    package func json(_ column: Int32) throws -> JSONValue {
        try JSONValue(parsingEnvelope: text(column))
    }
}
