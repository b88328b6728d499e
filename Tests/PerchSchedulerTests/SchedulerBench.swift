// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization

@testable import PerchScheduler

/// A wall clock that stands still until it is set.
final class HandClock: PerchClock {
    private let time: Mutex<Int64>

    init(_ text: String) throws {
        time = Mutex(try Timestamp(parsing: text).microseconds)
    }

    var now: Timestamp { Timestamp(microseconds: time.withLock { $0 }) }

    func set(_ text: String) throws {
        let instant = try Timestamp(parsing: text).microseconds
        time.withLock { $0 = instant }
    }
}

/// A home with a scheduler that runs, and what a test asks of them.
final class SchedulerBench: Sendable {
    let clock: HandClock
    let metastore: Metastore
    let reactor: any Reactor
    let scheduler: Scheduler
    let home: String
    static let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    private let looks = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    init(at now: String, configuration: SchedulerConfiguration = SchedulerConfiguration()) throws {
        home = FileManager.default.temporaryDirectory.path + "/perch-scheduler-\(UUID().uuidString)"
        let clock = try HandClock(now)
        self.clock = clock
        metastore = try Metastore.open(home: home, access: .engine, clock: clock)
        reactor = try ThreadReactor(name: "scheduler", now: { clock.now.microseconds })
        reactor.start()
        scheduler = Scheduler(
            metastore: metastore, reactor: reactor, configuration: configuration,
            log: Self.log)
        let continuation = looks.continuation
        metastore.doorbells.subscribe([.runs, .finished, .queue]) { _ in continuation.yield() }
    }

    func store(_ definitions: DAGDefinition...) async throws {
        let stored = definitions
        try await metastore.write { try $0.storeDAGs(stored, bundle: "default", bundleVersion: "1") }
    }

    /// Waits until the runs of a DAG are as wanted; doorbells say when to look.
    func runs(of dagID: String, until isRight: ([RunRow]) -> Bool) async throws -> [RunRow] {
        continuationYield()
        for await _ in looks.stream {
            let runs = try await metastore.read { try $0.runs(dagID: dagID, state: nil, limit: 1_000) }
            if isRight(runs) { return runs.reversed() }
        }
        return []
    }

    /// Waits until the DAG's row is as wanted, ringing the bell so that the scheduler looks again.
    func row(of dagID: String, until isRight: (DAGRow) -> Bool) async throws -> DAGRow? {
        continuationYield()
        for await _ in looks.stream {
            if let row = try await metastore.read({ try $0.dag(dagID) }), isRight(row) { return row }
            metastore.doorbells.ring(.runs)
        }
        return nil
    }

    func move(to now: String) throws {
        try clock.set(now)
        metastore.doorbells.ring(.runs)
    }

    private func continuationYield() { looks.continuation.yield() }

    func end() async throws {
        await scheduler.stop()
        reactor.stop()
        try metastore.close()
        try FileManager.default.removeItem(atPath: home)
    }
}
