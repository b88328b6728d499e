// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDBSQLite

/// SQLite through its C API: what the bare machine can do at this moment, on the same disk.
struct RawSQLite {
    private let handle: OpaquePointer

    init(path: String) throws {
        var opened: OpaquePointer?
        guard sqlite3_open(path, &opened) == SQLITE_OK, let opened else { throw BenchError("cannot open \(path)") }
        handle = opened
        sqlite3_busy_timeout(handle, 5000)
        try execute("PRAGMA journal_mode = WAL")
        try execute("PRAGMA synchronous = FULL")
    }

    func close() { sqlite3_close(handle) }

    func execute(_ sql: String) throws {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else {
            throw BenchError("\(String(cString: sqlite3_errmsg(handle))): \(sql)")
        }
    }

    /// Runs a statement for each number of a range, in transactions of `batch` rows. Gives rows a second.
    func rate(_ sql: String, rows: Int, batch: Int) throws -> Double {
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK else {
            throw BenchError("\(String(cString: sqlite3_errmsg(handle))): \(sql)")
        }
        defer { sqlite3_finalize(statement) }
        let start = Monotonic.seconds
        var row = 0
        while row < rows {
            try execute("BEGIN IMMEDIATE")
            for _ in 0..<min(batch, rows - row) {
                row += 1
                sqlite3_bind_int64(statement, 1, Int64(row))
                guard sqlite3_step(statement) == SQLITE_DONE else { throw BenchError("a step failed") }
                sqlite3_reset(statement)
            }
            try execute("COMMIT")
        }
        return Double(rows) / (Monotonic.seconds - start)
    }

    /// A table like that of task instances: a key, a state, a text.
    func makeTable() throws {
        try execute("CREATE TABLE bench (id INTEGER PRIMARY KEY, state TEXT NOT NULL, detail TEXT) STRICT")
    }

    static let insert = "INSERT INTO bench (id, state, detail) VALUES (?1, 'deferred', 'a target as long as they are')"
    static let update = "UPDATE bench SET state = 'success' WHERE id = ?1 AND state = 'deferred'"

    /// Rows a second for inserts and for compare-and-set updates of the same rows, in batches of 1,000.
    static func rates(in directory: String, rows: Int) throws -> (insert: Double, update: Double) {
        let path = "\(directory)/raw-\(Monotonic.nanoseconds).db"
        let database = try RawSQLite(path: path)
        defer { database.close() }
        try database.makeTable()
        return (
            try database.rate(insert, rows: rows, batch: 1000), try database.rate(update, rows: rows, batch: 1000)
        )
    }

    /// The median time of a durable commit of one row, in ms.
    static func commitTime(in directory: String) throws -> Double {
        let path = "\(directory)/commit-\(Monotonic.nanoseconds).db"
        let database = try RawSQLite(path: path)
        defer { database.close() }
        try database.makeTable()
        var times: [Double] = []
        for row in 0..<300 {
            let start = Monotonic.nanoseconds
            try database.execute("INSERT INTO bench (id, state) VALUES (\(row), 'none')")
            times.append(Double(Monotonic.nanoseconds - start) / 1e6)
        }
        return times.sorted()[times.count / 2]
    }

    /// How long it takes to read all rows of a query on a home's metastore, every column touched, in seconds.
    static func readTime(_ sql: String, home: String) throws -> Double {
        let database = try RawSQLite(path: home + "/perch.db")
        defer { database.close() }
        var statement: OpaquePointer?
        guard sqlite3_prepare_v2(database.handle, sql, -1, &statement, nil) == SQLITE_OK else {
            throw BenchError("\(String(cString: sqlite3_errmsg(database.handle))): \(sql)")
        }
        defer { sqlite3_finalize(statement) }
        let start = Monotonic.seconds
        let columns = sqlite3_column_count(statement)
        var bytes: Int64 = 0
        while sqlite3_step(statement) == SQLITE_ROW {
            for column in 0..<columns { bytes += Int64(sqlite3_column_bytes(statement, column)) }
        }
        guard bytes > 0 else { throw BenchError("there are no rows to read") }
        return Monotonic.seconds - start
    }
}
