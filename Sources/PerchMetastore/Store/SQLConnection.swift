// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// One connection to a database, used by one thread at a time.
///
/// Statements are written in the subset that SQLite and PostgreSQL share, with two things left to the driver: values
/// are `:1`, `:2`, …, and words in braces stand for what differs (see `SQLDialect`).
package protocol SQLConnection: AnyObject {
    /// Runs a statement and gives the number of rows that it changed. The text of a literal is prepared once.
    func run(_ sql: StaticString, _ values: [SQLValue]) throws -> Int
    /// Runs a statement whose one row of values, in parentheses behind `VALUES`, stands for so many of them. `values` are those
    /// of all rows, one row after the other. Like `post`, it may go to the database later.
    func runMany(_ sql: StaticString, rows: Int, _ values: [SQLValue]) throws
    /// Runs a statement of which nobody asks how many rows it changed; it may go to the database with the next one, and its
    /// error come from there.
    func post(_ sql: StaticString, _ values: [SQLValue]) throws
    /// Returns when what was posted is done, or throws its error.
    func settle() throws
    /// Runs a query; `body` sees each row while the statement stands on it.
    func query(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws
    /// The same for the first row alone: others are not looked for.
    func queryFirst(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws
    /// Runs a query for each of several lists of values; `body` sees each row with the place of its list, and runs no
    /// statement. Where the database is on another machine, the answers are waited for together.
    func query(
        _ sql: StaticString, forEach lists: [[SQLValue]], _ body: (Int, borrowing SQLRow) throws -> Void) throws
    /// The same as `query` for a text that was put together; prepared for this call alone.
    func query(text sql: String, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws
    /// Runs statements without values or results, for schema and settings.
    func execute(script: String) throws
    /// Begins or ends a transaction or a part of one.
    func perform(_ step: TransactionStep) throws
    /// Rows changed by this connection since it was opened.
    var totalChanges: Int { get }
}

extension SQLConnection {
    package func post(_ sql: StaticString, _ values: [SQLValue]) throws { _ = try run(sql, values) }
    package func settle() throws {}
    package func query(
        _ sql: StaticString, forEach lists: [[SQLValue]], _ body: (Int, borrowing SQLRow) throws -> Void
    ) throws {
        for (place, values) in lists.enumerated() { try query(sql, values) { row in try body(place, row) } }
    }
}

/// By what a connection knows a statement that it has prepared: where the text of its literal lies, and how many rows of
/// values it has.
package struct StatementKey: Hashable {
    private let address: UInt
    private let rows: Int

    package init(_ sql: StaticString, rows: Int = 1) {
        address = UInt(bitPattern: sql.utf8Start)
        self.rows = rows
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(address &+ UInt(bitPattern: rows))
    }
}

/// What begins and ends transactions, and the parts of them that can be undone alone.
package enum TransactionStep: Sendable {
    /// A transaction that is going to write.
    case begin
    /// A transaction that only reads.
    case beginReading
    case commit
    case rollback
    /// Undoes what was written, and begins to write anew.
    case restart
    /// A part; parts do not lie in one another.
    case beginPart
    case endPart
    case undoPart
}
