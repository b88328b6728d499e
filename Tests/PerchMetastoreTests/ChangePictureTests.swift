// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("What has changed, and what is read of it", .onEveryGround)
struct ChangePictureTests {
    private func look(_ stage: Stage, _ picture: inout ChangePicture) async throws -> [Change] {
        let before = picture
        let (after, changes) = try await stage.store.read { snapshot in
            var picture = before
            let changes = try picture.look(snapshot)
            return (picture, changes)
        }
        picture = after
        return changes
    }

    /// As `run:running`, `task_instance:queued`, `wait:began`.
    private func words(_ changes: [Change]) -> [String] {
        changes.map { change in
            let what = change.facts["change"] ?? change.facts["state"] ?? .null
            guard case .string(let text) = what else { return change.kind.rawValue }
            return "\(change.kind.rawValue):\(text)"
        }
    }

    @Test("A task is followed from its being queued to its end, its wait too, and its run")
    func task() async throws {
        let stage = try await Stage()
        var picture = ChangePicture()
        #expect(try await look(stage, &picture).isEmpty)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a"), .code("b", after: [0])]))
        stage.clock.advance(.seconds(2))
        #expect(try await look(stage, &picture).map { $0.facts["dag_id"] } == ["d"])
        let run = try await stage.trigger("d")
        #expect(words(try await look(stage, &picture)) == ["run:running"])
        let first = try #require(try await stage.claim().first)
        #expect(words(try await look(stage, &picture)) == ["task_instance:running"])
        #expect(try await stage.deferTask(first, timeout: .seconds(100)))
        #expect(words(try await look(stage, &picture)) == ["task_instance:deferred", "wait:began"])
        let wait = try #require(try await stage.waits().first)
        _ = try await stage.store.write { try $0.moveDeadline(of: wait.waitID, .by(.seconds(5))) }
        #expect(words(try await look(stage, &picture)) == ["wait:moved"])
        #expect(try await stage.fire(wait.waitID))
        #expect(words(try await look(stage, &picture)) == ["task_instance:queued", "wait:ended"])
        try await stage.succeed(try #require(try await stage.claim().first))
        let next = try await look(stage, &picture)
        #expect(words(next) == ["run:running", "task_instance:success", "task_instance:queued"], "\(next)")
        #expect(next[0].facts["unfinished"] == 1 && next[1].facts["task_id"] == "a")
        try await stage.succeed(try #require(try await stage.claim().first))
        #expect(words(try await look(stage, &picture)) == ["run:success", "task_instance:success"])
        #expect(try await look(stage, &picture).isEmpty)
        _ = try await stage.store.write { try $0.setPaused("d", true) }
        stage.clock.advance(.seconds(2))
        #expect(try await look(stage, &picture).map { $0.facts["is_paused"] } == [true])
        // What is run again is under way once more.
        _ = try await stage.store.write { transaction in
            try transaction.clear(
                dagID: "d", runID: run.runID, taskID: "b", mapIndex: nil, downstream: false, onlyFailed: false, by: "x")
        }
        #expect(words(try await look(stage, &picture)) == ["run:running"])
        try stage.close()
    }

    @Test("The journal of a try is read behind a position, so far as its bytes go, one entry at least")
    func journal() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        _ = try await stage.trigger("d")
        let task = try #require(try await stage.claim().first)
        let long = "\"" + String(repeating: "ä", count: 98) + "\""
        _ = try await stage.store.write { transaction in
            try (0..<7).map { number in
                try transaction.recordSteps([
                    StepRecord(
                        taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: "s\(number)",
                        payload: number == 3 ? "1" : long, keepAcrossRetries: false)
                ])
            }
        }
        for (limit, bytes, counts) in [
            (100, 1_000_000, [7]), (2, 1_000_000, [2, 2, 2, 1]), (100, 250, [2, 3, 2]),
            (100, 1, [1, 1, 1, 1, 1, 1, 1]),
        ] {
            var (found, sizes): ([JournalEntry], [Int]) = ([], [])
            for _ in 0..<10 {
                let after = found.last.map { Int64($0.position) } ?? -1
                let page = try await stage.store.read { snapshot in
                    try snapshot.journal(
                        taskInstanceID: task.taskInstanceID, tryNumber: 1, after: after, limit: limit, bytes: bytes)
                }
                found += page.entries
                sizes.append(page.entries.count)
                guard page.hasMore else { break }
            }
            #expect(found.map(\.key) == (0..<7).map { "s\($0)" } && sizes == counts, "\(limit) \(bytes): \(sizes)")
        }
        let none = try await stage.store.read { snapshot in
            try snapshot.journal(taskInstanceID: task.taskInstanceID, tryNumber: 2, after: -1, limit: 9, bytes: 9)
        }
        #expect(none.entries.isEmpty && !none.hasMore)
        try stage.close()
    }

    @Test("A run that somebody asks for by a key is found by that key alone, and made once")
    func keys() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        func request(_ runID: String, _ key: String?) -> RunRequest {
            var request = RunRequest(dagID: "d", runID: runID)
            request.askedBy = key
            return request
        }
        let (first, second) = (request("one", "k"), request("two", nil))
        let made = try await stage.store.write { try $0.createRun(first) }
        _ = try await stage.store.write { try $0.createRun(second) }
        let found = try await stage.store.read { try $0.run(dagID: "d", askedBy: "k") }
        #expect(found?.runKey == made.runKey)
        for key in ["", "two", "one", "K"] {
            #expect(try await stage.store.read { try $0.run(dagID: "d", askedBy: key) } == nil, "\(key)")
        }
        let again = request("three", "k")
        await #expect(throws: PerchError.self) { try await stage.store.write { try $0.createRun(again) } }
        try stage.close()
    }
}
