// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchPostgres
import ProgramTestSupport
import Synchronization

/// The PostgreSQL server on which the metastores of cases lie, each in a database of its own.
final class DatabaseServer: Sendable {
    /// Of a database that exists, from which others are made.
    private let url: String
    private let made = Mutex<[String]>([])

    /// - Throws: where it cannot be reached.
    init(url: String) throws {
        self.url = url
        _ = try RawPostgres(url)
    }

    /// A server that was started for this.
    convenience init(_ cluster: PostgresCluster) throws {
        try self.init(url: "postgresql://perch@/postgres?host=\(cluster.folder)&port=\(cluster.port)")
    }

    /// Makes an empty database; gives its URL.
    func makeDatabase() throws -> String {
        let name = "perch_bench_\(getpid())_\(Monotonic.nanoseconds)"
        try RawPostgres(url).execute("CREATE DATABASE \(name) TEMPLATE template0 ENCODING 'UTF8'")
        made.withLock { $0.append(name) }
        return Self.url(url, database: name)
    }

    /// Drops the databases that were made; what hinders is told on standard error.
    func dropDatabases() {
        let names = made.withLock { made in
            defer { made = [] }
            return made
        }
        do {
            for name in names {
                let server = try RawPostgres(url)
                try server.execute("DROP DATABASE \(name)\(server.version < 130_000 ? "" : " WITH (FORCE)")")
            }
        } catch {
            FileHandle.standardError.write(Data("a database of a case is left: \(error)\n".utf8))
        }
    }

    /// The same server with another database.
    static func url(_ url: String, database: String) -> String {
        let parts = url.split(separator: "?", maxSplits: 1)
        let place = parts[0].split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let server = place.count > 2 ? place[2].prefix { $0 != "/" } : ""
        let options = parts.count < 2 ? [] : parts[1].split(separator: "&").filter { !$0.hasPrefix("dbname=") }
        return "postgresql://\(server)/\(database)" + (options.isEmpty ? "" : "?" + options.joined(separator: "&"))
    }
}

/// Where `--metastore` has the metastores of cases.
enum MetastoreOption: Sendable {
    /// In files of their homes.
    case files
    /// On a server that is started for it.
    case ownServer
    case server(url: String)

    /// - Throws: for what is neither `postgresql` nor a URL of a server, and for a URL with a password.
    init(_ text: String?) throws {
        switch text {
        case nil: self = .files
        case "postgresql": self = .ownServer
        case let text?:
            guard PostgresAddress.isOne(text) else {
                throw BenchError(
                    "--metastore is 'postgresql', for a server that is started for it, or a server's URL as "
                        + "postgresql://user@host/database")
            }
            guard try !PostgresAddress(text).hasPassword else {
                throw BenchError(
                    "--metastore: everybody on this machine can read a command line; leave the password out and put it "
                        + "into PGPASSWORD or ~/.pgpass")
            }
            self = .server(url: text)
        }
    }
}
