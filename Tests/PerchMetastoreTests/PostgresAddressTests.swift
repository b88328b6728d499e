// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

@Suite("What is wrong with a server is said by its name, and never with the password", .timeLimit(.minutes(1)))
struct PostgresAddressTests {
    @Test(
        "An address is named by host, port and database",
        arguments: [
            ("postgresql://u:geheim@db.example:6543/perch?sslmode=require", "postgresql://db.example:6543/perch"),
            ("postgres://u:geheim@db.example/perch", "postgresql://db.example:5432/perch"),
            ("postgresql://u:geheim@[::1]:5433/p", "postgresql://[::1]:5433/p"),
            ("postgresql://u:geheim@a:1,b:2/p", "postgresql://a,b:1,2/p"),
            ("postgresql://u@/p?host=/run/postgresql", "postgresql://[/run/postgresql]:5432/p"),
            ("postgresql://u:gehe%40im@db/p", "postgresql://db:5432/p"),
        ])
    func names(uri: String, name: String) throws {
        #expect(try PostgresAddress(uri).name == name)
    }

    @Test(
        "What is no address is refused without being repeated",
        arguments: [
            "", "geheim", "mysql://u:geheim@h/d", "postgresql://u:geheim@h:port/d", "postgresql://u:geheim@im@h/d",
            "postgresql://u:geheim@h/d?no_such=1", "postgresql://u:geheim@h/d\0", "host=h password=geheim",
        ])
    func refused(uri: String) {
        let error = #expect(throws: PerchError.self) { try PostgresAddress(uri) }
        #expect(error?.code == .invalid && error?.message.contains("geheim") == false)
        #expect(error?.message.contains("postgresql://") == true)
    }

    @Test("A server that is not there, a password that is wrong, a database that there is not: each is said")
    func unreachable() throws {
        guard PostgresCluster.programs != nil else { return }
        let home = try TemporaryHome()
        let port = try FreePort.find()
        let nobody = try PostgresSettings(url: "postgresql://u:geheim@127.0.0.1:\(port)/d")
        let closed = #expect(throws: PerchError.self) {
            try Metastore.open(postgres: nobody, home: home.path, access: .command, clock: ManualClock())
        }
        #expect(closed?.code == .unavailable)
        #expect(closed?.message.hasPrefix("postgresql://127.0.0.1:\(port)/d: ") == true)
        let cluster = try PostgresCluster()
        for (password, database) in [("geheim", "postgres"), ("secret%20word", "nowhere")] {
            let url = "postgresql://perch:\(password)@127.0.0.1:\(cluster.port)/\(database)"
            let error = #expect(throws: PerchError.self) {
                _ = try Metastore.migrate(postgres: PostgresSettings(url: url))
            }
            #expect(error?.code == .unavailable && error?.message.contains("127.0.0.1:\(cluster.port)") == true)
            #expect(error?.message.contains("geheim") == false && error?.message.contains("secret word") == false)
        }
        let right = try PostgresSettings(
            url: "postgresql://perch:secret%20word@127.0.0.1:\(cluster.port)/postgres?sslmode=disable")
        let missing = #expect(throws: PerchError.self) {
            try Metastore.open(postgres: right, home: home.path, access: .command, clock: ManualClock())
        }
        #expect(missing?.code == .metastore && missing?.message.contains("db migrate") == true)
        #expect(try Metastore.migrate(postgres: right) == (0, Migrations.current))
        #expect(try Metastore.migrate(postgres: right) == (Migrations.current, Migrations.current))
        try Metastore.open(postgres: right, home: home.path, access: .command, clock: ManualClock()).close()
        // It would lose what it has acknowledged.
        try cluster.execute("ALTER ROLE perch SET synchronous_commit = off")
        let loose = #expect(throws: PerchError.self) { _ = try Metastore.migrate(postgres: right) }
        #expect(loose?.message.contains("synchronous_commit") == true)
    }

    @Test("A database of something else is left alone")
    func foreign() throws {
        guard PostgresCluster.programs != nil else { return }
        let cluster = try PostgresCluster(trusting: true)
        try cluster.execute("CREATE TABLE orders (n INTEGER)")
        let settings = try PostgresSettings(url: "postgresql://perch@127.0.0.1:\(cluster.port)/postgres")
        let error = #expect(throws: PerchError.self) { _ = try Metastore.migrate(postgres: settings) }
        #expect(error?.code == .metastore && error?.message.contains("not a Perch metastore") == true)
        #expect(try cluster.select("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'") == "1")
    }
}
