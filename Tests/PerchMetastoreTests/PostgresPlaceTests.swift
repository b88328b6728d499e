// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

@Suite(
    "A process that loses its session on the server says so, and writes nothing once another has the metastore",
    .enabled(if: PostgresCluster.programs != nil), .timeLimit(.minutes(1)))
struct PostgresPlaceTests {
    let database: TestDatabase
    let home: TemporaryHome

    init() throws {
        database = try TestDatabase(isReused: false)
        home = try TemporaryHome()
    }

    private func open(prepares: Bool = true) throws -> (Metastore, AsyncStream<PlaceNews>) {
        let store = try Metastore.open(
            postgres: PostgresSettings(url: database.url, prepares: prepares), home: home.path, access: .engine,
            clock: ManualClock())
        let (news, heard) = AsyncStream.makeStream(of: PlaceNews.self)
        store.place.hear { heard.yield($0) }
        return (store, news)
    }

    /// Ends the sessions that hold the lock of those who work on the metastore, and no other connection.
    private static let cut = """
        SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND classid = \(PostgresPlace.Lock.members.rawValue)
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
        """

    private func emit(_ store: Metastore) async throws {
        _ = try await store.write { try $0.emit([NewEvent(name: "n")]) }
    }

    private func pretend(schema: Int) throws {
        try database.execute("UPDATE meta SET value = '\(schema)' WHERE key = 'schema_version'")
    }

    @Test("A session that is cut is told and taken again, and who writes does not notice")
    func regained() async throws {
        let (store, stream) = try open()
        var news = stream.makeAsyncIterator()
        for _ in 0..<2 {
            try database.execute(Self.cut)
            try await emit(store)
            let lost = await news.next()
            guard case .lost(let why) = lost else { throw PerchError(.invalid, "told was \(lost as Any)") }
            #expect(why.contains("postgresql://"))
            let again = await news.next()
            guard case .regained = again else { throw PerchError(.invalid, "told was \(again as Any)") }
            try await emit(store)
        }
        #expect(try await store.read { try $0.lastEventSeq() } == 4)
        // Nobody else can have it alone, as before.
        let error = #expect(throws: PerchError.self) {
            let elsewhere = try TemporaryHome()
            try Metastore.open(
                postgres: database.settings, home: elsewhere.path, access: .engine, isAlone: true, clock: ManualClock()
            ).close()
        }
        #expect(error?.code == .conflict)
        try store.close()
    }

    @Test("Where another one has the metastore alone by then, nothing more is written, and it is told who has it")
    func hadAlone() async throws {
        let (store, stream) = try open()
        var news = stream.makeAsyncIterator()
        let other = try PostgresLink(PostgresAddress(database.url), purpose: "who migrates")
        let place = try PostgresPlace(
            PostgresConnection(link: other, lock: "0", prepares: false), PostgresAddress(database.url))
        // It stands in the line for the lock before the session can be taken again.
        try other.execute(Self.cut + "SELECT pg_advisory_lock(\(place.key(.members)))")
        _ = await news.next()
        let last = await news.next()
        guard case .fenced(let reason) = last else { throw PerchError(.invalid, "told was \(last as Any)") }
        #expect(reason.code == .conflict && reason.message.contains("('who migrates')"), "\(reason)")
        let error = await #expect(throws: PerchError.self) { try await emit(store) }
        #expect(error?.message == reason.message)
        // Whoever asks later is told, too.
        let (late, heard) = AsyncStream.makeStream(of: PlaceNews.self)
        store.place.hear { heard.yield($0) }
        var lateNews = late.makeAsyncIterator()
        guard case .fenced = await lateNews.next() else { throw PerchError(.invalid, "nothing was told") }
        // What is there may be read.
        #expect(try await store.read { try $0.lastEventSeq() } == 0)
        try store.close()
    }

    @Test(
        "What was migrated meanwhile is not written to, not even before the loss is noticed", arguments: [true, false])
    func unnoticed(prepares: Bool) async throws {
        let (store, stream) = try open(prepares: prepares)
        var news = stream.makeAsyncIterator()
        try await emit(store)
        try pretend(schema: Migrations.current + 1)
        for _ in 0..<2 {
            let error = await #expect(throws: PerchError.self) { try await emit(store) }
            #expect(
                error?.code == .conflict && error?.message.contains("was brought to schema") == true, "\(error as Any)")
        }
        guard case .fenced = await news.next() else { throw PerchError(.invalid, "nothing was told") }
        // What was planned before it was locked out is not done afterwards either.
        try pretend(schema: Migrations.current)
        await #expect(throws: PerchError.self) { try await emit(store) }
        #expect(try await store.read { try $0.lastEventSeq() } == 1)
        try store.close()
    }
}
