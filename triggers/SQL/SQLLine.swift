// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import PerchReactor

/// The queries to one database: so many at a time, the others in line. One that cannot be reached is tried with one
/// query, ever more seldom.
final class SQLLine {
    /// Since when the database cannot be reached.
    struct Outage {
        var since: Int64
        /// Tries in a row that failed.
        var failures: Int
        /// When it is tried next.
        var tryAt: Int64
        var words: String
    }

    let database: SQLDatabase
    /// What it was when the first of its waits was armed.
    let address: SQLAddress
    let backend: any SQLBackend
    /// Where notifications come from; nil with SQLite.
    let listener: PostgresListener?
    /// The probes that each channel makes run at once, by how many of their waits listen.
    var listening: [String: [ObjectIdentifier: (probe: SQLProbe, waits: Int)]] = [:]
    var line: Deque<SQLProbe> = []
    /// How many probes are for it, whatever they do now.
    var probes = 0
    var active = 0
    /// Whether it stands in the line for a free place among all queries.
    var isInLine = false
    var outage: Outage?
    var timer: LoopTimer?

    init(
        database: SQLDatabase, address: SQLAddress, backend: any SQLBackend, listener: PostgresListener?
    ) {
        self.address = address
        self.listener = listener
        self.database = database
        self.backend = backend
    }
}
