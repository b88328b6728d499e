// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

@Suite(
    "A way to the server that is cut is noticed within seconds, and holds nobody up for longer",
    .enabled(if: PostgresCluster.programs != nil), .timeLimit(.minutes(1)))
struct PostgresLinkTests {
    let database: TestDatabase

    init() throws { database = try TestDatabase(isReused: false) }

    private func option(_ level: Int32, _ name: Int32, of socket: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(socket, level, name, &value, &size) == 0 ? value : -1
    }

    private func setting(_ name: String, _ link: PostgresLink) throws -> String {
        var text = ""
        try PostgresConnection(link: link, lock: "0", prepares: false)
            .query(text: "SELECT current_setting('\(name)')", []) { text = $0.text(0) }
        return text
    }

    @Test("Both ends miss the other one after ten seconds; a URL may say otherwise for its own end")
    func keepalives() throws {
        let tcp = Int32(IPPROTO_TCP)
        let session = try PostgresLink(PostgresAddress(database.tcpURL), purpose: "test", isSession: true)
        #expect(option(tcp, TCP_USER_TIMEOUT, of: session.socket) == 10_000)
        #expect(option(SOL_SOCKET, SO_KEEPALIVE, of: session.socket) != 0)
        #expect(option(tcp, TCP_KEEPIDLE, of: session.socket) == 5)
        #expect(try setting("tcp_user_timeout", session) == "10000")
        #expect(try setting("tcp_keepalives_idle", session) == "5")
        // A pooler's connections to the server are its own.
        let pooled = try PostgresLink(PostgresAddress(database.tcpURL), purpose: "test")
        #expect(try setting("tcp_user_timeout", pooled) != "10000")
        let own = try PostgresLink(
            PostgresAddress(database.tcpURL + "?tcp_user_timeout=3000"), purpose: "test", isSession: true)
        #expect(option(tcp, TCP_USER_TIMEOUT, of: own.socket) == 3_000)
        // Nobody cuts a socket of this machine.
        let local = try PostgresLink(PostgresAddress(database.url), purpose: "test", isSession: true)
        #expect(try setting("tcp_user_timeout", local) == "0")
    }

    @Test("The way to what stands between is watched by its own end; that of the session by both")
    func pooler() throws {
        let direct = try PostgresSettings(url: database.tcpURL)
        let pooled = try PostgresSettings(url: database.tcpURL + "?application_name=pooler", listenURL: database.tcpURL)
        #expect(direct.isDirect && !pooled.isDirect)
        for (settings, timeout) in [(direct, "10000"), (pooled, "0")] {
            #expect(
                try setting("tcp_user_timeout", PostgresDriver.link(settings, purpose: "test", patience: nil))
                    == timeout)
        }
    }

    @Test("Where nobody answers, who waits for a connection is told when its patience is over, not after many tries")
    func silence() throws {
        // Its kernel takes connections, and it never says a word.
        let mute = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        defer { close(mute) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(mute, $0, size) == 0 && listen(mute, 16) == 0 && getsockname(mute, $0, &size) == 0
            }
        }
        try #require(isBound)
        let port = UInt16(bigEndian: address.sin_port)
        // The least that libpq takes.
        let settings = try PostgresSettings(url: "postgresql://u:geheim@127.0.0.1:\(port)/d?connect_timeout=2")
        let driver = PostgresDriver(
            settings, purpose: "test", lock: "0", patience: 500,
            first: try PostgresLink(PostgresAddress(database.url), purpose: "test"))
        let error = #expect(throws: PerchError.self) { try driver.read { _ in } }
        #expect(error?.code == .unavailable && error?.message.hasPrefix("postgresql://127.0.0.1:\(port)/d: ") == true)
        var attempts = 0
        while true {
            let connection = accept(mute, nil, nil)
            guard connection >= 0 else { break }
            close(connection)
            attempts += 1
        }
        #expect(attempts == 1)
        driver.close()
    }

    @Test(
        "Who is stopped while half of a long batch is sent is missed as in any other place, and its lock is free",
        arguments: [3_000, 300_000], [true, false])
    func halfSent(size: Int, prepares: Bool) throws {
        let stopped = try PostgresLink(PostgresAddress(database.url), purpose: "stopped")
        try stopped.execute(
            "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 300; SELECT pg_advisory_xact_lock(4711)")
        stopped.mayPause = true
        let statement = "SELECT LENGTH(CAST($1 AS TEXT))"
        if prepares { try stopped.sendPrepare("length", statement) }
        let values = PostgresValues([.text(String(repeating: "x", count: size))])
        do {
            for _ in 0..<5 {
                if prepares {
                    try stopped.send(prepared: "length", values)
                } else {
                    _ = try stopped.send(statement, values)
                }
            }
        } catch let error as PerchError {
            // On a machine that is busy the server may have missed it by now.
            #expect(error.code == .unavailable)
        }
        // The rest of it is never sent.
        let other = try PostgresLink(PostgresAddress(database.url), purpose: "other")
        try other.execute("SET lock_timeout = 20000; SELECT pg_advisory_lock(4711)")
    }

    @Test(
        "A long batch, sent in parts, is one transaction: what fails in its middle undoes all of it",
        arguments: [true, false])
    func parts(prepares: Bool) async throws {
        let home = try TemporaryHome()
        let store = try Metastore.open(
            postgres: PostgresSettings(url: database.url, prepares: prepares), home: home.path, access: .engine,
            clock: ManualClock())
        try database.execute("CREATE TABLE things (n BIGINT PRIMARY KEY, s TEXT)")
        func add(from first: Int64, _ sizes: [Int], twice: Int64? = nil) async throws {
            try await store.write { transaction in
                for (number, size) in zip(first..., sizes) {
                    let text = String(repeating: "x", count: size)
                    try transaction.post("INSERT INTO things (n, s) VALUES (:1, :2)", number, text)
                    if number == twice {
                        try transaction.post("INSERT INTO things (n, s) VALUES (:1, :2)", number, "y")
                    }
                }
            }
        }
        let sizes = (0..<200).map { $0 % 7 == 0 ? 20_000 : $0 % 3 * 1_000 }
        try await add(from: 0, sizes)
        for twice in [1_000, 1_003, 1_100, 1_199] as [Int64] {
            await #expect(throws: PerchError.self) { try await add(from: 1_000, sizes, twice: twice) }
        }
        try await add(from: 2_000, sizes)
        let found = try await store.read { snapshot in
            try snapshot.rows("SELECT n, LENGTH(s) FROM things ORDER BY n") { ($0.int64(0), $0.int64(1)) }
        }
        #expect(found.map(\.0) == Array(0..<200) + Array(2_000..<2_200))
        #expect(found.map(\.1) == (sizes + sizes).map(Int64.init))
        try store.close()
    }

    @Test("One that was taken back because its connection broke gets no more time than others")
    func broken() async throws {
        let home = try TemporaryHome()
        let store = try Metastore.open(
            postgres: database.settings, home: home.path, access: .engine, clock: ManualClock())
        let limits = Mutex<[String]>([])
        let cut = { @Sendable in
            try database.execute(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND application_name LIKE 'perch engine %'
                """)
        }
        try await store.write { transaction in
            let limit = try transaction.first("SELECT current_setting('idle_in_transaction_session_timeout')") {
                $0.text(0)
            }
            let count = limits.withLock { limits in
                limits.append(limit ?? "")
                return limits.count
            }
            // As often as while a server is away for a moment behind a pooler.
            if count < 9 { try cut() }
            _ = try transaction.emit([NewEvent(name: "n")])
        }
        #expect(limits.withLock { $0 } == Array(repeating: "200ms", count: 9))
        try store.close()
    }
}
