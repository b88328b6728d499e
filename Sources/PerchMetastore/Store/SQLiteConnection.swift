// SPDX-License-Identifier: Apache-2.0

import GRDBSQLite
import PerchSDK

/// A connection that GRDB opened, driven through its raw handle with statements prepared once: about twice as fast as
/// through GRDB's own statements for the short ones that the engine lives on.
package final class SQLiteConnection: SQLConnection {
    private let handle: OpaquePointer
    private var prepared: [StatementKey: OpaquePointer] = [:]
    private let dialect = SQLDialect.sqlite
    private let rewrite: ((String) -> String)?
    /// Why SQLite has ended the transaction by itself, as it does where the disk is full or broken. What its owner does
    /// next is meant to be a part of it, and would be committed alone.
    private var loss: PerchError?
    /// SQLite copies what is bound: the values may go before the statement is run.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// A connection over an open handle, which somebody else closes.
    ///
    /// - Parameter rewrite: Changes a statement before it is prepared; for simulations that break one on purpose.
    package init(handle: OpaquePointer, rewrite: ((String) -> String)? = nil) {
        self.handle = handle
        self.rewrite = rewrite
    }

    /// To be called before the handle is closed.
    package func finalizeStatements() {
        for statement in prepared.values { sqlite3_finalize(statement) }
        prepared = [:]
    }

    package var totalChanges: Int { Int(sqlite3_total_changes(handle)) }

    package func run(_ sql: StaticString, _ values: [SQLValue]) throws -> Int {
        try step(sql, rows: 1, values)
        return Int(sqlite3_changes(handle))
    }

    package func runMany(_ sql: StaticString, rows: Int, _ values: [SQLValue]) throws {
        try step(sql, rows: rows, values)
    }

    private func step(_ sql: StaticString, rows: Int, _ values: [SQLValue]) throws {
        try requireTransaction()
        let statement = try statement(for: sql, rows: rows)
        defer { reset(statement) }
        try bind(values, to: statement)
        let wasInside = isInside
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_DONE: return
            case SQLITE_ROW: continue
            case let code: throw failure(code, "\(sql)", wasInside: wasInside)
            }
        }
    }

    package func query(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        try requireTransaction()
        let statement = try statement(for: sql)
        defer { reset(statement) }
        try bind(values, to: statement)
        try rows(of: statement, "\(sql)", body)
    }

    package func query(text sql: String, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws {
        let statement = try prepare(sql)
        defer { sqlite3_finalize(statement) }
        try bind(values, to: statement)
        try rows(of: statement, sql, body)
    }

    package func perform(_ step: TransactionStep) throws {
        switch step {
        case .begin:
            loss = nil
            _ = try run("BEGIN IMMEDIATE", [])
        case .beginReading:
            loss = nil
            _ = try run("BEGIN DEFERRED", [])
        case .commit: _ = try run("COMMIT", [])
        case .rollback:
            let wasLost = loss != nil
            loss = nil
            // Where SQLite has ended it by itself, there is nothing left to roll back.
            if wasLost, !isInside { return }
            _ = try run("ROLLBACK", [])
        case .beginPart: _ = try run("SAVEPOINT part", [])
        case .endPart: _ = try run("RELEASE part", [])
        case .undoPart:
            _ = try run("ROLLBACK TO part", [])
            _ = try run("RELEASE part", [])
        }
    }

    package func execute(script: String) throws {
        try requireTransaction()
        let wasInside = isInside
        let text = dialect.translate(script: rewrite?(script) ?? script)
        let code = sqlite3_exec(handle, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, script, wasInside: wasInside) }
    }

    private func rows(
        of statement: OpaquePointer, _ sql: @autoclosure () -> String, _ body: (borrowing SQLRow) throws -> Void
    ) throws {
        let wasInside = isInside
        while true {
            switch sqlite3_step(statement) {
            case SQLITE_DONE: return
            case SQLITE_ROW: try body(SQLRow(statement: statement))
            case let code: throw failure(code, sql(), wasInside: wasInside)
            }
        }
    }

    private var isInside: Bool { sqlite3_get_autocommit(handle) == 0 }

    private func requireTransaction() throws {
        guard let loss else { return }
        // Who shares the handle may have begun another one.
        guard isInside else { throw loss }
        self.loss = nil
    }

    /// The error of a statement that ran; remembered where the transaction went with it.
    private func failure(_ code: Int32, _ sql: String, wasInside: Bool) -> PerchError {
        let error = fault(code, sql)
        if wasInside, !isInside { loss = error }
        return error
    }

    private func statement(for sql: StaticString, rows: Int = 1) throws -> OpaquePointer {
        let key = StatementKey(sql, rows: rows)
        if let statement = prepared[key] {
            // A statement that is still under way (a query inside its own rows) cannot be used a second time.
            guard sqlite3_stmt_busy(statement) == 0 else {
                throw PerchError(.metastore, "a query was started again inside its own rows: \(sql)")
            }
            return statement
        }
        let statement = try prepare(SQLDialect.repeating(sql, rows: rows))
        prepared[key] = statement
        return statement
    }

    private func prepare(_ sql: String) throws -> OpaquePointer {
        var statement: OpaquePointer?
        let text = dialect.translate(rewrite?(sql) ?? sql)
        let code = sqlite3_prepare_v3(handle, text, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil)
        guard code == SQLITE_OK, let statement else { throw fault(code, sql) }
        return statement
    }

    private func reset(_ statement: OpaquePointer) {
        sqlite3_reset(statement)
        sqlite3_clear_bindings(statement)
    }

    private func bind(_ values: [SQLValue], to statement: OpaquePointer) throws {
        var index: Int32 = 1
        for value in values {
            let code: Int32
            switch value {
            case .null: code = sqlite3_bind_null(statement, index)
            case .integer(let number): code = sqlite3_bind_int64(statement, index, number)
            case .real(let number): code = sqlite3_bind_double(statement, index, number)
            case .text(var text):
                code = text.withUTF8 { bytes in
                    bytes.withMemoryRebound(to: CChar.self) { characters in
                        // An empty string has no base address, and a null pointer would bind NULL.
                        guard let start = characters.baseAddress else {
                            return sqlite3_bind_text(statement, index, "", 0, Self.transient)
                        }
                        return sqlite3_bind_text(statement, index, start, Int32(characters.count), Self.transient)
                    }
                }
            }
            guard code == SQLITE_OK else { throw fault(code, "value \(index)") }
            index += 1
        }
    }

    private func fault(_ code: Int32, _ sql: String) -> PerchError {
        let message = String(cString: sqlite3_errmsg(handle))
        return SQLiteFault.error(code: code, message: message, statement: sql)
    }
}
