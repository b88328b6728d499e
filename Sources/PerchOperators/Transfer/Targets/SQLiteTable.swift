// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Writes rows into a table of SQLite, in one transaction.
final class SQLiteTable: RowTarget {
    private let table: String
    private let mode: TableMode
    private let session: SQLiteSession
    private var statement: OpaquePointer?
    private var rows = 0
    private var bytes = 0

    init(_ table: String, _ mode: TableMode, _ file: SQLiteFile, _ stop: StopSignal) throws {
        self.table = table
        self.mode = mode
        session = try SQLiteSession(file, stop, statementTimeout: nil)
    }

    deinit { abandon() }

    func begin(_ columns: [String]) throws {
        let name = SQLColumns.quoted(table, dotted: true)
        try session.command("BEGIN IMMEDIATE")
        var own: [String] = []
        try session.run("SELECT * FROM \(name) LIMIT 0", [], together: false, SQLTaker(columns: { own = $0 }))
        let (columns, keys) = try TableColumns.matched(columns, with: own, table, mode)
        if case .replace = mode { try session.command("DELETE FROM \(name)") }
        guard !columns.isEmpty else { return }
        let places = columns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        var text = "INSERT INTO \(name) (\(TableColumns.list(columns))) VALUES (\(places))"
        if case .upsert = mode {
            text +=
                " ON CONFLICT (\(TableColumns.list(keys))) DO \(TableColumns.update(columns, keys, from: "excluded"))"
        }
        statement = try session.prepared(text)
    }

    func write(_ rows: [[SQLCell]], first: Int) throws {
        guard let statement else { return }
        for (index, row) in rows.enumerated() {
            try session.insert(row, statement) { "row \(first + index)" }
            bytes += row.reduce(0) { $0 + $1.size }
        }
        self.rows += rows.count
    }

    func finish() throws -> (rows: Int, bytes: Int) {
        end()
        try session.command("COMMIT")
        session.close()
        return (rows, bytes)
    }

    private func end() {
        if let statement { session.finalize(statement) }
        statement = nil
    }

    func abandon() {
        end()
        session.close()
    }
}
