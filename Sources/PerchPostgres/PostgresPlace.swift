// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What is asked of a server once, before anything else: whether it is fit, and where in it the metastore lies.
struct PostgresPlace: Sendable {
    /// The schema that new tables go into.
    let schema: String
    /// Stands for the metastore among those of the same database.
    let number: Int64

    /// - Throws: `unavailable` with what would be right, where the server cannot hold a metastore.
    init(_ connection: PostgresConnection, _ address: PostgresAddress) throws {
        var found: (version: Int64, encoding: String, commit: String, schema: String?, number: Int64)?
        try connection.query(
            """
            SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_encoding'),
                current_setting('synchronous_commit'), current_schema(), hashtext(current_schema())
            """, []
        ) { found = ($0.int64(0), $0.text(1), $0.text(2), $0.optionalText(3), $0.int64(4)) }
        guard let found else { throw PerchError(.metastore, "\(address.name) answers nothing") }
        guard found.version >= 120_000 else {
            throw PerchError(
                .unavailable, "\(address.name) is PostgreSQL \(found.version / 10_000); a metastore needs 12 or newer")
        }
        guard found.encoding == "UTF8" else {
            throw PerchError(
                .unavailable,
                "\(address.name) has the encoding \(found.encoding.shown(20)): create the database with ENCODING 'UTF8'"
            )
        }
        // What was acknowledged has to survive a power loss.
        guard found.commit != "off" else {
            throw PerchError(
                .unavailable,
                "\(address.name) has synchronous_commit off, and would lose what it has acknowledged: set it to on for the "
                    + "user or the database of the metastore")
        }
        guard let schema = found.schema else {
            throw PerchError(
                .unavailable,
                "\(address.name) has no schema that tables could go into: create the first one of search_path")
        }
        self.schema = schema
        number = found.number
    }

    /// The locks of a metastore.
    enum Lock: Int {
        /// Who writes.
        case writer = 1_885_696_100
        /// Held by engines of earlier versions, which knew of no other engine, and by who has the metastore alone.
        case engine
        /// Who works on it, shared; who has it alone.
        case members
    }

    /// The key of an advisory lock, as two numbers.
    func key(_ lock: Lock) -> String { "\(lock.rawValue), \(number)" }

    /// Who holds one of these locks beside the connection that asks, as the server's administrator sees it; five at most.
    ///
    /// - Parameter alone: Only who lets nobody else have it.
    func holders(of locks: [Lock], alone: Bool = false, _ connection: any SQLConnection) throws -> [String] {
        let classes = locks.map { "CAST(CAST(\($0.rawValue) AS BIGINT) AS OID)" }.joined(separator: ", ")
        var names: [String] = []
        try connection.query(
            text: """
                SELECT DISTINCT a.application_name FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_backend_pid()
                    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND l.classid IN (\(classes)) AND l.objid = CAST(CAST(\(number) AS BIGINT) & 4294967295 AS OID)
                    AND l.mode IN ('ExclusiveLock'\(alone ? "" : ", 'ShareLock'")) ORDER BY 1 LIMIT 5
                """, []
        ) { names.append($0.text(0).shown()) }
        return names
    }

    /// Where doorbells are rung.
    var channel: String { "perch_\(number)" }
}
