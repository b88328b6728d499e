// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Matches external events against all waits for them: by a hash of (name, key), and by name for waits without a key, so
/// that an event costs what it concerns, however many waits there are.
///
/// The triggerer feeds it: the tail of the inbox as it grows, and the past for a wait that has just been armed. An event
/// may be offered more than once; one at or below a wait's floor is none of its business.
public final class EventSource: InboxSource {
    private struct Wait {
        var name: String
        var key: String?
        var condition: JSONCondition?
        var floor: Int64
        var target: String
        var since: Timestamp
        /// Events of this name and key whose payload did not meet the condition, and the last of them.
        var passedOver = 0
        var lastPassedOver: (seq: Int64, eventID: String)?
    }

    private struct Address: Hashable {
        var name: String
        var key: String?
    }

    /// Waits in the order of arming. Removed ones stay in the list until they are the greater part of it.
    private struct Listeners {
        var ids: [Int64] = []
        var live = 0
    }

    private let report: (SourceReport) -> Void
    private var waits: [Int64: Wait] = [:]
    /// The waits of each name and key; without a key: those that take any.
    private var listeners: [Address: Listeners] = [:]

    /// A source that takes what it is offered.
    public init(report: @escaping (SourceReport) -> Void) {
        self.report = report
    }

    public var kinds: [String] { [EventTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        for wait in added {
            do {
                let trigger = try EventTrigger(stored: wait.definition)
                if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
                if waits[wait.waitID] != nil { remove(wait.waitID) }
                waits[wait.waitID] = Wait(
                    name: trigger.name, key: trigger.key, condition: trigger.condition, floor: wait.eventFloor,
                    target: wait.target, since: wait.since)
                let address = Address(name: trigger.name, key: trigger.key)
                listeners[address, default: Listeners()].ids.append(wait.waitID)
                listeners[address]?.live += 1
            } catch {
                report(.broken(waitID: wait.waitID, message: "the event wait for \(wait.target): \(error)"))
            }
        }
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let address = Address(name: wait.name, key: wait.key)
        listeners[address]?.live -= 1
        guard let left = listeners[address], left.ids.count > 2 * left.live + 16 || left.live == 0 else { return }
        sweep(address)
    }

    private func sweep(_ address: Address) {
        guard let old = listeners.removeValue(forKey: address) else { return }
        var known: Set<Int64> = []
        let ids = old.ids.filter { listens($0, at: address) && known.insert($0).inserted }
        if !ids.isEmpty { listeners[address] = Listeners(ids: ids, live: ids.count) }
    }

    /// Whether the wait is there, and at this address: its id may have come again with another.
    private func listens(_ waitID: Int64, at address: Address) -> Bool {
        guard let wait = waits[waitID] else { return false }
        return wait.name == address.name && wait.key == address.key
    }

    public func interest(of waitID: Int64) -> InboxInterest? {
        waits[waitID].map { InboxInterest(addresses: [.init(name: $0.name, key: $0.key)]) }
    }

    public func offer(_ events: [InboxEvent]) {
        for event in events {
            if event.key != nil { offer(event, to: Address(name: event.name, key: event.key)) }
            offer(event, to: Address(name: event.name, key: nil))
        }
    }

    public func lookBack(_ waitID: Int64, _ events: [InboxEvent]) {
        for event in events where waits[waitID] != nil && concerns(event, waitID) {
            guard matches(event, waitID) else { continue }
            remove(waitID)
            fire(waitID, event)
        }
    }

    private func concerns(_ event: InboxEvent, _ waitID: Int64) -> Bool {
        guard let wait = waits[waitID], wait.name == event.name else { return false }
        return wait.key == nil || wait.key == event.key
    }

    private func offer(_ event: InboxEvent, to address: Address) {
        guard let listening = listeners[address]?.ids else { return }
        // All that match leave in one sweep, so that a thousand waits for one event are not a thousand removals.
        let fired = listening.filter { waitID in
            guard listens(waitID, at: address), matches(event, waitID) else { return false }
            waits[waitID] = nil
            return true
        }
        guard !fired.isEmpty else { return }
        sweep(address)
        for waitID in fired { fire(waitID, event) }
    }

    private func matches(_ event: InboxEvent, _ waitID: Int64) -> Bool {
        guard let wait = waits[waitID], event.seq > wait.floor else { return false }
        guard let condition = wait.condition else { return true }
        if condition.evaluate(event.payload) { return true }
        // The floor stays: an event from before may still be offered, by a look back. Only the count must not repeat.
        if event.seq > wait.lastPassedOver?.seq ?? .min {
            waits[waitID]?.passedOver += 1
            waits[waitID]?.lastPassedOver = (event.seq, event.eventID)
        }
        return false
    }

    private func fire(_ waitID: Int64, _ event: InboxEvent) {
        var payload: [String: JSONValue] = [
            "event_id": .string(event.eventID), "seq": .integer(event.seq), "name": .string(event.name),
            "payload": event.payload, "received_at": .integer(event.receivedAt.microseconds),
        ]
        if let key = event.key { payload["key"] = .string(key) }
        report(.fired(waitID: waitID, payload: .object(payload)))
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let sharing = listeners[Address(name: wait.name, key: wait.key)]?.live ?? 1
        var sentences = [
            "Waits for an event '\(wait.name)' "
                + (wait.key.map { "with the key '\($0)'" } ?? "with any key or none")
                + (wait.condition.map { " whose payload meets \($0)." } ?? ".")
        ]
        if wait.floor > 0 { sentences.append("Events after number \(wait.floor) count.") }
        if let last = wait.lastPassedOver {
            sentences.append(
                "Events that did not meet the condition: \(wait.passedOver); the last was '\(last.eventID)'.")
        }
        if sharing > 1 { sentences.append("So do \(sharing - 1) other waits here.") }
        return WaitExplanation(sentences: sentences, sharing: sharing)
    }

    public var gauges: [(name: String, value: Int)] {
        [("event_waits", waits.count), ("event_addresses", listeners.count)]
    }

    public func shutDown() {
        waits = [:]
        listeners = [:]
    }
}
