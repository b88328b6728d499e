// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("What pages count and list", .onEveryGround)
struct OverviewTests {
    /// A run in which a task has succeeded, another one has failed, a mapped one has two instances, and a sensor waits.
    private func stage() async throws -> (stage: Stage, run: RunRow) {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("good"), .code("bad"), .code("many", after: [0]) { $0.mappedOver = 0 },
                    .sensor("file", .file("/in")),
                ]))
        let run = try await stage.trigger("d")
        try await stage.advance()
        for task in try await stage.claim() {
            if task.key.taskID == "good" {
                _ = try await stage.succeed(task, output: "[1,2]", items: ["1", "2"])
            } else {
                _ = try await stage.finish(task, .failure(message: "no", retryable: false))
            }
        }
        try await stage.advance()
        return (stage, run)
    }

    @Test("What is under way is counted up to a bound, and listed by its state")
    func counts() async throws {
        let (stage, run) = try await stage()
        let overview = try await stage.store.read { try $0.overview(atMost: 100) }
        #expect(overview.runsRunning == 1 && overview.runsQueued == 0 && overview.waits == 1)
        #expect(overview.tasksQueued == 2 && overview.tasksRunning == 0 && overview.tasksScheduled == 0)
        #expect(try await stage.store.read { try $0.overview(atMost: 1).tasksQueued } == 1)
        let queued = try await stage.store.read { try $0.taskInstances(in: .queued, skipping: 1, limit: 5) }
        #expect(queued.map(\.key.taskID) == ["many"])
        #expect(try await stage.store.read { try $0.taskInstances(in: .success, skipping: 0, limit: 5) }.isEmpty)
        let now = stage.clock.now
        #expect(try await stage.store.read { try $0.runs(in: .running, since: now, skipping: 0, limit: 5) }.count == 1)
        #expect(try await stage.store.read { try $0.runs(in: .failed, since: now, skipping: 0, limit: 5) }.isEmpty)
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "me") }
        try await stage.advance()
        let failed = try await stage.store.read { try $0.runs(in: .failed, since: now, skipping: 0, limit: 5) }
        #expect(failed.map(\.runKey) == [run.runKey])
        try stage.close()
    }

    @Test("What is queued is found in whatever queue, that of the default one first, page by page")
    func queues() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(
                dagID: "d",
                tasks: [
                    .code("a") { $0.queue = "gpu" }, .code("b"), .code("c") { $0.queue = "big" }, .code("d"),
                ]))
        _ = try await stage.trigger("d")
        try await stage.advance()
        #expect(try await stage.store.read { try $0.overview(atMost: 100) }.tasksQueued == 4)
        for limit in 1...5 {
            var found: [String] = []
            for skipping in stride(from: 0, to: 8, by: limit) {
                found += try await stage.store.read {
                    try $0.taskInstances(in: .queued, skipping: skipping, limit: limit).map(\.key.taskID)
                }
            }
            #expect(Set(found.prefix(2)) == ["b", "d"] && found.dropFirst(2) == ["c", "a"], "\(limit): \(found)")
        }
        try stage.close()
    }

    @Test("What has ended is counted by hour, of runs that have ended and of those under way")
    func ended() async throws {
        let (stage, _) = try await stage()
        stage.clock.advance(.seconds(1_800))
        let since = stage.clock.now + TimeSpan(microseconds: -7_200_000_000)
        let counts = try await stage.store.read { try $0.endedCounts(since: since, spans: 2, atMost: 100) }
        #expect(counts.map(\.tasksSucceeded) == [0, 1] && counts.map(\.tasksFailed) == [0, 1])
        #expect(counts.map(\.runsFailed) == [0, 0])
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "me") }
        try await stage.advance()
        let after = try await stage.store.read { try $0.endedCounts(since: since, spans: 2, atMost: 100) }
        #expect(after[1].runsFailed == 1 && after[1].tasksSucceeded == 1)
        try stage.close()
    }

    @Test("A run's tasks stand in a grid as they are, a mapped one by its counts")
    func grid() async throws {
        let (stage, run) = try await stage()
        let cells = try await stage.store.read { try $0.standings(of: run) }
        #expect([0, 1, 3].map { cells[$0]?.state } == [.success, .failed, .deferred])
        #expect(cells[2]?.mapped == GridCell.Mapped(length: 2, unfinished: 2, failed: 0, skipped: 0))
        #expect(cells[2]?.taskInstanceID == nil)
        let id = try #require(cells[0]?.taskInstanceID)
        #expect(try await stage.store.read { try $0.taskInstance(id: id) }?.key.taskID == "good")
        #expect(try await stage.store.read { try $0.taskInstance(id: -1) } == nil)
        let day = run.logicalDate.microseconds / 86_400_000_000
        let days = try await stage.store.read { snapshot in
            try snapshot.dailyRuns(dagID: "d", from: Timestamp(microseconds: 0), atMost: 10).map {
                [$0.day, Int64($0.count)]
            }
        }
        #expect(days == [[day, 1]])
        try stage.close()
    }

    @Test("When an instance has waited is told from its journal, in the order in which it did")
    func waits() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        _ = try await stage.trigger("d")
        try await stage.advance()
        let task = try #require(try await stage.claim().first)
        _ = try await stage.deferTask(task, trigger: .file("/in"))
        stage.clock.advance(.seconds(60))
        let open = try await stage.store.read { snapshot in
            try snapshot.waitSpans(of: [task.taskInstanceID, -1], limit: 10).map { $0.map(\.to) }
        }
        #expect(open == [[nil], []])
        let wait = try #require(try await stage.waits().first)
        _ = try await stage.fire(wait.waitID)
        let spans = try await stage.store.read { try $0.waitSpans(of: [task.taskInstanceID], limit: 10)[0] }
        #expect(spans.count == 1 && spans[0].to.map { $0 - spans[0].from } == .seconds(60))
        try stage.close()
    }
}
