// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Synchronization
import Testing

@Suite("Queues of tasks", .onEveryGround)
struct QueueTests {
    private func task(_ id: String, queue: String, priority: Int = 1) -> TaskDefinition {
        var task = TaskDefinition.code(id)
        task.queue = queue
        task.priority = priority
        return task
    }

    private func claimed(_ stage: Stage, limit: Int, _ queues: [String]?) async throws -> [String] {
        let worker = stage.worker
        return try await stage.store.write { try $0.claim(limit: limit, worker: worker, queues: queues) }
            .map(\.key.taskID)
    }

    @Test("a worker of every queue takes by priority, whatever the queue; one of some takes theirs alone")
    func order() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    task("a", queue: "default", priority: 2), task("b", queue: "gpu", priority: 3),
                    task("c", queue: "disk", priority: 1), task("d", queue: "gpu", priority: 1),
                    task("e", queue: "default", priority: 1), task("f", queue: "tape", priority: 9),
                ]))
        _ = try await stage.trigger("d")
        #expect(try await claimed(stage, limit: 9, ["nobody"]) == [])
        #expect(try await claimed(stage, limit: 9, ["tape", "nobody"]) == ["f"])
        // Of one priority, the instance that was made first: those of a run are made from its last task to its first.
        #expect(try await claimed(stage, limit: 3, nil) == ["b", "a", "e"])
        #expect(try await claimed(stage, limit: 9, ["default", "gpu"]) == ["d"])
        #expect(try await claimed(stage, limit: 9, nil) == ["c"])
        let counts = try await stage.store.read { try $0.openTaskCounts() }
        #expect(counts.first { $0.state == .queued }?.count == 0)
        #expect(try await stage.faults() == [])
    }

    @Test("a worker wakes others for what it leaves in the queue, and for nothing else")
    func bells() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b")]))
        let rings = Mutex(0)
        stage.store.doorbells.subscribe(.queue) { _ in rings.withLock { $0 += 1 } }
        let worker = stage.worker
        func claims(_ limit: Int, _ queues: [String]?, _ runID: String) async throws -> Int {
            rings.withLock { $0 = 0 }
            let request = RunRequest(dagID: "d", runID: runID)
            try await stage.store.write { transaction in
                _ = try transaction.createRun(request)
                while try transaction.advanceRuns(budget: 1_000) {}
                _ = try transaction.claim(limit: limit, worker: worker, queues: queues)
            }
            return rings.withLock { $0 }
        }
        #expect(try await claims(3, nil, "all") == 0)
        #expect(try await claims(2, nil, "perhaps all") == 1)
        #expect(try await claims(1, nil, "one") == 1)
        #expect(try await claims(9, ["default"], "those of one queue") == 1)
    }

    @Test("what dead workers held is queued again, what others took meanwhile is not")
    func dead() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b")]))
        _ = try await stage.trigger("d")
        let identity = ProcessIdentity(pid: 2, startTime: 2, bootID: "b", host: "h")
        let (first, second) = try await stage.store.write { transaction in
            (
                try transaction.registerWorker(identity, terms: WorkerTerms(slots: 1), lease: .seconds(10)),
                try transaction.registerWorker(identity, terms: WorkerTerms(queues: ["default"]), lease: .seconds(60))
            )
        }
        _ = try await stage.store.write { try $0.claim(limit: 1, worker: first) }
        _ = try await stage.store.write { try $0.claim(limit: 1, worker: second) }
        // Its lease has not ended: somebody who thought so is late.
        #expect(try await stage.store.write { try $0.forgetWorkers(ended: [], overdue: [first, second]) } == 0)
        stage.clock.advance(.seconds(11))
        #expect(try await stage.store.write { try $0.forgetWorkers(ended: [], overdue: [first, second]) } == 1)
        let workers = try await stage.store.read { try $0.workers() }.filter { $0.process.pid == 2 }
        #expect(workers.map(\.process.processID) == [second] && workers.map(\.running) == [1])
        #expect(workers.first?.terms == WorkerTerms(queues: ["default"], slots: 32))
        #expect(try await stage.store.read { try !$0.isRecorded(process: first) && $0.isRecorded(process: second) })
        #expect(try await stage.store.write { try $0.forgetWorkers(ended: [second], overdue: []) } == 1)
        #expect(try await stage.faults() == [])
    }
}
