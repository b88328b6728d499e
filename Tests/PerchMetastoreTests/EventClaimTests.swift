// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore

@Suite("Event waits: which events they see, and who takes one", .onEveryGround)
struct EventClaimTests {
    private func trigger(_ terms: [String: JSONValue] = [:]) -> TriggerSpec {
        let definition = terms.merging(["name": "x"]) { given, _ in given }
        return TriggerSpec(kind: "event", target: "x", definition: .object(definition))
    }

    private func sensors(_ count: Int, _ terms: [String: JSONValue]) async throws -> Stage {
        let stage = try await Stage()
        try await stage.deploy(
            DAGDefinition(dagID: "d", tasks: (0..<count).map { .sensor("s\($0)", trigger(terms)) }))
        return stage
    }

    private func emit(_ stage: Stage, _ count: Int = 1) async throws {
        _ = try await stage.store.write { try $0.emit((0..<count).map { _ in NewEvent(name: "x") }) }
    }

    private func claim(_ stage: Stage, _ waits: [WaitRow], seq: Int64) async throws -> [FireResult] {
        let lease = stage.lease
        return try await stage.store.write {
            try $0.fireWaits(
                waits.map {
                    Firing(waitID: $0.waitID, outcome: .event(.null), eventSeq: seq, by: "triggerer", claims: true)
                }, lease: lease)
        }
    }

    @Test("The first claim of an event wins; the other wait stands, and its triggerer is told to arm it again")
    func firstClaim() async throws {
        let stage = try await sensors(2, ["delivery": "one"])
        let run = try await stage.trigger("d")
        try await emit(stage, 2)
        let waits = try await stage.waits()
        #expect(try await claim(stage, waits, seq: 1) == [.won, .taken])
        #expect(try await stage.waits().map(\.waitID) == [waits[1].waitID])
        let notes = try await stage.store.read { try $0.waitNotes(after: 0, limit: 9) }
        #expect(notes.map(\.waitID) == [waits[1].waitID])
        #expect(notes.first?.wait != nil)
        #expect(try await stage.store.read { try $0.consumer(ofEvent: 1) } == "d/r1/\(waits[0].key.taskID) try 1")
        let left = try await stage.store.read { try $0.unclaimedEvents(name: "x", key: nil, after: 0, limit: 9) }
        #expect(left.map(\.seq) == [2])
        // In another group, as from another triggerer.
        #expect(try await claim(stage, [waits[1]], seq: 1) == [.taken])
        #expect(try await claim(stage, [waits[1]], seq: 2) == [.won])
        #expect(try await stage.state(run) == .success)
        #expect(try await stage.faults() == [])
    }

    @Test("A claim of a wait that is over takes nothing; neither does a fire by hand or a timeout")
    func noClaim() async throws {
        let stage = try await sensors(3, ["delivery": "one"])
        _ = try await stage.trigger("d")
        try await emit(stage)
        let waits = try await stage.waits()
        #expect(try await stage.fire(waits[0].waitID, byHand: true))
        #expect(try await stage.fire(waits[1].waitID, .timeout))
        #expect(try await claim(stage, Array(waits.prefix(2)), seq: 1) == [.lost, .lost])
        #expect(try await stage.store.read { try $0.consumer(ofEvent: 1) } == nil)
        #expect(try await claim(stage, [waits[2]], seq: 1) == [.won])
    }

    @Test("Who took an event is forgotten with it")
    func cleaning() async throws {
        let stage = try await sensors(1, ["delivery": "one"])
        _ = try await stage.trigger("d")
        try await emit(stage)
        #expect(try await claim(stage, try await stage.waits(), seq: 1) == [.won])
        stage.clock.advance(.seconds(10))
        let now = stage.clock.now
        _ = try await stage.store.write { try $0.clean(runsBefore: nil, eventsBefore: now, limit: 100) }
        #expect(try await stage.store.read { try $0.consumer(ofEvent: 1) } == nil)
        #expect(try await stage.store.read { try $0.event(1) } == nil)
    }

    @Test("A wait sees events since its run was created, since now, since an instant or a while ago")
    func since() async throws {
        for (since, floor) in [
            (nil, 2), (["from": "run_created"], 2), (["from": "now"], 3),
            (["from": "ago", "microseconds": 15_000_000], 1),
            (["from": "ago", "microseconds": 100_000_000], 0),
        ] as [(JSONValue?, Int64)] {
            let stage = try await Stage()
            try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
            try await emit(stage)
            stage.clock.advance(.seconds(10))
            try await emit(stage)
            _ = try await stage.trigger("d")
            try await emit(stage)
            stage.clock.advance(.seconds(10))
            let terms = since.map { ["since": $0] } ?? [:]
            try await stage.deferTask(#require(try await stage.claim().first), trigger: trigger(terms))
            #expect(try await stage.waits().first?.eventFloor == floor, "since \(String(describing: since))")
        }
    }

    @Test("A level wait sees every event that is kept, also what an earlier wait of the try received")
    func level() async throws {
        let stage = try await Stage()
        try await stage.deploy(DAGDefinition(dagID: "d", tasks: [.code("a")]))
        try await emit(stage)
        _ = try await stage.trigger("d")
        for key in ["wait#0", "wait#1"] {
            try await stage.deferTask(
                #require(try await stage.claim().first), key: key, trigger: trigger(["mode": "level"]))
            let wait = try #require(try await stage.waits().first)
            #expect(wait.eventFloor == 0)
            let lease = stage.lease
            let won = try await stage.store.write {
                try $0.fire(
                    [Firing(waitID: wait.waitID, outcome: .event(.null), eventSeq: 1, by: "triggerer")], lease: lease)
            }
            #expect(won == [true])
        }
    }

    @Test("A wait that wants events from longer ago than they are kept fails its task and says what would be right")
    func retention() async throws {
        let day: Int64 = 86_400_000_000
        let terms: [String: JSONValue] = ["since": ["from": "ago", "microseconds": .integer(8 * day)]]
        let stage = try await sensors(1, terms)
        let refused = try await stage.trigger("d")
        let message = try await stage.store.read {
            try $0.taskInstances(runKey: refused.runKey).first?.message
        }
        #expect(message?.contains("raise 'retention.events_days'") == true)
        try await stage.store.write { try $0.storeEventRetention(TimeSpan(microseconds: 9 * day)) }
        let taken = try await stage.trigger("d", runID: "r2")
        #expect(try await stage.states(taken) == ["s0": .deferred])
    }
}
