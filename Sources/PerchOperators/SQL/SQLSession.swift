// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What takes the rows of statements as they come.
struct SQLTaker {
    /// A statement that gives rows begins: the names of its columns, each unique.
    var columns: ([String]) throws -> Void = { _ in }
    /// One row.
    var row: ([SQLCell]) throws -> Void = { _ in }
    /// A statement has ended: the line that it begins in, how many rows it gave, how many it changed where that is known.
    var end: (_ line: Int, _ rows: Int, _ changed: Int?) -> Void = { _, _, _ in }
}

/// A connection to a database, on the thread that it blocks. Closing it takes back what is not committed.
protocol SQLSession: AnyObject {
    /// As messages name it, without what is secret.
    var name: String { get }
    /// Runs the statements of a text one after another.
    ///
    /// - Parameters:
    ///   - parameters: The values of `$1`, `$2`, …, in all statements together.
    ///   - together: Whether they are one transaction.
    /// - Throws: `NonRetryable` where the text or its parameters are wrong, `CancellationError` where it was stopped.
    func run(_ text: String, _ parameters: [JSONValue], together: Bool, _ taker: SQLTaker) throws
    func close()
}

/// How a database is reached.
enum SQLServer: Sendable {
    case sqlite(SQLiteFile)
    case postgres(PostgresServerSettings)

    /// - Throws: `NonRetryable` that says what is wrong with the connection.
    init(_ connection: Connection, id: String) throws(NonRetryable) {
        switch connection.type {
        case "sqlite", "sqlite3": self = .sqlite(try SQLiteFile(connection, id: id))
        case "postgres", "postgresql", "redshift": self = .postgres(try PostgresServerSettings(connection, id: id))
        default:
            throw NonRetryable(
                "the connection '\(id.shown(80))' is of the type \(connection.type.shown(40)); SQL goes to postgres, "
                    + "redshift or sqlite")
        }
    }

    /// Connects. Blocks.
    func open(_ stop: StopSignal, statementTimeout: Duration?) throws -> any SQLSession {
        switch self {
        case .sqlite(let file): try SQLiteSession(file, stop, statementTimeout: statementTimeout)
        case .postgres(let server): try PostgresSession(server, stop, statementTimeout: statementTimeout)
        }
    }
}

/// Words of several errors.
enum SQLFaults {
    static func parameters(_ given: Int, used: Int) -> NonRetryable {
        NonRetryable("the SQL text has the parameters $1 to $\(used), given are \(given)")
    }

    static func transaction(_ line: Int) -> NonRetryable {
        NonRetryable(
            "line \(line) of the SQL text begins or ends a transaction, which all of it is; with autocommit each statement is "
                + "one by itself")
    }

    static func late(_ timeout: Duration?) -> PerchError {
        let span = timeout.map { " longer than \(TimeSpan($0))" } ?? " too long"
        return PerchError(.unavailable, "the statement took\(span) and was stopped")
    }
}
