// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// One connection to a database, used by one thread at a time.
///
/// Statements are written in the subset that SQLite and PostgreSQL share, with two things left to the driver: values
/// are `:1`, `:2`, …, and words in braces stand for what differs (see `SQLDialect`).
package protocol SQLConnection: AnyObject {
    /// Runs a statement and gives the number of rows that it changed. The text of a literal is prepared once.
    func run(_ sql: StaticString, _ values: [SQLValue]) throws -> Int
    /// Runs a query; `body` sees each row while the statement stands on it.
    func query(_ sql: StaticString, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws
    /// The same for a text that was put together; prepared for this call alone.
    func query(text sql: String, _ values: [SQLValue], _ body: (borrowing SQLRow) throws -> Void) throws
    /// Runs statements without values or results, for schema and settings.
    func execute(script: String) throws
    /// Begins or ends a transaction or a part of one.
    func perform(_ step: TransactionStep) throws
    /// Rows changed by this connection since it was opened.
    var totalChanges: Int { get }
}

/// What begins and ends transactions, and the parts of them that can be undone alone.
package enum TransactionStep: Sendable {
    /// A transaction that is going to write.
    case begin
    /// A transaction that only reads.
    case beginReading
    case commit
    case rollback
    /// A part; parts do not lie in one another.
    case beginPart
    case endPart
    case undoPart
}

/// The words in braces.
struct SQLDialect: Sendable {
    /// Behind a table's columns, where the primary key is how rows are looked up and stored.
    var clustered: String
    /// Behind every other table's columns.
    var table: String
    /// A whole number of 64 bits; of a primary key it makes the row's own number.
    var int64: String
    /// Behind a `SELECT` whose rows are about to be changed.
    var forUpdate: String
    /// Behind a `SELECT` that claims rows nobody else is claiming.
    var skipLocked: String

    static let sqlite = SQLDialect(
        clustered: "STRICT, WITHOUT ROWID", table: "STRICT", int64: "INTEGER", forUpdate: "", skipLocked: "")

    /// The statement with the words and the placeholders of the driver.
    func translate(_ sql: String, placeholder: Character) -> String {
        var text = sql
        if text.contains("{") {
            for (word, meaning) in [
                ("{clustered}", clustered), ("{table}", table), ("{int64}", int64),
                ("{for_update}", forUpdate), ("{skip_locked}", skipLocked),
            ] {
                text = text.split(separator: word, omittingEmptySubsequences: false).joined(separator: meaning)
            }
        }
        // `:n` becomes the driver's own mark; a colon that is no placeholder (`::`, a literal) has no digit behind it.
        var translated = ""
        translated.reserveCapacity(text.utf8.count)
        var rest = text[...]
        while let colon = rest.firstIndex(of: ":") {
            translated += rest[..<colon]
            let next = rest.index(after: colon)
            translated.append(next < rest.endIndex && rest[next].isNumber ? placeholder : ":")
            rest = rest[next...]
        }
        translated += rest
        return translated
    }
}
