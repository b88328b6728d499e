// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Leads a metastore forward to the schema of this program, or to one before it, one version a transaction.
package enum Migrations {
    /// - Parameter target: The schema to stop at; nil: this program's.
    /// - Throws: `metastore` for one that is newer than this program's, `conflict` for one that is newer than `target`.
    package static func migrate(
        _ driver: any MetastoreDriver, path: String, to target: Int? = nil
    ) throws -> (from: Int, to: Int) {
        let target = try checked(target)
        return try driver.write { connection in
            let from = try version(of: connection, path: path)
            guard from <= Schema.current else { throw newer(from, path: path) }
            guard from <= target else { throw older(target, than: from, path: path) }
            for version in from..<target {
                try connection.perform(.begin)
                do {
                    try connection.execute(script: Schema.versions[version])
                    _ = try connection.run(
                        """
                        INSERT INTO meta (key, value) VALUES ('schema_version', :1)
                        ON CONFLICT (key) DO UPDATE SET value = excluded.value
                        """, [.text(String(version + 1))])
                    try connection.perform(.commit)
                } catch {
                    try connection.perform(.rollback)
                    throw error
                }
            }
            return (from, target)
        }
    }

    /// - Throws: `invalid` for a schema that this program does not know.
    package static func checked(_ target: Int?) throws -> Int {
        let target = target ?? Schema.current
        guard (1...Schema.current).contains(target) else {
            throw PerchError(
                .invalid, "there is no schema \(target) to migrate to: this program knows 1 to \(Schema.current)")
        }
        return target
    }

    /// Migrates the metastore of a home where that is needed; then no other process may work on it.
    @discardableResult
    static func migrateAlone(
        _ driver: any MetastoreDriver, _ paths: HomePaths, to target: Int? = nil
    ) throws -> (from: Int, to: Int) {
        let wanted = try checked(target)
        let isThere = try version(driver, path: paths.database) == wanted
        let lock = try isThere ? nil : MemberLock(path: paths.members, isAlone: true)
        defer { lock?.release() }
        return try migrate(driver, path: paths.database, to: target)
    }

    /// The schema that this program reads and writes.
    package static var current: Int { Schema.current }

    /// The schema of a metastore; 0 where there are no tables.
    package static func version(_ driver: any MetastoreDriver, path: String) throws -> Int {
        try driver.read { try version(of: $0, path: path) }
    }

    package static func requireCurrent(_ driver: any MetastoreDriver, path: String) throws {
        let found = try version(driver, path: path)
        if found > Schema.current { throw newer(found, path: path) }
        if found < Schema.current {
            throw PerchError(
                .metastore,
                "\(path) has schema \(found), this program needs \(Schema.current): run 'db migrate', or start the engine"
            )
        }
    }

    private static func newer(_ found: Int, path: String) -> PerchError {
        PerchError(
            .metastore,
            "\(path) has schema \(found), newer than the \(Schema.current) that this program knows: use a newer program"
        )
    }

    private static func older(_ target: Int, than found: Int, path: String) -> PerchError {
        PerchError(
            .conflict,
            "\(path) has schema \(found), and a schema is only led forward, not back to \(target): restore a copy from "
                + "before it was migrated, and run the program of that time on it")
    }

    /// The schema behind a connection; 0 where there are no tables.
    package static func version(of connection: any SQLConnection, path: String) throws -> Int {
        var tables: Set<String> = []
        try connection.query("{tables}", []) { tables.insert($0.text(0)) }
        if tables.isEmpty { return 0 }
        guard tables.contains("meta") else {
            throw PerchError(.metastore, "\(path) is a database, but not a Perch metastore: use another --home")
        }
        var text: String?
        try connection.query("SELECT value FROM meta WHERE key = 'schema_version'", []) { text = $0.text(0) }
        guard let text, let version = Int(text) else {
            throw PerchError(.metastore, "\(path) names no schema version: it is no Perch metastore or is damaged")
        }
        return version
    }
}

extension Metastore {
    /// The schema that this program reads and writes.
    public static var schemaVersion: Int { Schema.current }

    /// Leads the metastore of a home to the current schema, or to one before it; creates it where there is none. No engine
    /// may be alive.
    ///
    /// - Parameter target: The schema to stop at; nil: this program's.
    /// - Throws: `PerchError`: `invalid` for a schema that there is not, `conflict` for one that is behind already, or where
    ///   somebody works on the metastore.
    public static func migrate(
        home: String, clock: any PerchClock, to target: Int? = nil
    ) throws -> (from: Int, to: Int) {
        let paths = HomePaths(home)
        try paths.createHome()
        try paths.refuseNetworkFileSystem()
        let lock = try EngineLock(path: paths.lock)
        defer { lock.release() }
        let driver = try openDriver(paths, access: .engine)
        do {
            let versions = try Migrations.migrateAlone(driver, paths, to: target)
            try driver.close()
            return versions
        } catch {
            try driver.close()
            throw error
        }
    }
}
