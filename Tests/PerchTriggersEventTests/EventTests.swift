// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import PerchTriggersEvent
import Testing

struct EventTriggerTests {
    @Test("The target is the name, or name and key")
    func target() {
        #expect(EventTrigger(name: "orders").target == "orders")
        #expect(EventTrigger(name: "orders", key: "7").target == "orders/7")
    }

    @Test("A trigger survives being stored, and its problems are named")
    func codingAndProblems() throws {
        let trigger = EventTrigger(name: "orders", key: "7", where: .json("$.total", .greaterThan(100)))
        #expect(try TriggerSpec(trigger).trigger(as: EventTrigger.self) == trigger)
        #expect(trigger.problems.isEmpty)
        #expect(EventTrigger(name: "", key: "", where: .json("total", .exists(true))).problems.count == 3)
    }
}

/// Collects what the source reports.
private final class Reports {
    var all: [SourceReport] = []
    var fired: [Int64] { all.compactMap { if case .fired(let id, _) = $0 { id } else { nil } } }
}

struct EventSourceTests {
    private let reports = Reports()
    private let source: EventSource

    init() {
        source = EventSource { [reports] in reports.all.append($0) }
    }

    private func wait(
        _ id: Int64, _ name: String, key: String? = nil, where condition: JSONCondition? = nil, floor: Int64 = 0
    ) throws -> ArmedWait {
        let spec = try TriggerSpec(EventTrigger(name: name, key: key, where: condition))
        return ArmedWait(
            waitID: id, kind: "event", target: spec.target, definition: spec.definition,
            since: Timestamp(microseconds: 0), eventFloor: floor)
    }

    private func event(_ seq: Int64, _ name: String, key: String? = nil, _ payload: JSONValue = .null) -> InboxEvent {
        InboxEvent(
            seq: seq, eventID: "e\(seq)", name: name, key: key, payload: payload,
            receivedAt: Timestamp(microseconds: seq))
    }

    @Test("An event fires the waits of its name and key and those of its name alone, each once")
    func matching() throws {
        source.add([try wait(1, "a", key: "x"), try wait(2, "a"), try wait(3, "a", key: "y"), try wait(4, "b")])
        source.offer([event(1, "a", key: "x"), event(2, "a", key: "x"), event(3, "c")])
        #expect(reports.fired == [1, 2])
        source.offer([event(4, "a", key: "y"), event(5, "b", key: "z")])
        #expect(reports.fired == [1, 2, 3, 4])
        #expect(source.gauges.allSatisfy { $0.value == 0 })
    }

    @Test("A wait with a key does not take an event without one")
    func withoutKey() throws {
        source.add([try wait(1, "a", key: "x")])
        source.offer([event(1, "a")])
        #expect(reports.fired.isEmpty)
    }

    @Test("The payload carries id and place of the event and reads as ExternalEvent")
    func payload() throws {
        source.add([try wait(1, "a")])
        source.offer([event(7, "a", key: "k", ["total": 5])])
        guard case .fired(1, let payload) = reports.all.first else {
            Issue.record("did not fire")
            return
        }
        let read = try payload.decode(ExternalEvent.self)
        #expect(
            read
                == ExternalEvent(
                    eventID: "e7", seq: 7, name: "a", key: "k", payload: ["total": 5],
                    receivedAt: Timestamp(microseconds: 7)))
        #expect(try read.decode([String: Int].self) == ["total": 5])
    }

    @Test("An event from before the wait is found by looking back; one at or below the floor is not for it")
    func eventBeforeWait() throws {
        source.add([try wait(1, "a", key: "x", floor: 3)])
        #expect(source.interest(of: 1) == InboxInterest(addresses: [.init(name: "a", key: "x")]))
        source.lookBack(1, [event(2, "a", key: "x"), event(3, "a", key: "x"), event(4, "a"), event(5, "b", key: "x")])
        #expect(reports.fired.isEmpty)
        source.lookBack(1, [event(6, "a", key: "x"), event(8, "a", key: "x")])
        #expect(reports.fired == [1])
        #expect(source.interest(of: 1) == nil)
        source.lookBack(1, [event(9, "a", key: "x")])
        #expect(reports.fired == [1])
    }

    @Test("An event that misses the condition is passed over, and an older one that meets it still counts")
    func condition() throws {
        source.add([try wait(1, "a", where: .json("$.total", .greaterThan(100)))])
        source.offer([event(5, "a", ["total": 1]), event(5, "a", ["total": 1]), event(6, "a", "text")])
        #expect(reports.fired.isEmpty)
        #expect(source.explain(1)?.sentences.contains { $0.contains("2; the last was 'e6'") } == true)
        source.lookBack(1, [event(4, "a", ["total": 101])])
        #expect(reports.fired == [1])
    }

    @Test("A removed wait is forgotten, and one that is armed again under its id listens anew")
    func removal() throws {
        source.add([try wait(1, "a", key: "x"), try wait(2, "a", key: "x")])
        source.remove(1)
        source.remove(99)
        #expect(source.explain(1) == nil)
        source.add([try wait(1, "a", key: "y")])
        source.offer([event(1, "a", key: "x")])
        #expect(reports.fired == [2])
        source.offer([event(2, "a", key: "y")])
        #expect(reports.fired == [2, 1])
    }

    @Test("A hundred thousand waits for one event all fire; as many removals are cheap")
    func many() throws {
        let spec = try wait(0, "a", key: "x")
        source.add(
            (0..<200_000 as Range<Int64>).map { id in
                var wait = spec
                wait.waitID = id
                return wait
            })
        for id in 0..<100_000 as Range<Int64> { source.remove(id) }
        source.offer([event(1, "a", key: "x")])
        #expect(reports.fired == Array(100_000..<200_000))
        #expect(source.gauges.allSatisfy { $0.value == 0 })
    }

    @Test("A definition that cannot be read breaks that wait alone")
    func broken() throws {
        var bad = try wait(1, "a")
        bad.definition = ["name": 5]
        source.add([bad, try wait(2, "a")])
        guard case .broken(1, let message) = reports.all.first else {
            Issue.record("not broken")
            return
        }
        #expect(message.contains("'name' is no string"))
        source.offer([event(1, "a")])
        #expect(reports.fired == [2])
    }
}
