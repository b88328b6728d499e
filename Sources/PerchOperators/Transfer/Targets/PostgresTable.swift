// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Writes rows into a table of PostgreSQL, in one transaction: by COPY, or, where the server takes none, by INSERT with many rows
/// each. Rows that overwrite others come into a temporary table first.
final class PostgresTable: RowTarget {
    private static let stage = "perch_rows"
    private static let number = "perch_row"

    private let table: String
    private let mode: TableMode
    private let session: PostgresSession
    private var columns: [String] = []
    private var keys: [String] = []
    private var isCopying = false
    private var rows = 0
    private var bytes = 0

    init(_ table: String, _ mode: TableMode, _ server: PostgresServerSettings, _ stop: StopSignal) throws {
        self.table = table
        self.mode = mode
        session = try PostgresSession(server, stop, statementTimeout: nil)
    }

    private var name: String { SQLColumns.quoted(table, dotted: true) }
    private var isUpsert: Bool { if case .upsert = mode { true } else { false } }

    func begin(_ columns: [String]) throws {
        try session.command("BEGIN")
        var own: [String] = []
        try session.run("SELECT * FROM \(name) LIMIT 0", [], together: false, SQLTaker(columns: { own = $0 }))
        (self.columns, keys) = try TableColumns.matched(columns, with: own, table, mode)
        if case .replace = mode { try session.command("DELETE FROM \(name)") }
        guard !columns.isEmpty else { return }
        if isUpsert {
            try session.command(
                "CREATE TEMPORARY TABLE \(Self.stage) AS SELECT \(TableColumns.list(self.columns)), CAST(0 AS bigint) AS "
                    + "\(Self.number) FROM \(name) WHERE 1 = 0")
        }
        guard !session.server.isRedshift else { return }
        try session.beginCopy("COPY \(destination) (\(destinationColumns)) FROM STDIN")
        isCopying = true
    }

    private var destination: String { isUpsert ? Self.stage : name }
    private var destinationColumns: String {
        TableColumns.list(isUpsert ? columns + [Self.number] : columns)
    }

    func write(_ rows: [[SQLCell]], first: Int) throws {
        if isCopying { try copy(rows, first) } else { try insert(rows, first) }
        self.rows += rows.count
    }

    private func copy(_ rows: [[SQLCell]], _ first: Int) throws {
        var text: [UInt8] = []
        for (index, row) in rows.enumerated() {
            for (place, cell) in row.enumerated() {
                if place > 0 { text.append(0x09) }
                cell.appendCopy(to: &text)
            }
            if isUpsert { text += "\t\(first + index)".utf8 }
            text.append(0x0A)
        }
        bytes += text.count
        try session.copy(text)
    }

    private func insert(_ rows: [[SQLCell]], _ first: Int) throws {
        let width = columns.count + (isUpsert ? 1 : 0)
        // The protocol counts parameters in 16 bits; more of them cost the server more than they save.
        let most = max(1, 8_000 / width)
        for start in stride(from: 0, to: rows.count, by: most) {
            var parameters: [JSONValue] = []
            var tuples: [String] = []
            for index in start..<min(start + most, rows.count) {
                var places: [String] = []
                var values = rows[index].map { cell in cell.written.map { JSONValue.string($0) } ?? .null }
                if isUpsert { values.append(.string("\(first + index)")) }
                for value in values {
                    parameters.append(value)
                    places.append("$\(parameters.count)")
                    if case .string(let text) = value { bytes += text.utf8.count }
                }
                tuples.append("(\(places.joined(separator: ", ")))")
            }
            let text = "INSERT INTO \(destination) (\(destinationColumns)) VALUES \(tuples.joined(separator: ", "))"
            let place = "rows \(first + start) to \(first + start + tuples.count - 1)"
            try session.command(text, parameters, place: place)
        }
    }

    func finish() throws -> (rows: Int, bytes: Int) {
        if isCopying {
            rows = try session.endCopy()
            isCopying = false
        }
        if isUpsert, !columns.isEmpty { try merge() }
        try session.commit()
        session.close()
        return (rows, bytes)
    }

    /// Brings the rows from the temporary table over; of those with the same keys the last one.
    private func merge() throws {
        let (list, keyList) = (TableColumns.list(columns), TableColumns.list(keys))
        let rows = """
            SELECT \(list) FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY \(keyList) ORDER BY \(Self.number) DESC) AS perch_place \
            FROM \(Self.stage)) AS perch_latest WHERE perch_place = 1
            """
        if session.server.isRedshift {
            let same = keys.map { "\(name).\(SQLColumns.quoted($0)) = \(Self.stage).\(SQLColumns.quoted($0))" }
            try session.command("DELETE FROM \(name) USING \(Self.stage) WHERE \(same.joined(separator: " AND "))")
            try session.command("INSERT INTO \(name) (\(list)) \(rows)")
        } else {
            try session.command(
                "INSERT INTO \(name) (\(list)) \(rows) ON CONFLICT (\(keyList)) DO "
                    + TableColumns.update(columns, keys, from: "EXCLUDED"))
        }
        try session.command("DROP TABLE \(Self.stage)")
    }

    func abandon() { session.close() }
}

extension SQLCell {
    /// Appends the value in the text form of COPY.
    func appendCopy(to bytes: inout [UInt8]) {
        guard let text = written else {
            bytes += "\\N".utf8
            return
        }
        for byte in text.utf8 {
            switch byte {
            case 0x5C: bytes += [0x5C, 0x5C]
            case 0x09: bytes += [0x5C, 0x74]
            case 0x0A: bytes += [0x5C, 0x6E]
            case 0x0D: bytes += [0x5C, 0x72]
            default: bytes.append(byte)
            }
        }
    }
}
