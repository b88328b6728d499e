// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// A file of SQLite, out of a connection: `sqlite:///data/orders.db`.
struct SQLiteFile: Sendable {
    var path: String
    /// Whether a file that is not there is made.
    var isCreated: Bool
    /// How long another's lock is waited for.
    var lockTimeout: Duration

    /// - Throws: `NonRetryable` that says what is wrong with the connection.
    init(_ connection: Connection, id: String) throws(NonRetryable) {
        let options = try ConnectionOptions(connection, id: id, known: ["create", "lock_timeout"])
        var path = connection.host ?? ""
        // Of an address the file is what follows the slash that ends the host.
        if path.isEmpty, let schema = connection.schema { path = schema.hasPrefix("/") ? schema : "/" + schema }
        guard path.hasPrefix("/"), path.utf8.count > 1 else {
            throw NonRetryable(
                "the connection '\(id.shown(80))' is the absolute path of a file: sqlite:///data/orders.db")
        }
        self.path = path
        isCreated = try options.flag("create")
        lockTimeout = try options.duration("lock_timeout") ?? .seconds(30)
    }
}
