// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchScheduler

@Suite("The scheduler on SQLite", .timeLimit(.minutes(1)))
struct SchedulerTests {
    private func dag(_ id: String, _ expression: String, most: Int = 16) -> DAGDefinition {
        var definition = DAGDefinition(
            dagID: id, schedule: .cron(expression: expression, timeZone: "UTC"),
            tasks: [TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))])
        definition.maxActiveRuns = most
        return definition
    }

    @Test("A run is created at its tick, started, and its first task is queued")
    func tick() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:00:00Z")
        await bench.scheduler.start()
        try await bench.store(dag("d", "0 6 * * *"))
        let row = try await bench.row(of: "d") { $0.nextRunAt != nil }
        #expect(row?.nextRunAt?.description == "2026-03-01T06:00:00Z")
        try bench.move(to: "2026-03-01T06:00:00Z")
        let runs = try await bench.runs(of: "d") { $0.first?.state == .running }
        #expect(runs.map(\.runID) == ["scheduled__2026-03-01T06:00:00Z"])
        #expect(runs.first?.dataIntervalStart.description == "2026-02-28T06:00:00Z")
        let next = try await bench.row(of: "d") { $0.nextRunAt?.description == "2026-03-02T06:00:00Z" }
        #expect(next?.lastScheduled?.description == "2026-03-01T06:00:00Z")
        try await bench.end()
    }

    @Test("Waits that no triggerer watches time out all the same, once one had time enough to come")
    func unwatched() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:00:00Z")
        func sensor(_ id: String, _ timeout: TimeSpan) -> TaskDefinition {
            let trigger = TriggerSpec(kind: "file", target: "/never")
            return TaskDefinition(taskID: id, kind: .sensor(SensorDefinition(trigger: trigger, timeout: timeout)))
        }
        try await bench.store(
            DAGDefinition(dagID: "d", tasks: [sensor("short", .seconds(5)), sensor("long", .seconds(5_000 * 3_600))]))
        try await bench.metastore.write {
            _ = try $0.createRun(RunRequest(dagID: "d", runID: "r"))
            while try $0.advanceRuns(budget: 1_000) {}
        }
        await bench.scheduler.start()
        func states() async throws -> [TaskState] {
            try await bench.metastore.read { snapshot in
                guard let run = try snapshot.run(dagID: "d", runID: "r") else { return [] }
                return try snapshot.taskInstances(runKey: run.runKey).sorted { $0.taskIndex < $1.taskIndex }.map(
                    \.state)
            }
        }
        // It looks every half minute; how often it has looked by now, it does not tell.
        let start = try Timestamp(parsing: "2026-03-01T05:00:00Z")
        for minute in 1...5_000 where try await states()[0] == .deferred {
            try bench.move(to: (start + .seconds(Int64(minute) * 60)).description)
        }
        #expect(try await states() == [.failed, .deferred])
        let fired = try await bench.metastore.read { try $0.waits(WaitFilter()).map(\.target) }
        #expect(fired.count == 1)
        try await bench.end()
    }

    @Test("Who has changed what is forgotten once it is older than it is kept, and not before")
    func auditRetention() async throws {
        var configuration = SchedulerConfiguration()
        configuration.keepAudit = .seconds(30 * 86_400)
        let bench = try SchedulerBench(at: "2026-03-01T05:00:00Z", configuration: configuration)
        func record(_ subject: String) async throws {
            try await bench.metastore.write {
                try $0.audit(AuditEntry(who: "anna", how: "session", action: "form", subject: subject))
            }
        }
        func recorded() async throws -> [String] {
            try await bench.metastore.read { try $0.auditLog(limit: 9) }.map(\.entry.subject)
        }
        try await record("old")
        try bench.clock.set("2026-03-20T05:00:00Z")
        try await record("young")
        try bench.clock.set("2026-04-02T05:00:00Z")
        await bench.scheduler.start()
        // It cleans every hour; how often it has looked by now, it does not tell.
        let start = try Timestamp(parsing: "2026-04-02T05:00:00Z")
        for minute in 1...5_000 where try await recorded() == ["young", "old"] {
            try bench.move(to: (start + .seconds(Int64(minute) * 60)).description)
        }
        #expect(try await recorded() == ["young"])
        try await bench.end()
    }

    @Test("A queue without a triggerer is left alone only after a while, and told once each time")
    func grace() throws {
        var queues = UnwatchedQueues()
        let start = try Timestamp(parsing: "2026-03-01T05:00:00Z")
        func look(_ names: [String], _ seconds: Int64) -> (alone: [String], new: [String]) {
            queues.look(names, at: start + .seconds(seconds), grace: .seconds(30))
        }
        #expect(look(["a", "b"], 0).alone.isEmpty)
        #expect(look(["a"], 29).alone.isEmpty)
        let first = look(["a", "b"], 30)
        #expect(first.alone == ["a"] && first.new == ["a"])
        let second = look(["a", "b"], 60)
        #expect(second.alone == ["a", "b"] && second.new == ["b"])
        #expect(look([], 61).alone.isEmpty)
        #expect(look(["a"], 62).alone.isEmpty)
        #expect(look(["a"], 92).new == ["a"])
    }

    @Test("A thousand DAGs due at once all get their run")
    func manyAtOnce() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:59:59Z")
        var definitions: [DAGDefinition] = []
        for number in 0..<1_000 { definitions.append(dag("d\(number)", "0 6 * * *")) }
        let stored = definitions
        try await bench.metastore.write { try $0.storeDAGs(stored, bundle: "default", bundleVersion: "1") }
        await bench.scheduler.start()
        _ = try await bench.row(of: "d999") { $0.nextRunAt != nil }
        try bench.move(to: "2026-03-01T06:00:00Z")
        for number in 0..<1_000 {
            let runs = try await bench.runs(of: "d\(number)") { !$0.isEmpty }
            #expect(runs.count == 1)
        }
        try await bench.end()
    }

    @Test("A DAG that cannot be scheduled does not stop the others, and is not looked at again and again")
    func unknownZone() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:59:00Z")
        var broken = DAGDefinition(dagID: "a", schedule: .cron(expression: "* * * * *", timeZone: "Mars/Olympus"))
        broken.start = bench.clock.now
        try await bench.store(broken, dag("b", "0 6 * * *"))
        await bench.scheduler.start()
        let row = try await bench.row(of: "b") { $0.nextRunAt != nil }
        #expect(row?.nextRunAt?.description == "2026-03-01T06:00:00Z")
        try bench.move(to: "2026-03-01T06:00:00Z")
        #expect(try await bench.runs(of: "b") { !$0.isEmpty }.count == 1)
        #expect(try await bench.metastore.read { try $0.dagsToSchedule(limit: 10) }.isEmpty)
        try await bench.end()
    }

    @Test("A DAG whose run cannot be created is given up as it was, and has its run once it is corrected")
    func runThatCannotBe() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:30:00Z")
        var broken = dag("a", "0 * * * *")
        broken.start = bench.clock.now
        broken.paramSchemas = ["size": ParamSchema(.integer)]
        try await bench.store(broken)
        await bench.scheduler.start()
        let planned = try await bench.row(of: "a") { $0.nextRunAt != nil }
        #expect(planned?.nextRunAt?.description == "2026-03-01T06:00:00Z")
        try bench.move(to: "2026-03-01T06:00:00Z")
        let given = try await bench.row(of: "a") { $0.nextRunAt?.description != "2026-03-01T06:00:00Z" }
        #expect(given?.nextRunAt == nil && given?.lastScheduled == nil)
        #expect(try await bench.metastore.read { try $0.dagsToSchedule(limit: 10) }.isEmpty)
        broken.params = ["size": .integer(1)]
        try await bench.store(broken)
        let runs = try await bench.runs(of: "a") { !$0.isEmpty }
        #expect(runs.map(\.logicalDate.description) == ["2026-03-01T06:00:00Z"])
        try await bench.end()
    }

    @Test("A paused DAG creates nothing; unpaused it runs the latest missed tick")
    func pause() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:30:00Z")
        try await bench.store(dag("d", "0 * * * *"))
        try await bench.metastore.write { try $0.setPaused("d", true) }
        await bench.scheduler.start()
        let row = try await bench.row(of: "d") { $0.nextRunAt != nil }
        #expect(row?.nextRunAt?.description == "2026-03-01T06:00:00Z")
        try bench.move(to: "2026-03-01T10:30:00Z")
        _ = try await bench.row(of: "d") { _ in true }
        #expect(try await bench.metastore.read { try $0.activeRuns(dagID: "d") } == 0)
        try await bench.metastore.write { try $0.setPaused("d", false) }
        let runs = try await bench.runs(of: "d") { !$0.isEmpty }
        #expect(runs.map(\.logicalDate.description) == ["2026-03-01T10:00:00Z"])
        try await bench.end()
    }

    @Test("With catch-up runs are created as far as active runs allow, and on as they end")
    func catchUp() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:30:00Z")
        var definition = dag("d", "0 * * * *", most: 2)
        definition.start = try Timestamp(parsing: "2026-03-01T01:00:00Z")
        definition.catchup = true
        try await bench.store(definition)
        await bench.scheduler.start()
        var runs = try await bench.runs(of: "d") { $0.count == 2 }
        #expect(runs.map(\.logicalDate.description) == ["2026-03-01T01:00:00Z", "2026-03-01T02:00:00Z"])
        for count in 3...5 {
            let active = runs.filter { !$0.state.isFinished }.map(\.runID)
            let first = try #require(active.first)
            _ = try await bench.metastore.write { try $0.cancelRun(dagID: "d", runID: first, by: "test") }
            runs = try await bench.runs(of: "d") { $0.count == count }
            #expect(runs.count { !$0.state.isFinished } <= 2)
        }
        #expect(runs.last?.logicalDate.description == "2026-03-01T05:00:00Z")
        try await bench.end()
    }

    @Test("@continuous starts the next run when the last has ended; @once runs once")
    func presets() async throws {
        let bench = try SchedulerBench(at: "2026-03-01T05:30:00Z")
        let task = TaskDefinition(taskID: "t", kind: .code(operatorName: "closure"))
        try await bench.store(
            DAGDefinition(dagID: "again", schedule: .continuous, tasks: [task]),
            DAGDefinition(dagID: "once", schedule: .once, tasks: [task]))
        await bench.scheduler.start()
        for count in 1...3 {
            let runs = try await bench.runs(of: "again") { $0.count == count && $0.first?.state == .running }
            let runID = try #require(runs.last?.runID)
            _ = try await bench.metastore.write { try $0.cancelRun(dagID: "again", runID: runID, by: "test") }
        }
        #expect(try await bench.runs(of: "once") { !$0.isEmpty }.count == 1)
        try await bench.end()
    }
}
