// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import Testing

@Suite("Deadlines of waits are moved", .onEveryGround)
struct DeadlineTests {
    private func move(_ stage: Stage, _ waitID: Int64, _ move: DeadlineMove) async throws -> MovedDeadline {
        try await stage.store.write { try $0.moveDeadline(of: waitID, move) }
    }

    private func timeOut(_ stage: Stage, _ waitID: Int64, noted: Int64) async throws -> Bool {
        let lease = stage.lease
        return try await stage.store.write {
            try $0.fire([Firing(waitID: waitID, outcome: .timeout, by: "triggerer")], lease: lease, noted: noted)
        }[0]
    }

    @Test("A deadline is moved by a span, to an instant, or away, and the triggerer finds a note of each")
    func moves() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"), timeout: .seconds(60))]))
        _ = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        let now = stage.clock.now
        let later = try await move(stage, wait.waitID, .by(.seconds(30)))
        #expect(later.wait.deadline == now + .seconds(60))
        #expect(later.deadline == now + .seconds(90) && !later.isBoundedByTask)
        _ = try await move(stage, wait.waitID, .to(now + .seconds(5)))
        #expect(try await stage.waits().first?.deadline == now + .seconds(5))
        _ = try await move(stage, wait.waitID, .away)
        #expect(try await stage.waits().first?.deadline == nil)
        let notes = try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }
        #expect(notes.map(\.waitID) == [wait.waitID, wait.waitID, wait.waitID])
        #expect(notes.allSatisfy { $0.wait?.target == "/a" && $0.wait?.deadline == nil })
        #expect(try await stage.faults() == [])
    }

    @Test("What cannot be is refused, and changes nothing")
    func refusals() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"), timeout: .seconds(60))]))
        _ = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        let now = stage.clock.now
        await #expect(throws: PerchError.self) { try await move(stage, wait.waitID, .to(now)) }
        stage.clock.advance(.seconds(100))
        await #expect(throws: PerchError.self) { try await move(stage, wait.waitID, .by(.seconds(40))) }
        #expect(try await stage.waits().first?.deadline == now + .seconds(60))
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 10) }.isEmpty)
        // Overdue, and nobody has stored its timeout: it can be moved.
        let moved = try await move(stage, wait.waitID, .by(.seconds(41)))
        #expect(moved.deadline == now + .seconds(101))
        _ = try await move(stage, wait.waitID, .away)
        await #expect(throws: PerchError.self) { try await move(stage, wait.waitID, .by(.seconds(40))) }
        _ = try await stage.fire(wait.waitID)
        await #expect(throws: PerchError.self) { try await move(stage, wait.waitID, .away) }
    }

    @Test("The timeout of the task bounds what a deadline is moved to", arguments: [true, false])
    func bound(isSensor: Bool) async throws {
        let stage = try await Stage()
        var task = isSensor ? TaskDefinition.sensor("s", .file("/a"), timeout: .seconds(10)) : .code("s")
        task.taskTimeout = .seconds(100)
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [task]))
        _ = try await stage.trigger("d")
        let now = stage.clock.now
        if !isSensor { try await stage.deferTask(#require(try await stage.claim().first), timeout: .seconds(10)) }
        let wait = try #require(try await stage.waits().first)
        #expect(wait.deadline == now + .seconds(10))
        let moved = try await move(stage, wait.waitID, .by(.seconds(50)))
        #expect(moved.deadline == now + .seconds(60) && !moved.isBoundedByTask)
        for further in [DeadlineMove.by(.seconds(500)), .away] {
            let bounded = try await move(stage, wait.waitID, further)
            #expect(bounded.deadline == now + .seconds(100) && bounded.isBoundedByTask)
        }
    }

    @Test("A timeout that was decided before the deadline was moved does not win; one that knows of it does")
    func staleTimeout() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"), timeout: .seconds(60))]))
        let run = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        _ = try await move(stage, wait.waitID, .by(.seconds(30)))
        #expect(try await timeOut(stage, wait.waitID, noted: 0) == false)
        #expect(try await stage.states(run) == ["s": .deferred])
        let last = try #require(try await stage.store.read { try $0.waitNotes(after: 0, limit: 10).last?.seq })
        #expect(try await timeOut(stage, wait.waitID, noted: last))
        #expect(try await stage.states(run) == ["s": .failed])
    }

    @Test("An event wins whether the deadline was moved or not, and only once")
    func eventAfterMove() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.sensor("s", .file("/a"))]))
        let run = try await stage.trigger("d")
        let wait = try #require(try await stage.waits().first)
        _ = try await move(stage, wait.waitID, .by(.seconds(30)))
        #expect(try await stage.fire(wait.waitID))
        #expect(try await stage.fire(wait.waitID) == false)
        #expect(try await stage.states(run) == ["s": .success])
        #expect(try await stage.store.read { try $0.waitNotes(after: 0, limit: 1).first?.wait } == nil)
    }
}
