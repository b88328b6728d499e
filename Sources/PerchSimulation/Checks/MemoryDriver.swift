// SPDX-License-Identifier: Apache-2.0

internal import GRDBSQLite
package import PerchMetastore
internal import PerchSDK

/// A metastore's database in memory, on one connection, whose statements may be broken on purpose: to try checks without
/// a disk and without time.
package final class MemoryDriver: MetastoreDriver, @unchecked Sendable {  // because it is used from one thread
    private let handle: OpaquePointer
    private let connection: SQLiteConnection

    /// A database without tables.
    package init(rewrite: ((String) -> String)? = nil) throws {
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(":memory:", &opened, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nil)
        guard code == SQLITE_OK, let opened else {
            throw PerchError(.unavailable, "SQLite cannot open a database in memory: code \(code)")
        }
        handle = opened
        connection = SQLiteConnection(handle: opened, rewrite: rewrite)
    }

    package func write<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result { try body(connection) }

    package func read<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result { try body(connection) }

    package func backup(to path: String) throws {
        throw PerchError(.unavailable, "a database in memory is not copied")
    }

    package func close() throws {
        connection.finalizeStatements()
        sqlite3_close(handle)
    }
}

/// Does a metastore's work at once, on the thread that asks for it.
package final class InlineRunner: MetastoreRunner, @unchecked Sendable {  // because it is used from one thread
    private var commitNext: (@Sendable () -> Bool)?

    /// A runner that has nothing to do.
    package init() {}

    package func start(commitNext: @escaping @Sendable () -> Bool) { self.commitNext = commitNext }

    package func wakeWriter() {
        while commitNext?() == true {}
    }

    package func read(_ work: @escaping @Sendable () -> Void) { work() }

    package func stop() { commitNext = nil }
}
