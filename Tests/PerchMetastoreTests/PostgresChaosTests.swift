// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

/// What writers were told of what they wrote.
private actor Ledger {
    private(set) var acknowledged: [String] = []
    private(set) var refused: [String] = []
    /// Of these nobody knows, as they were told.
    private(set) var open: [String] = []
    private(set) var isOver = false
    private(set) var reads = 0
    private var waiting: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []

    func note(_ id: String, _ result: Result<Void, any Error>) {
        switch result {
        case .success: acknowledged.append(id)
        case .failure(let error as PerchError) where error.message.contains("not known"): open.append(id)
        case .failure(let error as PerchError) where error.code == .unavailable: refused.append(id)
        case .failure(let error): Issue.record("a writer was told \(error)")
        }
        let due = waiting.filter { $0.count <= acknowledged.count }
        waiting.removeAll { $0.count <= acknowledged.count }
        for waiter in due { waiter.continuation.resume() }
    }

    /// Returns when so many more were acknowledged.
    func more(_ count: Int) async {
        let goal = acknowledged.count + count
        await withCheckedContinuation { waiting.append((goal, $0)) }
    }

    func noteRead() { reads += 1 }

    func end() { isOver = true }
}

@Suite(
    "A server that fails in the middle of the work takes nothing that was acknowledged",
    .enabled(if: PostgresCluster.programs != nil), .timeLimit(.minutes(3)))
struct PostgresChaosTests {
    private let cluster: PostgresCluster
    private let homes: [TemporaryHome]

    init() throws {
        cluster = try PostgresCluster(trusting: true, connections: 60)
        homes = try (0..<3).map { _ in try TemporaryHome() }
    }

    private func open(_ access: Metastore.Access, _ home: Int) throws -> Metastore {
        let url = "postgresql://perch@/postgres?host=\(cluster.folder)&port=\(cluster.port)"
        return try Metastore.open(
            postgres: PostgresSettings(url: url), home: homes[home].path, access: access, clock: ManualClock())
    }

    /// Has four writers in two processes write for as long as `trouble` goes on, and looks at what is there then.
    private func write(
        from stores: [Metastore], during trouble: (Ledger) async throws -> Void
    ) async throws {
        let ledger = Ledger()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, store) in (stores + stores).enumerated() {
                group.addTask {
                    var number = 0
                    while await !ledger.isOver {
                        number += 1
                        let id = "\(index)-\(number)"
                        do {
                            // Two that belong together.
                            _ = try await store.write {
                                try $0.emit([NewEvent(name: "n", eventID: id), NewEvent(name: "m", eventID: "m" + id)])
                            }
                            await ledger.note(id, .success(()))
                        } catch {
                            await ledger.note(id, .failure(error))
                        }
                    }
                }
            }
            // Who reads sees a whole state or an error, and never one half of two.
            group.addTask {
                while await !ledger.isOver {
                    do {
                        let last = try await stores[0].read { try $0.lastEventSeq() }
                        await ledger.noteRead()
                        #expect(last % 2 == 0)
                    } catch let error as PerchError {
                        #expect(error.code == .unavailable, "\(error)")
                    }
                }
            }
            await ledger.more(20)
            try await trouble(ledger)
            await ledger.more(20)
            await ledger.end()
            try await group.waitForAll()
        }
        let events = try await stores[0].read { try $0.events(after: 0, limit: 1_000_000) }
        let names = events.filter { $0.name == "n" }.map { $0.eventID }
        let found = Set(names)
        #expect(found.count == names.count && events.count == 2 * names.count, "something is there twice, or by half")
        #expect(events.map(\.seq) == Array(1...Int64(events.count)), "the numbers of events have a gap")
        let (acknowledged, refused, open) = await (ledger.acknowledged, ledger.refused, ledger.open)
        #expect(found.isSuperset(of: acknowledged), "lost: \(Set(acknowledged).subtracting(found))")
        #expect(found.isDisjoint(with: refused), "refused, and there: \(found.intersection(refused))")
        #expect(found.subtracting(acknowledged).isSubset(of: open))
        #expect(await ledger.reads > 0)
        #expect(try await stores[0].check() == [])
    }

    @Test("A server that crashes and comes back, three times: what was acknowledged is there once, and writers go on")
    func restarts() async throws {
        let stores = [try open(.engine, 0), try open(.member, 1)]
        try await write(from: stores) { ledger in
            for _ in 0..<3 {
                cluster.stop()
                try cluster.start()
                await ledger.more(20)
            }
        }
        for store in stores.reversed() { try store.close() }
    }

    @Test("Connections that are cut again and again take nothing that was acknowledged")
    func cuts() async throws {
        let stores = [try open(.engine, 0), try open(.member, 1)]
        try await write(from: stores) { ledger in
            for _ in 0..<25 {
                try cluster.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'perch %'")
                await ledger.more(5)
            }
        }
        for store in stores.reversed() { try store.close() }
    }

    @Test("Who hears doorbells looks at everything once its session is back, and hears again")
    func listening() async throws {
        let engine = try open(.engine, 0)
        let member = try open(.member, 1)
        // Nobody rings this one: it is heard because something may have been missed.
        let (missed, heardMissed) = AsyncStream<Void>.makeStream()
        let (events, heardEvents) = AsyncStream<Void>.makeStream()
        member.doorbells.subscribe(.hosted) { _ in heardMissed.yield() }
        member.doorbells.subscribe(.events) { _ in heardEvents.yield() }
        var (nextMissed, nextEvent) = (missed.makeAsyncIterator(), events.makeAsyncIterator())
        for round in 0..<3 {
            if round == 0 {
                cluster.stop()
                try cluster.start()
            } else {
                try cluster.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'perch member %'"
                )
            }
            // Rung while nobody hears, perhaps: what is lost is made up for by the look at everything.
            _ = try await engine.write { try $0.emit([NewEvent(name: "n")]) }
            await nextMissed.next()
            await nextEvent.next()
            #expect(try await member.read { try $0.lastEventSeq() } == Int64(round + 1))
        }
        // The engine's own session came back as well: what the member rings is heard there.
        let (bells, heard) = AsyncStream<Void>.makeStream()
        engine.doorbells.subscribe(.runs) { _ in heard.yield() }
        try await member.write { $0.ring(.runs) }
        var bell = bells.makeAsyncIterator()
        await bell.next()
        for store in [member, engine] { try store.close() }
    }

    @Test("A server that is away for longer than a writer waits is told in time, and work goes on afterwards")
    func absence() async throws {
        let engine = try open(.engine, 0)
        let command = try open(.command, 2)
        _ = try await engine.write { try $0.emit([NewEvent(name: "n")]) }
        cluster.stop()
        // A command waits five seconds.
        let error = await #expect(throws: PerchError.self) {
            try await command.write { try $0.emit([NewEvent(name: "n")]) }
        }
        #expect(error?.code == .unavailable && error?.message.contains("postgres") == true)
        try cluster.start()
        #expect(try await command.write { try $0.emit([NewEvent(name: "n")]) }.map(\.seq) == [2])
        #expect(try await engine.write { try $0.emit([NewEvent(name: "n")]) }.map(\.seq) == [3])
        for store in [command, engine] { try store.close() }
    }

    @Test("Who starts while the server is away waits for it, and says so once; one that refuses is not waited for")
    func start() throws {
        let url = "postgresql://perch@/postgres?host=\(cluster.folder)&port=\(cluster.port)"
        var away: [String] = []
        cluster.stop()
        try PostgresSettings(url: url).awaitServer(patience: .seconds(60)) { name in
            away.append(name)
            do { try cluster.start() } catch { Issue.record("\(error)") }
        }
        #expect(away.count == 1 && away.allSatisfy { $0.contains("postgres") }, "\(away)")
        try open(.engine, 0).close()
        // It answers, though not as one would like.
        let stranger = url.replacing("/postgres?", with: "/nowhere?")
        try PostgresSettings(url: stranger).awaitServer(patience: .seconds(60)) { away.append($0) }
        // It has been waited for long enough.
        cluster.stop()
        try PostgresSettings(url: url).awaitServer(patience: .seconds(0)) { away.append($0) }
        #expect(away.count == 1)
        #expect(throws: PerchError.self) { try open(.engine, 0) }
    }
}
