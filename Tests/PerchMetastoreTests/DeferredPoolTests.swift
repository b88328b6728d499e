// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Pools that count tasks which wait", .onEveryGround)
struct DeferredPoolTests {
    private func sensors(_ count: Int, pool: String = "p", slots: Int = 1) -> [TaskDefinition] {
        (0..<count).map { index in
            .sensor("s\(index)", .file("/\(index)")) { task in
                task.pool = pool
                task.poolSlots = slots
            }
        }
    }

    private func pool(_ stage: Stage) async throws -> PoolRow {
        try #require(try await stage.store.read { try $0.pool("p") })
    }

    private func counts(_ stage: Stage, _ run: RunRow) async throws -> [TaskState: Int] {
        Dictionary(try await stage.states(run).values.map { ($0, 1) }) { $0 + $1 }
    }

    private func set(
        _ stage: Stage, slots: Int, includeDeferred: Bool? = nil, maxDeferred: PoolRow.MostDeferred? = nil
    ) async throws {
        try await stage.store.write {
            try $0.setPool("p", slots: slots, includeDeferred: includeDeferred, maxDeferred: maxDeferred)
        }
        while try await stage.store.write({ try $0.promoteScheduled(limit: 100) }) {}
    }

    @Test("sensors hold slots of such a pool while they wait, and the next begins when one ends")
    func includeDeferred() async throws {
        let stage = try await Stage()
        try await set(stage, slots: 4, includeDeferred: true)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: sensors(3, slots: 2)))
        let run = try await stage.trigger("d")
        #expect(try await counts(stage, run) == [.deferred: 2, .scheduled: 1])
        var row = try await pool(stage)
        #expect(row.used == 4 && row.deferred == 2 && row.waiting == 1 && row.free == 0)
        let holders = try await stage.store.read { try $0.poolHolders("p", limit: 9) }
        #expect(
            holders.count == 2 && holders.allSatisfy { $0.state == .deferred && $0.slots == 2 })
        #expect(try await stage.faults() == [])

        let waits = try await stage.waits()
        #expect(try await stage.fire(waits[0].waitID))
        #expect(try await counts(stage, run) == [.success: 1, .deferred: 2])
        let later = try await stage.store.read { try $0.taskInstances(runKey: run.runKey) }
        #expect(later.allSatisfy { $0.startDate != nil && $0.tryNumber == 1 })
        for wait in try await stage.waits() { #expect(try await stage.fire(wait.waitID)) }
        #expect(try await stage.state(run) == .success)
        row = try await pool(stage)
        #expect(row.used == 0 && row.deferred == 0 && row.waiting == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("a task that defers in the middle keeps its slots, and resumes with them") func deferring() async throws {
        let stage = try await Stage()
        try await set(stage, slots: 1, includeDeferred: true)
        let tasks = ["a", "b"].map { TaskDefinition.code($0) { $0.pool = "p" } }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        let first = try #require(try await stage.claim().first)
        #expect(try await stage.deferTask(first))
        #expect(try await stage.claim().isEmpty)
        #expect(try await pool(stage).used == 1)
        #expect(try await stage.faults() == [])
        let wait = try #require(try await stage.waits().first)
        #expect(try await stage.fire(wait.waitID))
        let again = try await stage.claim()
        #expect(again.map(\.key.taskID) == [first.key.taskID])
        #expect(try await pool(stage).used == 1)
        try await stage.succeed(again[0])
        let second = try await stage.claim()
        #expect(second.count == 1 && second[0].key.taskID != first.key.taskID)
        try await stage.succeed(second[0])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("so many wait as the pool lets; what defers in the middle is let past") func maxDeferred() async throws {
        let stage = try await Stage()
        try await set(stage, slots: 9, maxDeferred: .at(2))
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: sensors(4) + [.code("c") { $0.pool = "p" }]))
        let run = try await stage.trigger("d")
        #expect(try await counts(stage, run) == [.deferred: 2, .scheduled: 2, .queued: 1])
        #expect(try await pool(stage).used == 1)
        let code = try #require(try await stage.claim().first)
        #expect(try await stage.deferTask(code))
        #expect(try await counts(stage, run) == [.deferred: 3, .scheduled: 2])
        #expect(try await pool(stage).deferred == 3)
        #expect(try await stage.faults() == [])
        let held = try #require(try await stage.states(run).filter { $0.value == .scheduled }.keys.min())
        let reason = try await stage.store.read { snapshot in
            try snapshot.hindrances(TaskInstanceKey(dagID: "d", runID: "r1", taskID: held), isEngineRunning: true)
        }
        #expect(
            reason.first?.text.hasPrefix("The limit of waiting tasks of the pool 'p' is full: 3 of 2 slots")
                == true,
            "\(reason)")
        // One ends: three are two too many still.
        let waits = try await stage.waits()
        #expect(try await stage.fire(waits[0].waitID))
        #expect(try await counts(stage, run) == [.success: 1, .deferred: 2, .scheduled: 2])
        #expect(try await stage.fire(waits[1].waitID))
        #expect(try await counts(stage, run) == [.success: 2, .deferred: 2, .scheduled: 1])
        // Any number may wait again.
        try await set(stage, slots: 9, maxDeferred: .unlimited)
        #expect(try await counts(stage, run) == [.success: 2, .deferred: 3])
        #expect(try await stage.faults() == [])
    }

    @Test("a cancelled or timed-out wait, and a cancelled place before the pool, give back what they hold")
    func cancelled() async throws {
        let stage = try await Stage()
        try await set(stage, slots: 1, includeDeferred: true, maxDeferred: .at(1))
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: sensors(3)))
        let run = try await stage.trigger("d")
        #expect(try await counts(stage, run) == [.deferred: 1, .scheduled: 2])
        let wait = try #require(try await stage.waits().first)
        #expect(try await stage.fire(wait.waitID, .timeout))
        #expect(try await counts(stage, run)[.deferred] == 1)
        #expect(try await stage.faults() == [])
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "anna") }
        try await stage.advance()
        #expect(try await stage.state(run) == .failed)
        #expect(try await pool(stage).used == 0)
        #expect(try await stage.store.read { try $0.number("SELECT COUNT(*) FROM task_limit") } == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("tasks whose code comes after a wait, retries and mapped sensors keep to it, too; a pause holds them")
    func others() async throws {
        let stage = try await Stage()
        try await set(stage, slots: 1, includeDeferred: true)
        let start = StartDefinition(trigger: .file("/x"), timeout: nil)
        let tasks = ["a", "b"].map { id in
            TaskDefinition.code(id) { task in
                task.pool = "p"
                task.start = start
                task.retries = 1
            }
        }
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        #expect(try await counts(stage, run) == [.deferred: 1, .scheduled: 1])
        try await stage.store.write { try $0.setPaused("d", true) }
        let wait = try #require(try await stage.waits().first)
        #expect(try await stage.fire(wait.waitID))
        // Neither the one that resumes nor the one that would begin to wait.
        #expect(try await counts(stage, run) == [.scheduled: 2])
        try await stage.store.write { try $0.setPaused("d", false) }
        while try await stage.store.write({ try $0.promoteScheduled(limit: 100) }) {}
        #expect(try await counts(stage, run) == [.queued: 1, .scheduled: 1])
        let claimed = try await stage.claim()
        try await stage.finish(claimed[0], .failure(message: "no", retryable: true))
        #expect(try await counts(stage, run) == [.upForRetry: 1, .deferred: 1])
        #expect(try await stage.faults() == [])
    }

    @Test("a sensor whose template does not resolve fails when there is room, and makes way") func broken() async throws
    {
        let stage = try await Stage()
        try await set(stage, slots: 1, includeDeferred: true)
        var tasks = sensors(1)
        tasks.append(.sensor("bad", .file("/{{ params.none }}"), after: []) { $0.pool = "p" })
        tasks.append(.sensor("end", .file("/end")) { $0.pool = "p" })
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        #expect(try await counts(stage, run) == [.deferred: 1, .scheduled: 2])
        let wait = try #require(try await stage.waits().first)
        #expect(try await stage.fire(wait.waitID))
        #expect(try await counts(stage, run) == [.success: 1, .failed: 1, .deferred: 1])
        #expect(try await stage.states(run)["bad"] == .failed)
        #expect(try await stage.faults() == [])
    }

    @Test("wrong numbers are refused, and a change keeps what it does not name") func settings() async throws {
        let stage = try await Stage()
        await #expect(throws: PerchError.self) { try await set(stage, slots: 1, maxDeferred: .at(-1)) }
        try await set(stage, slots: 1, includeDeferred: true, maxDeferred: .at(5))
        try await set(stage, slots: 2)
        let row = try await pool(stage)
        #expect(row.includesDeferred && row.maxDeferred == 5 && row.slots == 2)
    }
}
