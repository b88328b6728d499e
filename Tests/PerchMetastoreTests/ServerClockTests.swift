// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchSDK
import ProgramTestSupport
import Synchronization
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

/// A machine's uptime, and a server's clock beside it, which both stand still until they are moved.
private final class Clocks: Sendable {
    private let state: Mutex<(uptime: Int64, server: Int64)>

    init(server: Int64) { state = Mutex((1_000_000, server)) }

    var uptime: @Sendable () -> Int64 { { self.state.withLock { $0.uptime } } }

    func pass(_ span: TimeSpan) {
        state.withLock {
            $0.uptime += span.microseconds
            $0.server += span.microseconds
        }
    }

    /// Somebody sets the server's clock.
    func set(by span: TimeSpan) { state.withLock { $0.server += span.microseconds } }

    /// A round trip: so long to the server, so long back.
    func ask(there: Int64, back: Int64) -> ServerClock.Reading {
        let asked = uptime()
        pass(TimeSpan(microseconds: there))
        let server = state.withLock { $0.server }
        pass(TimeSpan(microseconds: back))
        return ServerClock.Reading(server: server, asked: asked, answered: uptime())
    }

    /// By how much a clock is ahead of the server's.
    func error(of clock: ServerClock) -> Int64 { clock.now.microseconds - state.withLock { $0.server } }
}

@Suite("The server's clock, as a process follows it")
struct ServerClockTests {
    @Test("it errs by half of the way at most, whichever half took the time")
    func bounds() {
        for (there, back) in [(0, 40_000), (40_000, 0), (20_000, 20_000), (39_000, 1_000)] as [(Int64, Int64)] {
            let clocks = Clocks(server: 1_700_000_000_000_000)
            let clock = ServerClock(clocks.ask(there: there, back: back), uptime: clocks.uptime)
            #expect(abs(clocks.error(of: clock)) <= 20_001)
            clocks.pass(.seconds(3_600))
            #expect(abs(clocks.error(of: clock)) <= 20_001)
        }
    }

    @Test("the surest measurement stays until it may err more than another")
    func surest() {
        let clocks = Clocks(server: 1_700_000_000_000_000)
        let clock = ServerClock(clocks.ask(there: 0, back: 40_000), uptime: clocks.uptime)
        #expect(clocks.error(of: clock) == -20_000)
        #expect(!clock.take(clocks.ask(there: 50, back: 50)))
        #expect(abs(clocks.error(of: clock)) <= 1)
        // A slow answer is no better.
        #expect(!clock.take(clocks.ask(there: 30_000, back: 0)))
        #expect(abs(clocks.error(of: clock)) <= 1)
        // After an hour of drift it may be.
        clocks.pass(.seconds(3_600))
        #expect(!clock.take(clocks.ask(there: 30_000, back: 0)))
        #expect((2...15_001).contains(abs(clocks.error(of: clock))))
    }

    @Test("small corrections never take it back: it stands still until the server has caught up")
    func monotonic() {
        let clocks = Clocks(server: 1_700_000_000_000_000)
        // All of the way was there, of which half is taken for the way back: so it is ahead.
        let clock = ServerClock(clocks.ask(there: 40_000, back: 0), uptime: clocks.uptime)
        let before = clock.now
        #expect(clocks.error(of: clock) == 20_000)
        #expect(!clock.take(clocks.ask(there: 50, back: 50)))
        var last = before
        for _ in 0..<100 {
            #expect(clock.now >= last)
            last = clock.now
            clocks.pass(TimeSpan(microseconds: 1_000))
        }
        #expect(abs(clocks.error(of: clock)) <= 1)
        // Set back by half a second: still no step back.
        clocks.set(by: TimeSpan(microseconds: -500_000))
        last = clock.now
        #expect(clock.take(clocks.ask(there: 50, back: 50)))
        #expect(clock.now >= last)
        clocks.pass(.seconds(1))
        #expect(abs(clocks.error(of: clock)) <= 1)
    }

    @Test("a server whose clock is set, or another server, is followed, and said to be another time")
    func set() {
        let clocks = Clocks(server: 1_700_000_000_000_000)
        let clock = ServerClock(clocks.ask(there: 50, back: 50), uptime: clocks.uptime)
        for hours in [3, -3, 500] as [Int64] {
            clocks.set(by: .seconds(hours * 3_600))
            #expect(clock.take(clocks.ask(there: 60, back: 60)))
            #expect(abs(clocks.error(of: clock)) <= 100)
            #expect(!clock.take(clocks.ask(there: 60, back: 60)))
        }
        // A new server's first answer counts, however long it takes.
        clocks.set(by: TimeSpan(microseconds: 100))
        #expect(!clock.take(clocks.ask(there: 8_000, back: 8_000), isNewServer: true))
        #expect(abs(clocks.error(of: clock)) <= 8_001)
    }
}

@Suite(
    "Time on a server: what this machine's clock shows decides nothing", .enabled(if: PostgresCluster.programs != nil),
    .timeLimit(.minutes(1)))
struct ServerTimeTests {
    private static let hours = TimeSpan.seconds(3 * 3_600)

    /// A database whose server's clock is ahead of this machine's, for those who connect by the URL that it gives.
    private func ahead(_ database: TestDatabase, by span: TimeSpan) throws -> PostgresSettings {
        try database.execute(
            """
            CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE AS
            'SELECT pg_catalog.clock_timestamp() + INTERVAL ''\(span.microseconds / 1_000_000) seconds'''
            """)
        return try PostgresSettings(url: database.url + "&options=-csearch_path%3Dpublic,pg_catalog")
    }

    @Test("leases, waits and runs go by the server's clock, and two machines agree whatever their own clocks show")
    func hoursAhead() async throws {
        let database = try TestDatabase(isReused: false)
        let settings = try ahead(database, by: Self.hours)
        let (home, other) = (try TemporaryHome(), try TemporaryHome())
        let engine = try Metastore.open(postgres: settings, home: home.path, access: .engine)
        let member = try Metastore.open(postgres: settings, home: other.path, access: .member)
        let command = try Metastore.open(postgres: settings, home: home.path, access: .command)
        let right = Timestamp(microseconds: ServerClockTests.wallClock()) + Self.hours
        for store in [engine, member, command] {
            #expect(abs((store.clock.now - right).microseconds) < 5_000_000)
            let seen = try await store.read { $0.now }
            #expect(abs((seen - right).microseconds) < 5_000_000)
        }
        // A lease that one has taken is held for the other.
        let identity = ProcessIdentity(pid: 1, startTime: 1, bootID: "b", host: "h")
        let owner = try await engine.write {
            try $0.registerTriggerer(identity, terms: TriggererTerms(), lease: .seconds(600))
        }
        #expect(try await member.write { try $0.isLeaseHeld(by: owner) })
        let scheduler = try await engine.write { try $0.registerScheduler(identity, lease: .seconds(600)) }
        #expect(try await member.write { try $0.forgetListed(ended: [], overdue: [scheduler]) } == 0)
        #expect(try await member.read { try $0.liveSchedulers().map(\.processID) } == [scheduler])
        for store in [command, member, engine] { try store.close() }
    }

    @Test("a server whose clock is set is followed after a reconnect, and whoever waits looks again")
    func jump() async throws {
        let database = try TestDatabase(isReused: false)
        let settings = try ahead(database, by: .seconds(0))
        let home = try TemporaryHome()
        let store = try Metastore.open(postgres: settings, home: home.path, access: .engine)
        let before = store.clock.now
        let bells = AsyncStream<DoorbellSet>.makeStream()
        store.doorbells.subscribe(.runs) { bells.continuation.yield($0) }
        _ = try ahead(database, by: Self.hours)
        try database.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE 'perch engine %'
            """)
        var heard = bells.stream.makeAsyncIterator()
        #expect(await heard.next() == .runs)
        #expect(store.clock.now - before >= Self.hours)
        #expect(try await store.read { $0.now } - before >= Self.hours)
        try store.close()
    }
}

extension ServerClockTests {
    static let wallClock: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
