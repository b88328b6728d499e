// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersEvent
import PerchTriggersFile
import PerchTriggersTime
import Testing

@testable import PerchTriggersComposite

@Suite("How far a composite wait has got")
struct CompositeStateTests {
    private let a = FileTrigger.file("/a")
    private let b = EventTrigger.event("b")
    private let c = TimeTrigger.after(.seconds(10))

    private func state(_ trigger: CompositeTrigger, progress: JSONValue? = nil) throws -> CompositeState {
        try CompositeState(trigger.root, since: Timestamp(microseconds: 1_000), progress: progress)
    }

    private func met(_ standing: CompositeState.Standing) -> [Int]? {
        guard case .met(let event, _) = standing, case .array(let members) = event["met"] else { return nil }
        return members.compactMap { if case .integer(let place) = $0["member"] { Int(place) } else { nil } }
    }

    @Test("Any is met by the first, all by the last, at least two by the second; each depends on what is open")
    func counts() throws {
        for (trigger, wanted) in [
            (CompositeTrigger.any(a, b, c), 1), (.atLeast(2, of: a, b, c), 2), (.all(a, b, c), 3),
        ] {
            var state = try state(trigger)
            #expect(state.verdict.openLeaves == [0, 1, 2])
            for (count, leaf) in [2, 0, 1].enumerated() {
                #expect(met(state.verdict.standing) == nil || count >= wanted)
                state.met(leaf, event: .integer(Int64(leaf)), at: 5)
                if count + 1 < wanted { #expect(!state.verdict.openLeaves.contains(leaf)) }
            }
            #expect(met(state.verdict.standing)?.count ?? 0 >= wanted)
            #expect(state.verdict.openLeaves.isEmpty)
        }
    }

    @Test("What is impossible ends a composite as soon as too few are left, and says why")
    func impossible() throws {
        var any = try state(.any(a, b))
        any.impossible(0, because: "no disk")
        #expect(any.verdict.standing == .open)
        any.impossible(1, because: "no net")
        #expect(any.verdict.standing == .impossible("no disk; no net"))
        var all = try state(.all(a, b))
        all.impossible(1, because: "no net")
        #expect(all.verdict.standing == .impossible("no net"))
    }

    @Test("Something that must not come: its time passes, or it comes in time, or too late")
    func none() throws {
        let trigger = CompositeTrigger.not(b, within: .seconds(1))
        var passed = try state(trigger)
        #expect(passed.bounds.map(\.until) == [1_001_000])
        #expect(passed.verdict.openBounds == [0] && passed.verdict.openLeaves == [0])
        passed.reached(0)
        #expect(met(passed.verdict.standing) == [])
        var came = try state(trigger)
        came.met(0, event: .null, at: 1_001_000)
        guard case .impossible(let reason) = came.verdict.standing else { throw PerchError(.invalid, "it is possible") }
        #expect(reason.contains("event b came at 1970-01-01T00:00:01.001Z, within 1s"))
        var late = try state(trigger)
        late.met(0, event: .null, at: 1_001_001)
        #expect(late.verdict.standing == .open)
        late.reached(0)
        #expect(met(late.verdict.standing) == [])
    }

    @Test("A part that is decided gives up its leaves, also in the depth")
    func nested() throws {
        var state = try state(.all(.any(a, b), .any(c, .not(b, within: .seconds(1)))))
        #expect(state.leaves.count == 4)
        state.met(0, event: .null, at: 2_000)
        #expect(state.verdict.openLeaves == [2, 3])
        state.reached(0)
        #expect(met(state.verdict.standing) == [0, 1])
    }

    @Test("Progress brings a composite back as it was; what is no progress of it is refused")
    func progress() throws {
        let trigger = CompositeTrigger.all(a, b, .not(c, within: .seconds(1)), c)
        var first = try state(trigger)
        first.met(1, event: ["n": 1], at: 7)
        first.impossible(2, because: "why")
        first.progressed(0, ["size": 3])
        first.reached(0)
        let second = try state(trigger, progress: JSONValue(parsing: first.progress.text))
        #expect(second.progress == first.progress)
        #expect(second.verdict.standing == first.verdict.standing)
        #expect(second.leaves.map(\.standing) == first.leaves.map(\.standing))
        #expect(second.leaves[0].progress == ["size": 3])
        let wrong: [JSONValue] = [
            .null, ["leaves": 1], ["leaves": ["9": ["met": 1, "at": 1]]], ["leaves": ["x": ["progress": 1]]],
            ["leaves": [:], "reached": [4]], ["leaves": [:], "reached": ["a"]],
        ]
        for value in wrong { #expect(throws: PerchError.self, "\(value)") { try state(trigger, progress: value) } }
    }
}

@Suite("What is written of a composite")
struct CompositeTriggerTests {
    @Test("A composite survives being stored; its target says it in words")
    func coding() throws {
        let trigger = CompositeTrigger.any(
            .file("/a"), .all(.event("b", key: "7"), .after(.seconds(60))), .not(.event("c"), within: .seconds(5)))
        #expect(
            trigger.target
                == "any of (file /a, all of (event b/7, time after 1m), no (event c) within 5s)")
        let spec = try TriggerSpec(trigger)
        #expect(spec.kind == "composite")
        #expect(try spec.trigger(as: CompositeTrigger.self) == trigger)
        #expect(trigger.problems.isEmpty)
        let pair = EventTrigger.event("b").or(FileTrigger.file("/a"))
        #expect(pair.target == "any of (event b, file /a)")
        #expect(CompositeTrigger.all(pair, .event("x")).root.leaves.count == 3)
    }

    @Test("Wrong composites are named: no members, too many wanted, no time, wrong members, too large, too deep")
    func problems() throws {
        func problem(_ trigger: CompositeTrigger) -> String { trigger.problems.first ?? "none" }
        #expect(problem(CompositeTrigger(.atLeast(1, []))) == "a composite wait has no members")
        #expect(problem(.atLeast(3, of: .event("a"), .event("b"))) == "a composite wait cannot want 3 of 2")
        #expect(problem(.atLeast(0, of: .event("a"))) == "a composite wait cannot want 0 of 1")
        #expect(problem(.not(.event("a"), within: .zero)) == "nothing can fail to come within 0s")
        #expect(problem(.any(.event(""), .event("b"))) == "an event has a name")
        let leaf = CompositeNode.wait(try TriggerSpec(EventTrigger.event("a")))
        #expect(problem(CompositeTrigger(.atLeast(1, Array(repeating: leaf, count: 65)))).contains("65 waits"))
        var deep = leaf
        for _ in 0..<16 { deep = .atLeast(1, [deep]) }
        #expect(problem(CompositeTrigger(deep)).contains("17 levels"))
        #expect(throws: PerchError.self) { try CompositeNode(json: deep.json) }
    }

    @Test(
        "What is no composite is refused with what it should be",
        arguments: [
            "{}", "[]", "1", #"{"wait": 1}"#, #"{"none": {}}"#, #"{"none": {"wait": 1}, "within": "x"}"#,
            #"{"at_least": 1}"#, #"{"at_least": "1", "of": []}"#, #"{"at_least": 1, "of": [{}]}"#,
        ])
    func foreign(text: String) {
        #expect(throws: PerchError.self) { try CompositeNode(json: JSONValue(parsing: text)) }
    }

    @Test("The events of pairs are read from the composite's, and written as one")
    func pairs() throws {
        let event = CompositeEvent(met: [.init(member: 1, at: Timestamp(microseconds: 3), event: 8)])
        let coded = try JSONValue(encoding: event)
        guard case .second(8) = try coded.decode(EitherEvent<String, Int>.self) else {
            throw PerchError(.invalid, "not the second")
        }
        #expect(throws: (any Error).self) { try coded.decode(BothEvents<String, Int>.self) }
        let both = BothEvents(first: "a", second: 2)
        let again = try JSONValue(encoding: both).decode(BothEvents<String, Int>.self)
        #expect(again.first == "a" && again.second == 2)
    }
}
