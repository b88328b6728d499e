// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

@Suite(
    "The driver of PostgreSQL loses nothing that it has acknowledged, and does again what was taken back",
    .enabled(if: PostgresCluster.programs != nil), .timeLimit(.minutes(1)))
struct PostgresDriverTests {
    let database: TestDatabase
    let home: TemporaryHome

    init() throws {
        database = try TestDatabase(isReused: false)
        home = try TemporaryHome()
    }

    private func open(
        _ access: Metastore.Access = .engine, prepares: Bool = true, home other: TemporaryHome? = nil
    ) throws -> Metastore {
        try Metastore.open(
            postgres: PostgresSettings(url: database.url, prepares: prepares), home: (other ?? home).path,
            access: access, clock: ManualClock())
    }

    /// Ends the sessions of a metastore's process, as a server that is started again does.
    private func cut(_ role: String) throws {
        try database.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'perch \(role) %'
            """)
    }

    @Test("Numbers, texts and nulls come back as they were, to the ends of 64 bits")
    func values() async throws {
        let store = try open()
        try database.execute("CREATE TABLE things (n BIGINT, x FLOAT8, s TEXT)")
        let texts = ["", "a'b\"c\\", "naïve 🐧", "line\nline", String(repeating: "x", count: 300_000)]
        for (number, text) in zip([Int64.min, -1, 0, 1, .max], texts) {
            _ = try await store.write { transaction in
                try transaction.run(
                    "INSERT INTO things (n, x, s) VALUES (:1, :2, :3)", number, SQLValue.real(-0.1), text)
            }
            let found = try await store.read { snapshot in
                try snapshot.first("SELECT n, s FROM things WHERE n = :1 AND x = -0.1", number) {
                    ($0.int64(0), $0.text(1), $0.isNull(1))
                }
            }
            #expect(found?.0 == number && found?.1 == text && found?.2 == false)
        }
        let nothing = try await store.read { snapshot in
            try snapshot.first("SELECT CAST(:1 AS TEXT), 1 = 1, 1 = 2, SUM(1.5)", String?.none) {
                ($0.optionalText(0), $0.bool(1), $0.bool(2), $0.int64(3))
            }
        }
        #expect(nothing?.0 == nil && nothing?.1 == true && nothing?.2 == false && nothing?.3 == 1)
        // A text of PostgreSQL holds no zero byte.
        let zero = try await store.read { try $0.first("SELECT CAST(:1 AS TEXT)", "a\0b") { $0.text(0) } }
        #expect(zero == "a\u{2400}b")
        try store.close()
    }

    @Test("Texts are in the order of their bytes, whatever the database's own order is")
    func order() async throws {
        let store = try open()
        for key in ["b", "B", "a", "_"] {
            try await store.write { try $0.setVariable(key, .plain("v"), isSecret: false, description: nil) }
        }
        #expect(try await store.read { try $0.variables().map(\.key) } == ["B", "_", "a", "b"])
        try store.close()
    }

    @Test("A member whose statement fails is rolled back alone", arguments: [true, false])
    func isolation(prepares: Bool) async throws {
        let store = try open(prepares: prepares)
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<60 {
                group.addTask {
                    do {
                        try await store.write { transaction in
                            _ = try transaction.emit([NewEvent(name: "n", eventID: "\(index)")])
                            if index % 3 == 0 { try transaction.run("INSERT INTO counter VALUES ('id', 0)") }
                            if index % 3 == 1 { try transaction.post("INSERT INTO counter VALUES ('id', 1)") }
                        }
                        #expect(index % 3 == 2)
                    } catch {
                        #expect((error as? PerchError)?.code == .conflict && index % 3 != 2)
                    }
                }
            }
        }
        let events = try await store.read { try $0.events(after: 0, limit: 1_000) }
        #expect(Set(events.map(\.eventID)) == Set((0..<60).filter { $0 % 3 == 2 }.map(String.init)))
        #expect(try await store.check() == [])
        try store.close()
    }

    @Test(
        "A query for many lists of values is answered for each in its place; one that fails undoes its member alone",
        arguments: [true, false])
    func manyLists(prepares: Bool) async throws {
        let store = try open(prepares: prepares)
        try database.execute("CREATE TABLE things (n BIGINT PRIMARY KEY, s TEXT)")
        let numbers = (0..<400).map { [SQLValue.integer($0)] }
        let found = try await store.write { transaction in
            // A part of these is still to be sent when the query comes.
            for number in stride(from: Int64(0), to: 400, by: 2) {
                try transaction.post("INSERT INTO things (n, s) VALUES (:1, :2)", number, "thing \(number)")
            }
            return try transaction.rows("SELECT s FROM things WHERE n = :1", forEach: numbers) { $0.text(0) }
        }
        #expect(found == (0..<400).map { $0 % 2 == 0 ? ["thing \($0)"] : [] })
        #expect(try await store.read { try $0.rows("SELECT 1", forEach: []) { $0.int64(0) } } == [])
        await #expect(throws: PerchError.self) {
            try await store.write { transaction in
                try transaction.post("DELETE FROM things")
                _ = try transaction.rows("SELECT 1 / (CAST(:1 AS BIGINT) - 150)", forEach: numbers) { $0.int64(0) }
            }
        }
        let left = try await store.write { transaction in
            try transaction.rows(
                "SELECT COUNT(*) FROM things WHERE n < :1", forEach: [[.integer(10)], [.integer(400)]]
            ) {
                $0.int64(0)
            }
        }
        #expect(left == [[5], [200]])
        try store.close()
    }

    @Test(
        "A group that meets another transaction is made again as a whole", arguments: ["40001", "40P01"])
    func collision(state: String) async throws {
        let store = try open()
        // A sequence is not rolled back: so it counts how often a group was begun.
        try database.execute(
            """
            CREATE SEQUENCE tries;
            CREATE FUNCTION collide() RETURNS BIGINT LANGUAGE plpgsql AS $$ BEGIN
                IF nextval('tries') < 4 THEN RAISE EXCEPTION 'met another' USING ERRCODE = '\(state)'; END IF;
                RETURN 1;
            END $$
            """)
        let runs = Mutex(0)
        try await store.write { transaction in
            runs.withLock { $0 += 1 }
            _ = try transaction.emit([NewEvent(name: "n")])
            _ = try transaction.number("SELECT collide()")
        }
        #expect(runs.withLock { $0 } == 4)
        #expect(try await store.read { try $0.events(after: 0, limit: 9) }.map(\.seq) == [1])
        // One that never passes is told in the end, and has done nothing.
        try database.execute("ALTER SEQUENCE tries RESTART WITH -1000 MINVALUE -1000")
        let error = await #expect(throws: PerchError.self) {
            try await store.write { transaction in
                _ = try transaction.emit([NewEvent(name: "n")])
                _ = try transaction.number("SELECT collide()")
            }
        }
        #expect(error?.code == .unavailable && error?.message.contains("met another") == true)
        #expect(try await store.read { try $0.lastEventSeq() } == 1)
        try store.close()
    }

    private struct Stranger: @unchecked Sendable {  // because one thread after the other uses it
        var link: PostgresLink
    }

    @Test("A deadlock with a stranger ends, and the transaction goes through")
    func deadlock() async throws {
        let store = try open()
        try database.execute(
            "CREATE TABLE two (n BIGINT PRIMARY KEY, v BIGINT); INSERT INTO two VALUES (1, 0), (2, 0)")
        let stranger = Stranger(link: try PostgresLink(PostgresAddress(database.url), purpose: "stranger"))
        try stranger.link.execute("BEGIN; SET LOCAL deadlock_timeout = '1h'; UPDATE two SET v = 1 WHERE n = 1")
        let url = database.url
        let runs = Mutex(0)
        try await store.write { transaction in
            let run = runs.withLock { runs in
                runs += 1
                return runs
            }
            try transaction.run("UPDATE two SET v = v + 10 WHERE n = 2")
            // The stranger asks for the second row, which this one has, and then this one for the first.
            if run == 1 {
                Thread.detachNewThread {
                    do {
                        try stranger.link.execute("UPDATE two SET v = 1 WHERE n = 2")
                        try stranger.link.execute("COMMIT")
                    } catch {
                        Issue.record("the stranger was to win: \(error)")
                    }
                }
                let watch = try PostgresLink(PostgresAddress(url), purpose: "watch")
                let waits = PostgresConnection(link: watch, lock: "0", prepares: false)
                var isWaiting = false
                for _ in 0..<10_000 where !isWaiting {
                    let text =
                        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'stranger' AND wait_event_type = 'Lock'"
                    try waits.query(text: text, []) { _ in isWaiting = true }
                }
            }
            try transaction.run("UPDATE two SET v = v + 10 WHERE n = 1")
        }
        let sums = try await store.read { try $0.rows("SELECT v FROM two ORDER BY n") { $0.int64(0) } }
        #expect(sums == [11, 11])
        #expect(runs.withLock { $0 } >= 2)
        try store.close()
    }

    @Test("A connection that breaks is replaced, and what was under way on it is done again")
    func loss() async throws {
        let store = try open()
        _ = try await store.write { try $0.emit([NewEvent(name: "n", eventID: "1")]) }
        _ = try await store.read { try $0.lastEventSeq() }
        // Between two transactions.
        try cut("engine")
        #expect(try await store.read { try $0.lastEventSeq() } == 1)
        _ = try await store.write { try $0.emit([NewEvent(name: "n", eventID: "2")]) }
        // In the middle of one.
        let runs = Mutex(0)
        let cut = { @Sendable in try self.cut("engine") }
        _ = try await store.write { transaction in
            _ = try transaction.emit([NewEvent(name: "n", eventID: "3")])
            let run = runs.withLock { runs in
                runs += 1
                return runs
            }
            if run == 1 { try cut() }
            _ = try transaction.emit([NewEvent(name: "n", eventID: "4")])
        }
        #expect(runs.withLock { $0 } == 2)
        let events = try await store.read { try $0.events(after: 0, limit: 9) }
        #expect(events.map(\.eventID) == ["1", "2", "3", "4"] && events.map(\.seq) == [1, 2, 3, 4])
        #expect(try await store.check() == [])
        try store.close()
    }

    @Test("A connection that breaks at COMMIT is told as such: nobody knows whether it took effect")
    func lossAtCommit() async throws {
        let store = try open()
        let cut = { @Sendable in try self.cut("engine") }
        let error = await #expect(throws: PerchError.self) {
            try await store.write { transaction in
                _ = try transaction.emit([NewEvent(name: "n")])
                try cut()
            }
        }
        #expect(error?.code == .unavailable && error?.message.contains("not known") == true)
        // The next one goes its way.
        #expect(try await store.write { try $0.emit([NewEvent(name: "n")]) }.map(\.seq) == [1])
        try store.close()
    }

    @Test("Several engines work on it, each with a home of its own; one home has one") func engines() async throws {
        let store = try open()
        let error = #expect(throws: PerchError.self) { try open().close() }
        #expect(error?.code == .conflict && error?.message.contains("in use by process \(getpid())") == true)
        let elsewhere = try TemporaryHome()
        let other = try open(home: elsewhere)
        _ = try await store.write { try $0.emit([NewEvent(name: "n")]) }
        #expect(try await other.write { try $0.emit([NewEvent(name: "n")]) }.map(\.seq) == [2])
        // There is nothing to migrate.
        #expect(try Metastore.migrate(postgres: database.settings).from == Migrations.current)
        for store in [store, other] { try store.close() }
    }

    private func pretend(schema: Int) throws {
        try database.execute("UPDATE meta SET value = '\(schema)' WHERE key = 'schema_version'")
    }

    @Test("It is migrated by who has it alone; others are named, and a newer one is refused") func alone() throws {
        let member = try open(.member)
        try pretend(schema: Migrations.current - 1)
        let error = #expect(throws: PerchError.self) { try open(home: TemporaryHome()).close() }
        #expect(error?.code == .conflict)
        #expect(error?.message.contains("perch member \(getpid()) at ") == true, "\(error?.message ?? "")")
        try pretend(schema: Migrations.current + 1)
        let newer = #expect(throws: PerchError.self) { try open(home: TemporaryHome()).close() }
        #expect(newer?.code == .metastore && newer?.message.contains("use a newer program") == true)
        try pretend(schema: Migrations.current)
        try member.close()
        // What is to be copied to is had alone, too.
        let store = try open()
        let (settings, elsewhere) = (try database.settings, try TemporaryHome())
        func openAlone() throws -> Metastore {
            try Metastore.open(
                postgres: settings, home: elsewhere.path, access: .engine, isAlone: true, clock: ManualClock())
        }
        let refused = #expect(throws: PerchError.self) { try openAlone().close() }
        #expect(refused?.message.contains("perch engine \(getpid()) at ") == true, "\(refused?.message ?? "")")
        try store.close()
        let copy = try openAlone()
        let late = #expect(throws: PerchError.self) { try open(.member, home: TemporaryHome()).close() }
        #expect(late?.code == .conflict)
        try copy.close()
        try open(.member).close()
    }

    @Test("One that lost its connection while the metastore was migrated writes nothing more") func ousted()
        async throws
    {
        let store = try open()
        try pretend(schema: Migrations.current + 1)
        try cut("engine")
        var refusal: PerchError?
        for _ in 0..<10_000 where refusal == nil {
            do {
                _ = try await store.write { try $0.emit([NewEvent(name: "n")]) }
            } catch let error as PerchError {
                refusal = error
            }
        }
        #expect(refusal?.message.contains("was brought to schema") == true, "\(refusal?.message ?? "")")
        try store.close()
    }

    @Test(
        "Who stands still in a transaction does not stop the others: it is taken back, and made again with more time",
        arguments: [true, false])
    func stillness(beforeTheEnd: Bool) async throws {
        let store = try open()
        let second = try TemporaryHome()
        let other = try open(home: second)
        let (began, beginning) = AsyncStream.makeStream(of: Void.self)
        let isOver = DispatchSemaphore(value: 0)
        let attempts = Mutex(0)
        async let slow = store.write { transaction in
            _ = try transaction.emit([NewEvent(name: "slow", eventID: "1")])
            if beforeTheEnd { _ = try transaction.emit([NewEvent(name: "slow", eventID: "2")]) }
            let attempt = attempts.withLock { attempts in
                attempts += 1
                return attempts
            }
            beginning.yield()
            if attempt == 1, isOver.wait(timeout: .now() + 20) == .timedOut {
                throw PerchError(.invalid, "the other one had to wait")
            }
            if !beforeTheEnd { _ = try transaction.emit([NewEvent(name: "slow", eventID: "2")]) }
        }
        for await _ in began { break }
        _ = try await other.write { try $0.emit([NewEvent(name: "quick", eventID: "3")]) }
        isOver.signal()
        try await slow
        let events = try await store.read { try $0.events(after: 0, limit: 10) }
        #expect(events.map(\.eventID) == ["3", "1", "2"])
        #expect(attempts.withLock { $0 } == 2)
        try other.close()
        try store.close()
    }

    @Test("Two processes that write at once take turns, and both hear what the other has done")
    func turns() async throws {
        let engine = try open()
        let member = try open(.member, home: TemporaryHome())
        let heard = AsyncStream<DoorbellSet>.makeStream()
        engine.doorbells.subscribe(.events) { heard.continuation.yield($0) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, store) in [engine, member, engine, member].enumerated() {
                group.addTask {
                    for number in 0..<50 {
                        _ = try await store.write { try $0.emit([NewEvent(name: "n", eventID: "\(index)-\(number)")]) }
                    }
                }
            }
            try await group.waitForAll()
        }
        let events = try await member.read { try $0.events(after: 0, limit: 1_000) }
        #expect(events.map(\.seq) == Array(1...200))
        var iterator = heard.stream.makeAsyncIterator()
        #expect(await iterator.next() == .events)
        // A command, which keeps no session, is heard as well.
        let command = try open(.command)
        let bells = AsyncStream<DoorbellSet>.makeStream()
        member.doorbells.subscribe(.runs) { bells.continuation.yield($0) }
        try await command.write { $0.ring(.runs) }
        var ringing = bells.stream.makeAsyncIterator()
        #expect(await ringing.next()?.contains(.runs) == true)
        for store in [command, member, engine] { try store.close() }
    }
}
