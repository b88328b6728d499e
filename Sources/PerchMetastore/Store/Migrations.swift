// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Leads a metastore forward to the schema of this program, one version a transaction.
package enum Migrations {
    package static func migrate(_ driver: any MetastoreDriver, path: String) throws -> (from: Int, to: Int) {
        try driver.write { connection in
            let from = try version(of: connection, path: path)
            guard from <= Schema.current else { throw newer(from, path: path) }
            for version in from..<Schema.current {
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
            return (from, Schema.current)
        }
    }

    /// Migrates the metastore of a home where that is needed; then no other process may work on it.
    static func migrateAlone(_ driver: any MetastoreDriver, _ paths: HomePaths) throws {
        let found = try version(driver, path: paths.database)
        let isCurrent = found == Schema.current
        let lock = try isCurrent ? nil : MemberLock(path: paths.members, isAlone: true)
        defer { lock?.release() }
        _ = try migrate(driver, path: paths.database)
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
    /// Leads the metastore of a home to the current schema; creates it where there is none. No engine may be alive.
    public static func migrate(home: String, clock: any PerchClock) throws -> (from: Int, to: Int) {
        let paths = HomePaths(home)
        try paths.createHome()
        try paths.refuseNetworkFileSystem()
        let lock = try EngineLock(path: paths.lock)
        defer { lock.release() }
        let driver = try openDriver(paths, access: .engine)
        do {
            let versions = try Migrations.migrate(driver, path: paths.database)
            try driver.close()
            return versions
        } catch {
            try driver.close()
            throw error
        }
    }
}
