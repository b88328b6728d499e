// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersEvent
import Testing

/// Collects what the source reports.
private final class Reports {
    var all: [SourceReport] = []
    var fired: [Int64] { all.compactMap { if case .fired(let id, _) = $0 { id } else { nil } } }
    var claimed: [[Int64]] { all.compactMap { if case .claimed(let id, let seq, _) = $0 { [id, seq] } else { nil } } }
}

@Suite("Event waits: since when, edge or level, and who gets an event")
struct EventTermsTests {
    private let reports = Reports()
    private let source: EventSource

    init() {
        source = EventSource { [reports] in reports.all.append($0) }
    }

    private func wait(_ id: Int64, _ trigger: EventTrigger, floor: Int64 = 0) throws -> ArmedWait {
        let spec = try TriggerSpec(trigger)
        return ArmedWait(
            waitID: id, kind: "event", target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0), eventFloor: floor)
    }

    private func one(_ id: Int64, key: String? = nil, where condition: JSONCondition? = nil) throws -> ArmedWait {
        try wait(id, .event("a", key: key, where: condition, delivery: .one))
    }

    private func event(_ seq: Int64, key: String? = nil, _ payload: JSONValue = .null) -> InboxEvent {
        InboxEvent(
            seq: seq, eventID: "e\(seq)", name: "a", key: key, payload: payload,
            receivedAt: Timestamp(microseconds: seq))
    }

    @Test(
        "What a trigger says is stored, and what is as usual is left out",
        arguments: [nil, .runCreated, .now, .instant(Timestamp(microseconds: 5)), .ago(.hours(3))] as [EventSince?])
    func coding(since: EventSince?) throws {
        let plain = try TriggerSpec(EventTrigger(name: "a"))
        #expect(plain.definition == ["name": "a"])
        for trigger in [
            EventTrigger(name: "a", since: since, mode: .level), EventTrigger(name: "a", since: since, delivery: .one),
        ] {
            #expect(try TriggerSpec(trigger).trigger(as: EventTrigger.self) == trigger)
            #expect(trigger.problems.isEmpty)
        }
    }

    @Test("A state is not used up, and nothing is seen since a while to come")
    func problems() {
        #expect(EventTrigger(name: "a", mode: .level, delivery: .one).problems.count == 1)
        #expect(EventTrigger(name: "a", since: .ago(.seconds(-1))).problems.count == 1)
    }

    @Test("A stored word that is not known breaks that wait alone")
    func unknownWord() throws {
        var odd = try one(1)
        odd.definition = ["name": "a", "delivery": "some"]
        source.add([odd, try one(2)])
        guard case .broken(1, let message) = reports.all.first else {
            Issue.record("is not broken")
            return
        }
        #expect(message.contains("'delivery' is not known"))
        source.offer([event(1)])
        #expect(reports.claimed == [[2, 1]])
    }

    @Test("Of those that take an event for themselves the oldest gets it, with or without a key; all others get it too")
    func oldest() throws {
        source.add([try one(5, key: "k"), try one(3), try wait(1, .event("a")), try one(2, key: "other")])
        source.add([try one(4, key: "k")])
        source.offer([event(1, key: "k")])
        #expect(reports.fired == [1])
        #expect(reports.claimed == [[3, 1]])
        source.offer([event(2, key: "k"), event(3, key: "k"), event(4, key: "k")])
        #expect(reports.claimed == [[3, 1], [4, 2], [5, 3]])
        #expect(source.explain(2)?.sentences.contains { $0.contains("takes its event for itself") } == true)
    }

    @Test("Who comes back keeps its place before those that came after it")
    func place() throws {
        source.add([try one(1), try one(2)])
        source.offer([event(1)])
        source.settled(1, isFree: false)
        source.add([try one(1)])
        source.offer([event(2)])
        #expect(reports.claimed == [[1, 1], [1, 2]])
    }

    @Test("An event whose claimant was gone goes to the next; one that another took does not")
    func settled() throws {
        source.add([try one(1), try one(2), try one(3, where: .json("$.n", .equals(1)))])
        source.offer([event(1)])
        source.settled(1, isFree: true)
        #expect(reports.claimed == [[1, 1], [2, 1]])
        source.settled(2, isFree: false)
        source.settled(2, isFree: true)
        #expect(reports.claimed.count == 2)
        source.offer([event(2, ["n": 1])])
        #expect(reports.claimed.last == [3, 2])
    }

    @Test("An event whose claimant was gone is not given to one whose deadline had come before it")
    func tooLate() throws {
        var late = try one(2)
        late.deadline = Timestamp(microseconds: 0)
        var inTime = try one(3)
        inTime.deadline = Timestamp(microseconds: 1)
        source.add([try one(1), late, inTime])
        source.offer([event(1)])
        source.settled(1, isFree: true)
        #expect(reports.claimed == [[1, 1], [3, 1]])
    }

    @Test("Looking back, a wait leaves alone what another here is getting")
    func lookBack() throws {
        source.add([try one(1), try one(2)])
        #expect(source.interest(of: 1) == InboxInterest(addresses: [.init(name: "a", past: .unclaimed)]))
        source.lookBack(1, [event(1), event(2)])
        source.lookBack(2, [event(1), event(2)])
        #expect(reports.claimed == [[1, 1], [2, 2]])
    }

    @Test("A level wait wants the last event of the past alone, and the next one that matches")
    func level() throws {
        source.add([try wait(1, .event("a", where: .json("$.open", .equals(true)), mode: .level))])
        #expect(source.interest(of: 1) == InboxInterest(addresses: [.init(name: "a", past: .latest)]))
        source.lookBack(1, [event(4, ["open": false])])
        #expect(reports.all.isEmpty)
        source.offer([event(5, ["open": true])])
        #expect(reports.fired == [1])
    }
}
