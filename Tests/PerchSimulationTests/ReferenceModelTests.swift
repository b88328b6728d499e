// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import PerchSimulation
import Testing

@Suite("Reference model")
struct ReferenceModelTests {
    /// A history of one run in which nothing is disturbed.
    private func finished(
        _ tasks: [SimulatedTask], plan: [PlannedOperation] = [], trigger at: TimeSpan = .seconds(0)
    ) async throws -> HandEngine {
        let plan = [PlannedOperation(at: at, .trigger(dagID: "d", runID: "r"))] + plan
        let engine = try await HandEngine(
            Workload(dags: [SimulatedDAG("d", tasks)], plan: plan, horizon: .seconds(60)), seed: 1, isDisturbed: false)
        try await engine.run()
        return engine
    }

    private func tamper(_ engine: HandEngine, _ sql: String) throws -> [Violation] {
        try engine.driver.write { try $0.execute(script: sql) }
        let model = ReferenceModel(engine.workload, engine.acknowledged)
        return try engine.driver.read { try model.verify(on: $0) }
    }

    private func tasks() -> [SimulatedTask] {
        var last = SimulatedTask("last", .code, TaskScript([], items: 1), after: ["fails"])
        last.triggerRule = .allDone
        last.input = "each"
        return [
            SimulatedTask("list", .code, TaskScript([], items: 3)),
            SimulatedTask("each", .mapped(over: "list"), TaskScript([.step("s", work: .seconds(0), keep: false)])),
            SimulatedTask("fails", .code, TaskScript([.failForGood])),
            SimulatedTask("after", after: ["fails"]),
            SimulatedTask("skips", .code, TaskScript([.skip])),
            SimulatedTask("behind", after: ["skips"]),
            last,
        ]
    }

    @Test("A history that nothing disturbed ends as the model says")
    func agrees() async throws {
        let engine = try await finished(tasks())
        #expect(try engine.verdict() == [])
        let row = try await engine.store.read { try $0.run(dagID: "d", runID: "r") }
        #expect(row?.state == .failed)
        let key = TaskInstanceKey(dagID: "d", runID: "r", taskID: "last")
        // 1 + 2 + 3, from the three instances.
        #expect(try await engine.store.read { try $0.taskInstance(key) }?.output == "[6]")
    }

    @Test(
        "Every end that is not the one allowed is found",
        arguments: [
            ("UPDATE task_instance SET state = 'failed' WHERE task_index = 0", "'list' [-1] is failed"),
            ("UPDATE task_instance SET state = 'success' WHERE task_index = 2", "'fails' [-1] is success"),
            ("UPDATE task_instance SET state = 'skipped' WHERE task_index = 3", "'after' [-1] is skipped"),
            (
                "UPDATE task_instance SET state = 'upstream_failed' WHERE task_index = 5",
                "'behind' [-1] is upstream_failed"
            ),
            ("UPDATE task_instance SET state = 'skipped' WHERE task_index = 6", "'last' [-1] is skipped"),
            ("UPDATE task_instance SET output = '[7]' WHERE task_index = 6", "gave [7] where [6] was right"),
            ("DELETE FROM task_instance WHERE task_index = 1 AND map_index = 1", "not 0..<3"),
            ("DELETE FROM task_instance WHERE task_index = 5", "'behind' has no instance"),
            ("DELETE FROM journal", "its step 's#0' is not in its journal"),
            ("UPDATE dag_run SET state = 'success'", "it is success, and its tasks say failed"),
            ("UPDATE task_instance SET state = 'running' WHERE task_index = 4", "'skips' has not"),
        ])
    func differs(sql: String, sentence: String) async throws {
        let engine = try await finished(tasks())
        let found = try tamper(engine, sql)
        #expect(found.contains { $0.description.contains(sentence) }, "\(found)")
    }

    @Test("An element of a mapped group is judged by its own instances")
    func mappedGroup() async throws {
        func member(_ id: String, _ script: TaskScript, after input: String? = nil) -> SimulatedTask {
            var task = SimulatedTask(id, .mapped(over: "list"), script)
            task.group = "g"
            task.input = input
            return task
        }
        var last = SimulatedTask("last", .code, TaskScript([], items: 1))
        last.input = "g.store"
        let engine = try await finished([
            SimulatedTask("list", .code, TaskScript([], items: 3)), member("g.check", TaskScript([])),
            member("g.store", TaskScript([]), after: "g.check"), last,
        ])
        #expect(try engine.verdict() == [])
        let key = TaskInstanceKey(dagID: "d", runID: "r", taskID: "last")
        // 2 + 4 + 6: each element, and what was made of it, and one.
        #expect(try await engine.store.read { try $0.taskInstance(key) }?.output == "[12]")
        let found = try tamper(
            engine, "UPDATE task_instance SET state = 'failed', output = NULL WHERE task_index = 1 AND map_index = 1")
        #expect(found.contains { $0.sentence.contains("'g.store' [1] is success, and must be upstream_failed") })
        #expect(!found.contains { $0.sentence.contains("'g.store' [2]") })
    }

    @Test("How a wait ended decides how its task must end")
    func waits() async throws {
        var soft = SimulatedTask("soft", .sensor(.event(name: "x", key: nil), timeout: .seconds(5), softFail: true))
        soft.retries = 1
        let wait = TaskScript([.wait("w", .event(name: "y", key: nil), timeout: .seconds(900), onTimeout: .fail)])
        let engine = try await finished(
            [soft, SimulatedTask("waits", .code, wait)],
            plan: [PlannedOperation(at: .seconds(30), .emit(name: "y", key: nil, eventID: "e", value: 1))])
        #expect(try engine.verdict() == [])
        let found = try tamper(engine, "UPDATE journal SET outcome = '{\"timeout\":true}' WHERE key = 'w#0'")
        #expect(found.contains { $0.sentence.contains("'waits' [-1] is success") })
    }

    @Test("A task that fails is tried as often as it may be, and not less")
    func retries() async throws {
        var task = SimulatedTask("t", .code, TaskScript([.failTries(upTo: 2)]))
        task.retries = 2
        let engine = try await finished([task])
        #expect(try engine.verdict() == [])
        let row = try await engine.store.read {
            try $0.taskInstance(TaskInstanceKey(dagID: "d", runID: "r", taskID: "t"))
        }
        #expect(row?.state == .success && row?.tryNumber == 3)
        let found = try tamper(engine, "UPDATE task_instance SET state = 'failed', try_number = 2")
        #expect(found.contains { $0.sentence.contains("1 retries left") }, "\(found)")
    }

    @Test("What should have gone on is told from what waits rightly")
    func unfinished() async throws {
        let wait = TaskScript([.wait("w", .event(name: "never", key: nil), timeout: nil, onTimeout: .fail)])
        let engine = try await finished([SimulatedTask("waits", .code, wait), SimulatedTask("after", after: ["waits"])])
        func look() throws -> ReferenceModel.Unfinished {
            let model = ReferenceModel(engine.workload, engine.acknowledged)
            return try engine.driver.read {
                try model.unfinished(on: $0, now: engine.clock.now, patience: .seconds(10))
            }
        }
        #expect(try look().stuck == [])
        #expect(try look().waiting.count == 2)
        try engine.driver.write { try $0.execute(script: "UPDATE wait SET deadline = since") }
        #expect(try look().stuck.map(\.rule) == ["stuck"])
        try engine.driver.write { try $0.execute(script: "DELETE FROM wait") }
        #expect(try look().stuck.contains { $0.sentence.contains("nothing of it goes on") })
    }
}
