// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchPostgres

/// The metastore of a place, and what its database does bare at the same moment.
extension Place {
    /// Makes the metastore, and its default pool so large that it limits nothing.
    func makeMetastore(slots: Int) throws {
        let widening = "UPDATE pool SET slots = \(max(slots, 128))"
        guard let url else {
            _ = try Metastore.migrate(home: home, clock: WallClock())
            let database = try RawSQLite(path: home + "/perch.db")
            defer { database.close() }
            return try database.execute(widening)
        }
        // A home is asked for by name before anybody has made it.
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        _ = try Metastore.migrate(postgres: PostgresSettings(url: url))
        try RawPostgres(url).execute(widening)
    }

    /// What is due there is so by the clock that its roles go by.
    func openMetastore(_ access: Metastore.Access) throws -> Metastore {
        guard let url else { return try Metastore.open(home: home, access: access, clock: WallClock()) }
        return try Metastore.open(postgres: PostgresSettings(url: url), home: home, access: access)
    }

    /// The variables that tell an engine where its metastore is: those of this process, and that one. Arguments can be read
    /// by everybody.
    var environment: [String: String] {
        var variables = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PERCH__METASTORE__") }
        variables["PERCH__METASTORE__URL"] = url
        return variables
    }

    /// Rows a second that are inserted, and updated by compare-and-set, a thousand at a time.
    func rates(rows: Int = 100_000) throws -> (insert: Double, update: Double) {
        try url.map { try RawPostgres.rates($0, rows: rows) } ?? RawSQLite.rates(in: path, rows: rows)
    }

    /// The median time of a durable commit of one row, in ms.
    func commitTime() throws -> Double {
        try url.map { try RawPostgres.commitTime($0) } ?? RawSQLite.commitTime(in: path)
    }

    /// How long it takes to read all rows of a query on the metastore, in seconds.
    func readTime(_ sql: String) throws -> Double {
        try url.map { try RawPostgres.readTime(sql, $0) } ?? RawSQLite.readTime(sql, home: home)
    }

    /// What the metastore takes on disk, in bytes: of a file, its write-ahead log with it.
    func metastoreSize() throws -> Double {
        if let url {
            let size = try RawPostgres(url).execute("SELECT pg_database_size(current_database())").first
            return size.flatMap(Double.init) ?? 0
        }
        return try ["perch.db", "perch.db-wal"].reduce(0.0) { sum, name in
            let facts = try FileManager.default.attributesOfItem(atPath: home + "/" + name)
            return sum + ((facts[.size] as? NSNumber)?.doubleValue ?? 0)
        }
    }
}
