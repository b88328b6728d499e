// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Hosted waits are held by one worker", .onEveryGround)
struct HostedWaitTests {
    private static let trigger = TriggerSpec(kind: "async:Depth", target: "Depth", definition: ["queue": "a"])

    private func stage(_ tasks: TaskDefinition...) async throws -> Stage {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        _ = try await stage.trigger("d")
        return stage
    }

    private func worker(_ stage: Stage, lease: TimeSpan = .seconds(90)) async throws -> Int64 {
        try await stage.store.write {
            try $0.registerProcess(role: "worker", pid: 7, startTime: 1, bootID: "b", host: "h", lease: lease)
        }
    }

    private func claim(_ stage: Stage, _ worker: Int64, orphans: Bool = true) async throws -> [Int64] {
        try await stage.store.write { try $0.claimHosted(worker: worker, orphans: orphans, limit: 100) }.map(
            \.wait.waitID)
    }

    private func fire(_ stage: Stage, _ waitID: Int64, by worker: Int64) async throws -> Bool {
        try await stage.store.write {
            try $0.fireHosted([Firing(waitID: waitID, outcome: .event(1), by: "worker")], worker: worker)
        }[0]
    }

    @Test("A wait is claimed once; only its worker stores and fires, and the triggerer is left a note")
    func held() async throws {
        let stage = try await stage(.sensor("s", Self.trigger), .sensor("other", .file("/a")))
        let (first, second) = (try await worker(stage), try await worker(stage))
        let claimed = try await claim(stage, first)
        #expect(claimed.count == 1)
        #expect(try await claim(stage, second).isEmpty)
        let waitID = claimed[0]
        let stored = try await stage.store.write { transaction in
            try [second, first].map { try transaction.storeHostedProgress([(waitID, .integer($0))], worker: $0)[0] }
        }
        #expect(stored == [false, true])
        #expect(try await stage.store.read { try $0.wait(waitID)?.progress } == "\(first)")
        #expect(try await !fire(stage, waitID, by: second))
        #expect(try await fire(stage, waitID, by: first))
        #expect(try await !fire(stage, waitID, by: first))
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 9) }.map(\.waitID) == [waitID])
        #expect(try await stage.store.read { try $0.hostedWaits(of: first) }.isEmpty)
        #expect(try await stage.faults() == [])
    }

    @Test(
        "What a worker hosts whose lease is over goes to another one, and the first one fires and stores nothing more")
    func fenced() async throws {
        let stage = try await stage(.sensor("s", Self.trigger))
        let first = try await worker(stage, lease: .seconds(10))
        let second = try await worker(stage)
        let waitID = try #require(try await claim(stage, first).first)
        let note = HostedNote(waitID: waitID, failures: 2, offences: 1, retryAt: nil, words: "it failed: no")
        try await stage.store.write { try $0.noteHosted([note], worker: first) }
        stage.clock.advance(.seconds(11))
        #expect(try await claim(stage, second, orphans: false).isEmpty)
        let taken = try await stage.store.write { try $0.claimHosted(worker: second, orphans: true, limit: 9) }
        #expect(taken.map(\.wait.waitID) == [waitID] && taken[0].failures == 2 && taken[0].offences == 1)
        #expect(try await !fire(stage, waitID, by: first))
        #expect(try await stage.store.write { try $0.storeHostedProgress([(waitID, 1)], worker: first) } == [false])
        try await stage.store.write { try $0.releaseHosted(worker: second) }
        #expect(try await claim(stage, second, orphans: false) == [waitID])
        let wait = try #require(try await stage.waits().first)
        let sentences = try await stage.store.read { try $0.hostedSentences(wait) }
        #expect(sentences.contains("The worker h:7 hosts it.") && sentences.contains { $0.contains("it failed: no") })
    }

    @Test("A timeout, a cancel and a fire by hand leave no row behind; a worker that is gone claims nothing")
    func ends() async throws {
        let stage = try await stage(.sensor("a", Self.trigger), .sensor("b", Self.trigger), .sensor("c", Self.trigger))
        let worker = try await worker(stage)
        let waits = try await claim(stage, worker)
        #expect(waits.count == 3)
        #expect(try await stage.fire(waits[0], .timeout))
        #expect(try await stage.fire(waits[1], byHand: true))
        #expect(try await stage.store.read { try $0.hostedWaits(of: worker) } == [waits[2]])
        _ = try await stage.store.write { try $0.cancelRun(dagID: "d", runID: "r1", by: "ann") }
        try await stage.advance()
        #expect(try await stage.store.read { try $0.hostedWaits(of: worker) }.isEmpty)
        #expect(try await stage.faults() == [])
        #expect(try await claim(stage, 4_711).isEmpty)
    }
}
