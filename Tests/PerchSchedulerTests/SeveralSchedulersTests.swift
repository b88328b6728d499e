// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchPostgres
import PerchReactor
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchScheduler

/// A scheduler of its own home, on a metastore that others work on, too.
private final class Desk: Sendable {
    let metastore: Metastore
    let reactor: any Reactor
    let scheduler: Scheduler
    private let home: String

    init(_ settings: PostgresSettings, _ clock: HandClock, _ processes: (any ProcessTable)? = nil) throws {
        home = FileManager.default.temporaryDirectory.path + "/perch-scheduler-\(UUID().uuidString)"
        metastore = try Metastore.open(postgres: settings, home: home, access: .engine, clock: clock)
        reactor = try ThreadReactor(name: "scheduler", now: { clock.now.microseconds })
        reactor.start()
        scheduler = Scheduler(metastore: metastore, reactor: reactor, processes: processes, log: SchedulerBench.log)
    }

    func look() { metastore.doorbells.ring([.runs, .events]) }

    func end() async throws {
        await scheduler.stop()
        reactor.stop()
        try metastore.close()
        try FileManager.default.removeItem(atPath: home)
    }
}

/// A machine with one process.
struct LoneMachine: ProcessTable {
    let host: String

    func current() -> ProcessIdentity { ProcessIdentity(pid: 7, startTime: 7, bootID: host, host: host) }
    func identity(of pid: Int32) -> ProcessIdentity? { pid == 7 ? current() : nil }
    func parent(of pid: Int32) -> Int32? { nil }
    func isOfThisHost(_ row: ProcessRow) -> Bool { row.host == host }
    func isOfThisBoot(_ row: ProcessRow) -> Bool { row.bootID == host }
    func end(_ row: ProcessRow, mark: String) -> Bool { false }
}

@Suite(
    "Several schedulers on one metastore", .enabled(if: PostgresCluster.programs != nil), .serialized,
    .timeLimit(.minutes(3)))
struct SeveralSchedulersTests {
    private func settings(_ cluster: PostgresCluster) throws -> PostgresSettings {
        try PostgresSettings(url: "postgresql://perch@/postgres?host=\(cluster.folder)&port=\(cluster.port)")
    }

    /// Looks until something holds.
    private func until(_ what: String, _ holds: () async throws -> Bool) async throws {
        for _ in 0..<20_000 {
            if try await holds() { return }
            await Task.yield()
        }
        Issue.record("never: \(what)")
    }

    private func cron(_ id: String, _ expression: String) -> DAGDefinition {
        DAGDefinition(
            dagID: id, schedule: .cron(expression: expression, timeZone: "UTC"),
            tasks: [TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))])
    }

    @Test("At due minutes each of many DAGs gets each run once, and each event starts one, whoever comes first")
    func minutes() async throws {
        let cluster = try PostgresCluster(trusting: true, connections: 60)
        defer { cluster.stop() }
        let clock = try HandClock("2026-03-01T05:59:00Z")
        let desks = try (0..<3).map { _ in try Desk(try settings(cluster), clock) }
        var definitions = (0..<400).map { cron("d\($0)", "0 * * * *") }
        var batch = cron("batch", "0 0 1 1 *")
        batch.schedule = .events(
            EventSchedule([EventPattern(name: "b")], gathering: .batch(count: 10, within: nil)))
        var each = cron("each", "0 0 1 1 *")
        each.schedule = .events(EventSchedule([EventPattern(name: "e")]))
        each.maxActiveRuns = 1_000
        definitions += [batch, each]
        let stored = definitions
        let store = desks[0].metastore
        try await store.write { try $0.storeDAGs(stored, bundle: "default", bundleVersion: "1") }
        for desk in desks { await desk.scheduler.start() }
        for hour in 6...9 {
            try await until("the next instants are known") {
                for desk in desks { desk.look() }
                return try await store.read { snapshot in
                    try snapshot.dags().count { $0.nextRunAt.map { $0 > snapshot.now } ?? false } == 400
                }
            }
            try clock.set("2026-03-01T0\(hour):00:00Z")
            for desk in desks { desk.look() }
            let events = (0..<25).map { NewEvent(name: $0 % 5 == 0 ? "b" : "e", eventID: "\(hour)-\($0)") }
            _ = try await desks[1].metastore.write { try $0.emit(events) }
        }
        try await until("all runs are there and have begun") {
            for desk in desks { desk.look() }
            return try await store.read { snapshot in
                let counts = try snapshot.runCounts()
                return counts.map(\.count).reduce(0, +) >= 400 * 4 + 80 + 2
                    && !counts.contains { $0.state == .queued && $0.count > 0 }
            }
        }
        for desk in desks { try await desk.end() }
        let last = try Desk(try settings(cluster), clock)
        let dates = try await last.metastore.read { snapshot in
            try (0..<400).map { number in
                Set(try snapshot.runs(dagID: "d\(number)", state: nil, limit: 99).map(\.logicalDate)).count
            }
        }
        #expect(dates == Array(repeating: 4, count: 400))
        let counts = try await last.metastore.read { snapshot in
            try ["d7", "each", "batch"].map { try snapshot.runs(dagID: $0, state: nil, limit: 999).count }
        }
        #expect(counts == [4, 80, 2])
        #expect(try await last.metastore.check() == [])
        try await last.end()
    }

    @Test("Schedulers are in the table of processes; one without a lease is forgotten, and registers anew")
    func table() async throws {
        let cluster = try PostgresCluster(trusting: true, connections: 60)
        defer { cluster.stop() }
        let clock = try HandClock("2026-03-01T05:00:00Z")
        let one = try Desk(try settings(cluster), clock, LoneMachine(host: "one"))
        let two = try Desk(try settings(cluster), clock, LoneMachine(host: "two"))
        func rows() async throws -> [ProcessRow] {
            try await one.metastore.read { try $0.processes(role: SchedulerRow.role) }
        }
        await one.scheduler.start()
        await two.scheduler.start()
        try await until("both are there") { try await rows().count == 2 }
        let first = try #require(try await rows().first { $0.host == "one" })
        #expect(first.pid == 7 && first.leaseUntil.description == "2026-03-01T05:01:30Z")
        // The first one stands still, while time goes by for the other.
        var now = clock.now
        func pass(_ desk: Desk) throws {
            now = now + .seconds(1)
            try clock.set(now.description)
            desk.reactor.submit {}
        }
        try await until("it is forgotten") {
            try pass(two)
            return try await rows().map(\.host) == ["two"]
        }
        #expect(first.leaseUntil < now)
        #expect(try await two.metastore.read { try $0.liveSchedulers().map(\.host) } == ["two"])
        // And goes on.
        try await until("it is there again") {
            try pass(one)
            return try await rows().count == 2
        }
        #expect(try await rows().map(\.processID).contains(first.processID) == false)
        // One that was here before, another process of this machine, is gone for certain.
        _ = try await one.metastore.write { transaction in
            let gone = ProcessIdentity(pid: 9, startTime: 9, bootID: "two", host: "two")
            _ = try transaction.registerScheduler(gone, lease: .seconds(900_000))
            return try transaction.registerAPIServer(gone, version: "1", lease: .seconds(900_000))
        }
        try await until("dead processes of the same machine are forgotten before their leases end") {
            try pass(two)
            let servers = try await two.metastore.read { try $0.apiServers() }
            return try await rows().allSatisfy { $0.pid == 7 } && servers.isEmpty
        }
        try await one.end()
        #expect(
            try await two.metastore.read { try $0.processes(role: SchedulerRow.role).filter { $0.host == "one" } } == []
        )
        try await two.end()
    }
}
