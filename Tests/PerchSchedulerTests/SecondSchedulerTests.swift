// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@testable import PerchScheduler

/// What two schedulers have read at the same moment, and commit one after the other.
@Suite("What one scheduler has read, another may have done: each thing is done once", .timeLimit(.minutes(1)))
struct SecondSchedulerTests {
    private static let now = "2026-03-01T05:00:00Z"

    private func definition(_ id: String, _ schedule: ScheduleDefinition) -> DAGDefinition {
        DAGDefinition(
            dagID: id, schedule: schedule, tasks: [TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))])
    }

    /// What a scheduler has read of a DAG, and is about to do.
    private func read(_ bench: SchedulerBench, _ dagID: String) async throws -> SchedulingBatch {
        let (row, definition) = try await bench.metastore.read { snapshot in
            let row = try #require(try snapshot.dag(dagID))
            return (row, try snapshot.definition(ofVersion: row.versionID))
        }
        return SchedulingBatch(
            members: [.init(row: row, plan: try SchedulePlan(definition))], unusable: [], runLimit: 9)
    }

    private func commit(_ batch: SchedulingBatch, _ bench: SchedulerBench) async throws -> Int {
        try await bench.metastore.write { try batch.commit(in: $0).created }
    }

    @Test("a DAG that runs once runs once, though nothing says for when")
    func once() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(definition("d", .once))
        let (first, second) = (try await read(bench, "d"), try await read(bench, "d"))
        #expect(try await commit(first, bench) == 1)
        try bench.clock.set("2026-03-01T05:00:01Z")
        #expect(try await commit(second, bench) == 0)
        #expect(try await bench.metastore.read { try $0.runs(dagID: "d", state: nil, limit: 9).count } == 1)
        try await bench.end()
    }

    @Test("a DAG that runs again and again keeps the date of its last run")
    func continuous() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(definition("d", .continuous))
        let (first, second) = (try await read(bench, "d"), try await read(bench, "d"))
        #expect(try await commit(first, bench) == 1)
        try bench.clock.set("2026-03-01T05:00:01Z")
        #expect(try await commit(second, bench) == 0)
        let row = try await bench.metastore.read { try $0.dag("d") }
        #expect(row?.lastScheduled?.description == Self.now)
        try await bench.end()
    }

    @Test("a schedule that was replaced, and a DAG that was paused meanwhile, get nothing of what was planned")
    func replaced() async throws {
        let bench = try SchedulerBench(at: Self.now)
        func cron(_ text: String) -> ScheduleDefinition { .cron(expression: text, timeZone: "UTC") }
        try await bench.store(definition("d", cron("0 6 * * *")))
        let old = try await read(bench, "d")
        try await bench.store(definition("d", cron("0 7 * * *")))
        _ = try await commit(old, bench)
        #expect(try await bench.metastore.read { try $0.dagsToSchedule(limit: 9).map(\.dagID) } == ["d"])
        _ = try await commit(read(bench, "d"), bench)
        #expect(try await bench.metastore.read { try $0.dag("d") }?.nextRunAt?.description == "2026-03-01T07:00:00Z")

        try bench.clock.set("2026-03-01T07:00:00Z")
        let due = try await read(bench, "d")
        try await bench.metastore.write { try $0.setPaused("d", true) }
        #expect(try await commit(due, bench) == 0)
        try await bench.metastore.write { try $0.setPaused("d", false) }
        #expect(try await commit(due, bench) == 1)
        #expect(try await commit(due, bench) == 0)
        try await bench.end()
    }

    @Test("events are looked at by the DAGs that there are, and gathered as they say")
    func events() async throws {
        let bench = try SchedulerBench(at: Self.now)
        try await bench.store(definition("d", .events(EventSchedule([EventPattern(name: "e")]))))
        _ = try await bench.metastore.write { try $0.emit([NewEvent(name: "e")]) }
        let (known, events) = try await bench.metastore.read {
            (try $0.eventStartedDAGs(), try $0.events(after: 0, limit: 9))
        }
        let starts = events.map { EventStart(dagID: "d", event: $0) }
        let last = try #require(events.last).seq
        // Deployed anew by then: whoever has looked by the old ones looks again.
        try await bench.store(
            definition("d", .events(EventSchedule([EventPattern(name: "e")]))), definition("x", .once))
        let more = try await bench.metastore.write { transaction in
            try transaction.storeDAGs(
                [
                    self.definition(
                        "d",
                        .events(
                            EventSchedule(
                                [EventPattern(name: "e")], gathering: .batch(count: 2, within: .seconds(60)))))
                ], bundle: "default", bundleVersion: "2")
            return try transaction.startRuns(starts, by: known, from: 0, upTo: last)
        }
        #expect(more == nil)
        // Of two that have looked by the same ones, the first starts.
        _ = try await bench.metastore.write { try $0.emit([NewEvent(name: "e"), NewEvent(name: "e")]) }
        let (now, next) = try await bench.metastore.read {
            (try $0.eventStartedDAGs(), try $0.events(after: last, limit: 9))
        }
        let found = next.map { EventStart(dagID: "d", event: $0) }
        let counts = try await bench.metastore.write { transaction in
            let cursor = try transaction.startCursor()
            return try (0..<2).map { _ in try transaction.startRuns(found, by: now, from: cursor, upTo: last + 2) }
        }
        #expect(counts == [1, nil])
        // What is gathered is kept, whatever another scheduler knows of the DAG.
        _ = try await bench.metastore.write { try $0.emit([NewEvent(name: "e")]) }
        let third = try await bench.metastore.read { try $0.events(after: last + 2, limit: 9) }
        let lone = third.map { EventStart(dagID: "d", event: $0) }
        let closed = try await bench.metastore.write { transaction in
            _ = try transaction.startRuns(lone, by: now, from: last + 2, upTo: last + 3)
            return try transaction.closeBatches(of: "d")
        }
        #expect(closed == 0)
        #expect(try await bench.metastore.read { try $0.nextBatchInstant() } != nil)
        try bench.clock.set("2026-03-01T05:01:00Z")
        let late = try await bench.metastore.write { transaction in
            try (0..<2).map { _ in try transaction.closeBatches(of: "d") }
        }
        #expect(late == [1, 0])
        try await bench.end()
    }
}
