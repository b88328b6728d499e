// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import PerchTriggersEvent
import Testing

@testable import PerchTriggerer

extension Triggerer {
    fileprivate var isAtRest: Bool {
        if case .standing = state?.pump.phase { true } else { false }
    }

    fileprivate var counters: TriggererState.Counters? { state?.counters }
}

@Suite("Events that come to the triggerer itself, on SQLite", .serialized, .timeLimit(.minutes(1)))
struct IntakeTests {
    /// Until the waits are armed and nothing of the inbox is left to be read.
    private func armed(_ bench: TriggererBench, _ waits: Int) async throws {
        for _ in 0..<1_000_000 {
            if await bench.triggerer.isAtRest, await bench.triggerer.summary().waits["event"] == waits { return }
            await Task.yield()
        }
        Issue.record("the waits are not armed")
    }

    private func states(_ bench: TriggererBench, _ run: Int64) async throws -> [TaskState] {
        try await bench.metastore.read { try $0.taskInstances(runKey: run) }
            .sorted { $0.taskIndex < $1.taskIndex }.map(\.state)
    }

    @Test("An event ends its wait in the transaction that stores it; a wait whose condition it does not meet stays")
    func together() async throws {
        let bench = try TriggererBench()
        let run = try await bench.run(
            "d",
            [
                TriggererBench.event("paid", key: "1"), TriggererBench.event("paid", key: "2"),
                TriggererBench.event(.event("paid", where: .json("$.total", .greaterThan(5)))),
            ])
        await bench.triggerer.start()
        try await armed(bench, 3)
        let first = try await bench.triggerer.store([NewEvent(name: "paid", key: "1", payload: ["total": 5])])
        #expect(first.map(\.seq) == [1])
        #expect(try await states(bench, run) == [.success, .deferred, .deferred])
        try await armed(bench, 2)
        _ = try await bench.triggerer.store([
            NewEvent(name: "paid", key: "2", payload: ["total": 1]), NewEvent(name: "paid", payload: ["total": 6]),
        ])
        #expect(try await states(bench, run) == [.success, .success, .success])
        try await armed(bench, 0)
        #expect(await bench.triggerer.counters == .init(fired: 3))
        try await bench.end()
    }

    @Test("One that is there already ends nothing, and neither does what comes behind it before it is read")
    func duplicate() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        _ = try await bench.triggerer.store([NewEvent(name: "paid", payload: 1, eventID: "e1")])
        let run = try await bench.run("d", [TriggererBench.event(.event("paid", since: .now))])
        try await armed(bench, 1)
        let accepted = try await bench.triggerer.store([NewEvent(name: "paid", payload: 2, eventID: "e1")])
        #expect(accepted.map(\.isDuplicate) == [true])
        #expect(try await states(bench, run) == [.deferred])
        try await armed(bench, 1)
        _ = try await bench.triggerer.store([
            NewEvent(name: "paid", eventID: "e1"), NewEvent(name: "paid", payload: 3, eventID: "e2"),
        ])
        #expect(try await bench.states(of: run, dagID: "d") == [.success])
        try await bench.end()
    }

    @Test("Of an event that comes here and one that comes elsewhere, the earlier one ends the wait, and it alone")
    func race() async throws {
        let bench = try TriggererBench()
        await bench.triggerer.start()
        for round in 0..<60 {
            let dagID = "d\(round)"
            let run = try await bench.run(dagID, [TriggererBench.event("paid", key: dagID)])
            if round % 3 > 0 { try await armed(bench, 1) }
            let event = NewEvent(name: "paid", key: dagID)
            async let here = bench.triggerer.store([event])
            async let elsewhere = bench.metastore.write { try $0.emit([event]) }
            let seqs = try await [here[0].seq, elsewhere[0].seq]
            #expect(try await bench.states(of: run, dagID: dagID) == [.success])
            let earlier = try #require(seqs.min())
            let outcomes = try await bench.metastore.read { snapshot in
                let task = try snapshot.taskInstances(runKey: run)[0]
                return try snapshot.journal(taskInstanceID: task.taskInstanceID, tryNumber: 1).map(\.outcome)
            }
            #expect(outcomes.count == 1)
            #expect(outcomes.first??.contains("\"seq\":\(earlier)}") == true, "\(outcomes)")
        }
        try await bench.end()
    }

    @Test("Events that are refused leave the waits as they were")
    func refused() async throws {
        let bench = try TriggererBench()
        let run = try await bench.run("d", [TriggererBench.event("paid")])
        await bench.triggerer.start()
        try await armed(bench, 1)
        await #expect(throws: PerchError.self) {
            try await bench.triggerer.store([NewEvent(name: "paid"), NewEvent(name: "")])
        }
        #expect(try await states(bench, run) == [.deferred])
        _ = try await bench.triggerer.store([NewEvent(name: "paid")])
        #expect(try await bench.states(of: run, dagID: "d") == [.success])
        try await bench.end()
    }
}
