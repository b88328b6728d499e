// SPDX-License-Identifier: Apache-2.0

import PerchReactor
import PerchSDK
import PerchSimulation
import Synchronization
import Testing

@testable import PerchMetastore

/// Does everything at once, on the caller's thread.
private final class ImmediateRunner: MetastoreRunner {
    private let commitNext = Mutex<(@Sendable () -> Bool)?>(nil)

    func start(commitNext: @escaping @Sendable () -> Bool) { self.commitNext.withLock { $0 = commitNext } }

    func wakeWriter() {
        guard let commitNext = commitNext.withLock({ $0 }) else { return }
        while commitNext() {}
    }

    func read(_ work: @escaping @Sendable () -> Void) { work() }
    func stop() { wakeWriter() }
}

/// Keeps what waits in the line until it is told.
private final class HeldRunner: MetastoreRunner {
    private let commitNext = Mutex<(@Sendable () -> Bool)?>(nil)

    func start(commitNext: @escaping @Sendable () -> Bool) { self.commitNext.withLock { $0 = commitNext } }
    func wakeWriter() {}
    func read(_ work: @escaping @Sendable () -> Void) { work() }
    func stop() {}

    func commit() {
        guard let commitNext = commitNext.withLock({ $0 }) else { return }
        while commitNext() {}
    }
}

private struct StoppedClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: 1_767_225_600_000_000) }
}

@Suite("The metastore on a simulated disk")
struct SimulatedMetastoreTests {
    private func open(_ driver: SimulatedDriver) -> Metastore {
        let doorbells = Doorbells()
        return Metastore(
            clock: StoppedClock(), driver: driver, runner: ImmediateRunner(), doorbells: doorbells,
            ring: { doorbells.ring($0) })
    }

    private func emit(_ id: String, _ payload: String = "", to store: Metastore) async throws {
        _ = try await store.write {
            try $0.emit([NewEvent(name: "made", payload: .string(payload), eventID: id)])
        }
    }

    private func events(_ store: Metastore) async throws -> [String] {
        try await store.read { snapshot in
            try snapshot.rows("SELECT event_id FROM event ORDER BY seq") { $0.text(0) }
        }
    }

    @Test("It is opened from the template, written, and sound after a power loss")
    func works() async throws {
        let disk = SimulatedDisk(seed: 1, template: .migrated)
        let store = open(try SimulatedDriver(disk: disk))
        try await emit("one", to: store)
        try await emit("two", to: store)
        #expect(try await store.check() == [])
        disk.losePower(seed: 7)
        await #expect { try await emit("three", to: store) } throws: {
            "\($0)" == "the process of this metastore is dead"
        }
        try store.close()
        let next = open(try SimulatedDriver(disk: disk))
        #expect(try await events(next) == ["one", "two"])
        #expect(try await next.check() == [])
        try next.close()
    }

    @Test("A crash at any operation of the disk leaves every acknowledged write, and a sound metastore")
    func crashes() async throws {
        for seed in 0..<100 as Range<UInt64> {
            var generator = LoopGenerator(seed: seed)
            let disk = SimulatedDisk(seed: seed, template: .migrated)
            var acknowledged: [String] = []
            disk.crash(seed % 4 == 0 ? .kill : .powerLoss, atOperation: Int64(generator.draw(1...60)))
            let driver = try SimulatedDriver(disk: disk)
            try driver.write { try $0.execute(script: "PRAGMA wal_autocheckpoint = 10") }
            let store = open(driver)
            var refused: String?
            for number in 1...100 where refused == nil {
                do {
                    try await emit("\(number)", to: store)
                    acknowledged.append("\(number)")
                } catch {
                    refused = "\(number)"
                }
            }
            try store.close()
            let next = open(try SimulatedDriver(disk: disk))
            let found = try await events(next)
            #expect(found == acknowledged || found == acknowledged + [refused ?? ""], "seed \(seed)")
            #expect(try await next.check() == [], "seed \(seed)")
        }
    }

    @Test(
        "A full disk answers every member of a group that it is full, changes nothing, and goes on when there is room")
    func fullDisk() async throws {
        let disk = SimulatedDisk(seed: 1, template: .migrated)
        let driver = try SimulatedDriver(disk: disk)
        let runner = HeldRunner()
        let bells = Mutex<[DoorbellSet]>([])
        let writer = GroupCommitWriter(
            driver: driver, catalog: DAGCatalog(), clock: StoppedClock(), runner: runner,
            doorbells: { set in bells.withLock { $0.append(set) } })
        writer.start()
        let answers = Mutex<[String]>([])
        func submit(_ id: String, payload: String) {
            let member = GroupCommitWriter.Member(
                run: { transaction in
                    let failure: (any Error)?
                    do {
                        _ = try transaction.emit([NewEvent(name: "made", payload: .string(payload), eventID: id)])
                        failure = nil
                    } catch {
                        failure = error
                    }
                    return .init(isDone: failure == nil) { error in
                        answers.withLock { $0.append("\(id): \((error ?? failure).map { "\($0)" } ?? "done")") }
                    }
                },
                refuse: { error in answers.withLock { $0.append("\(id): \(error)") } })
            #expect(writer.submit(member))
        }
        func answered() -> [String] {
            answers.withLock { answers in
                defer { answers = [] }
                return answers
            }
        }
        let before = disk.counters
        disk.setRoom(2_000)
        for id in ["a", "b", "c"] { submit(id, payload: "small") }
        runner.commit()
        let refusals = answered()
        #expect(refusals.count == 3)
        for (id, answer) in zip(["a", "b", "c"], refusals) {
            #expect(answer.hasPrefix("\(id): the disk of the metastore is full"))
        }
        // The second of these is larger than SQLite's cache: the disk is full while it runs, and SQLite ends the whole
        // transaction by itself.
        disk.setRoom(1_000_000)
        submit("d", payload: "small")
        submit("e", payload: String(repeating: "x", count: 25_000_000))
        submit("f", payload: "small")
        runner.commit()
        let more = answered()
        #expect(more.count == 3)
        #expect(more.first?.hasPrefix("d: the disk of the metastore is full") == true, "\(more)")
        #expect(more.dropFirst().first?.hasPrefix("e: the disk of the metastore is full") == true, "\(more)")
        // What stood behind them is a group of its own, for which there is room.
        #expect(more.last == "f: done")
        #expect(bells.withLock { $0 } == [.events])
        disk.setRoom(nil)
        for id in ["g", "h"] { submit(id, payload: "small") }
        runner.commit()
        #expect(answered() == ["g: done", "h: done"])
        #expect(disk.counters.writes > before.writes)
        try driver.close()
        disk.losePower(seed: 11)
        let store = open(try SimulatedDriver(disk: disk))
        #expect(try await events(store) == ["f", "g", "h"])
        #expect(try await store.check() == [])
    }

    @Test("A write that meets a full disk is refused, and the next one that finds room is done")
    func fullDiskForOne() async throws {
        let disk = SimulatedDisk(seed: 1, template: .migrated)
        let store = open(try SimulatedDriver(disk: disk))
        disk.setRoom(0)
        await #expect { try await emit("one", to: store) } throws: {
            "\($0)".hasPrefix("the disk of the metastore is full")
        }
        #expect(try await events(store) == [])
        disk.setRoom(nil)
        try await emit("two", to: store)
        #expect(try await events(store) == ["two"])
    }

    @Test("A migration that meets a full disk says so, and is made once there is room")
    func fullDiskForMigration() throws {
        let disk = SimulatedDisk(seed: 1)
        let driver = try SimulatedDriver(disk: disk)
        disk.setRoom(20_000)
        #expect { try Migrations.migrate(driver, path: "perch.db") } throws: {
            "\($0)".hasPrefix("the disk of the metastore is full")
        }
        disk.setRoom(nil)
        #expect(try Migrations.migrate(driver, path: "perch.db") == (0, Schema.current))
    }

    @Test("A member that goes on after SQLite has ended its transaction changes nothing outside of one")
    func swallowedFullDisk() async throws {
        let disk = SimulatedDisk(seed: 1, template: .migrated)
        let store = open(try SimulatedDriver(disk: disk))
        disk.setRoom(1_000_000)
        await #expect(throws: PerchError.self) {
            try await store.write { transaction in
                let large = NewEvent(
                    name: "made", payload: .string(String(repeating: "x", count: 25_000_000)), eventID: "large")
                do {
                    _ = try transaction.emit([large])
                } catch {
                    disk.setRoom(nil)
                    _ = try transaction.emit([NewEvent(name: "made", eventID: "small")])
                }
            }
        }
        #expect(try await events(store) == [])
    }
}
