// SPDX-License-Identifier: Apache-2.0

import Foundation
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

/// A database with an empty metastore in the cluster that all tests share. It is emptied for the next test, for a new one
/// takes a tenth of a second.
final class TestDatabase: Sendable {
    let name: String
    let url: String
    /// The same over TCP.
    let tcpURL: String
    private let isReused: Bool

    /// - Parameter isReused: Whether another test gets it afterwards; not one that breaks connections and leaves tables.
    init(isReused: Bool = true) throws {
        self.isReused = isReused
        let cluster = try SharedCluster.shared.get()
        name = try cluster.takeDatabase()
        url = cluster.url(name)
        tcpURL = "postgresql://perch@127.0.0.1:\(cluster.port)/\(name)"
    }

    var settings: PostgresSettings { get throws { try PostgresSettings(url: url) } }

    /// Runs statements as another client.
    func execute(_ text: String) throws {
        try PostgresLink(PostgresAddress(url), purpose: "test").execute(text)
    }

    deinit {
        guard isReused else { return }
        do {
            try SharedCluster.shared.get().giveBack(name)
        } catch {
            Issue.record("the database of a test cannot be given back: \(error)")
        }
    }
}

/// The server of all tests of this process.
final class SharedCluster: Sendable {
    static let shared = Result { try SharedCluster() }
    /// Kept until the process ends. Nonisolated, because only `init` writes it, once.
    private nonisolated(unsafe) static var cluster: PostgresCluster?

    let port: Int
    private let folder: String
    private let databases = Mutex(Databases())

    private struct Databases {
        var count = 0
        var free: [String] = []
    }

    private init() throws {
        let cluster = try PostgresCluster(trusting: true, connections: 200)
        Self.cluster = cluster
        atexit { SharedCluster.cluster = nil }
        port = cluster.port
        folder = cluster.folder
    }

    func url(_ database: String) -> String { "postgresql://perch@/\(database)?host=\(folder)&port=\(port)" }

    /// A database whose metastore is as a migration has left it.
    func takeDatabase() throws -> String {
        let (free, number) = databases.withLock { databases in
            if let free = databases.free.popLast() { return (free as String?, 0) }
            databases.count += 1
            return (nil, databases.count)
        }
        if let free {
            try PostgresLink(PostgresAddress(url(free)), purpose: "test").execute(Self.emptying)
            return free
        }
        let name = "t\(number)"
        try PostgresLink(PostgresAddress(url("postgres")), purpose: "test").execute("CREATE DATABASE \(name)")
        _ = try Metastore.migrate(postgres: PostgresSettings(url: url(name)))
        try PostgresLink(PostgresAddress(url(name)), purpose: "test").execute(Self.keeping)
        return name
    }

    func giveBack(_ name: String) {
        databases.withLock { $0.free.append(name) }
    }

    /// Keeps what the migrations have put into the tables.
    private static let keeping = """
        CREATE SCHEMA kept;
        DO $$ DECLARE name TEXT; BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', name, name);
            END LOOP;
        END $$;
        """

    /// Puts the tables back to what they were.
    private static let emptying = """
        DO $$ DECLARE name TEXT; BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'kept' LOOP
                EXECUTE format('DELETE FROM public.%I', name);
                EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', name, name);
            END LOOP;
        END $$;
        """
}
