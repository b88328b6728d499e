// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("What many waits have in common is stored together, and each keeps what is its own", .onEveryGround)
struct ManyWaitsTests {
    /// More than two statements of many rows, and some that stand alone.
    private static let count = 75

    @Test("Tasks whose waits end together go into the queue each once, with the outcome of its own wait")
    func endTogether() async throws {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: (0..<Self.count).map { .code("t\($0)") }))
        let run = try await stage.trigger("d")
        var first: Set<Int64> = []
        for task in try await stage.claim() {
            first.insert(task.dispatchID)
            #expect(try await stage.deferTask(task, trigger: .file("/\(task.key.taskID)")))
        }
        #expect(first.count == Self.count)
        // Some of them do not find room.
        try await stage.store.write { _ = try $0.setPool("default_pool", slots: 50) }
        let outcomes: [WaitOutcome] = [.event(.string("a")), .event(.object(["n": .integer(1)])), .timeout]
        let waits = try await stage.waits()
        let firings = waits.enumerated().map { index, wait in
            Firing(waitID: wait.waitID, outcome: outcomes[index % 3], by: "triggerer")
        }
        let lease = stage.lease
        #expect(try await stage.store.write { try $0.fire(firings, lease: lease) }.allSatisfy { $0 })
        #expect(try await stage.store.write { try $0.fire(firings, lease: lease) }.allSatisfy { !$0 })
        let states = try await stage.states(run)
        #expect(states.values.count { $0 == .queued } == 50)
        #expect(states.values.count { $0 == .scheduled } == 25)
        #expect(try await stage.faults() == [])

        let wanted = Dictionary(
            uniqueKeysWithValues: waits.enumerated().map { ($1.taskInstanceID, outcomes[$0 % 3].json.text) })
        var second: Set<Int64> = []
        while true {
            let claimed = try await stage.claim()
            if claimed.isEmpty { break }
            for task in claimed {
                second.insert(task.dispatchID)
                #expect(task.journal.map(\.outcome) == [wanted[task.taskInstanceID]])
                try await stage.succeed(task)
            }
        }
        #expect(second.count == Self.count && second.isDisjoint(with: first))
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("Sensors of a run begin together, but for one whose template does not resolve")
    func beginTogether() async throws {
        let stage = try await Stage()
        var tasks = (0..<Self.count).map { index in
            TaskDefinition.sensor("s\(index)", .file("/{{ run_id }}/\(index)")) {
                $0.queue = index == 3 ? "far" : "default"
                $0.taskTimeout = index == 5 ? .seconds(60) : nil
            }
        }
        tasks.insert(.sensor("wrong", .file("/{{ params.missing }}")), at: 40)
        tasks.append(.code("after", after: Array(0...Self.count)) { $0.triggerRule = .allDone })
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: tasks))
        let run = try await stage.trigger("d")
        let waits = try await stage.waits()
        #expect(Set(waits.map(\.target)) == Set((0..<Self.count).map { "/r1/\($0)" }))
        #expect(Set(waits.map(\.waitID)).count == Self.count)
        #expect(waits.first { $0.target == "/r1/5" }?.deadline == stage.clock.now + .seconds(60))
        #expect(waits.first { $0.target == "/r1/4" }?.deadline == stage.clock.now + .seconds(3_600))
        let states = try await stage.states(run)
        #expect(states["wrong"] == .failed && states["after"] == TaskState.none)
        #expect(states.values.count { $0 == .deferred } == Self.count)
        #expect(try await stage.faults() == [])

        let lease = stage.lease
        let firings = waits.map { Firing(waitID: $0.waitID, outcome: .event(.string($0.target)), by: "triggerer") }
        #expect(try await stage.store.write { try $0.fire(firings, lease: lease) }.allSatisfy { $0 })
        for wait in waits {
            let journal = try await stage.store.read {
                try $0.journal(taskInstanceID: wait.taskInstanceID, tryNumber: 1)
            }
            #expect(journal.map(\.outcome) == ["{\"event\":\"\(wait.target)\"}"])
        }
        #expect(try await stage.states(run)["after"] == .queued)
        #expect(try await stage.faults() == [])
    }

    @Test("A row of values is repeated with its placeholders counted on, and nothing else is")
    func rowsOfValues() {
        let insert: StaticString = "INSERT INTO t (a, b, c) VALUES (:1, 'x', CAST(:2 AS TEXT))"
        #expect(SQLDialect.repeating(insert, rows: 1) == "\(insert)")
        #expect(
            SQLDialect.repeating(insert, rows: 3)
                == "INSERT INTO t (a, b, c) VALUES (:1, 'x', CAST(:2 AS TEXT)), (:3, 'x', CAST(:4 AS TEXT)), "
                + "(:5, 'x', CAST(:6 AS TEXT))")
        let update: StaticString = "UPDATE t SET a = v.column2 FROM (VALUES (:1, :2, :1)) AS v WHERE id = v.column1"
        #expect(
            SQLDialect.repeating(update, rows: 2)
                == "UPDATE t SET a = v.column2 FROM (VALUES (:1, :2, :1), (:3, :4, :3)) AS v WHERE id = v.column1")
    }
}
