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
        var deadline: Timestamp?
        var target: String
        var since: Timestamp
        var isLevel: Bool
        var isAlone: Bool
        /// Events of this name and key whose payload did not meet the condition, and the last of them.
        var passedOver = 0
        var lastPassedOver: (seq: Int64, eventID: String)?
    }

    private struct Address: Hashable {
        var name: String
        var key: String?
        /// Of waits that take an event for themselves.
        var isAlone = false
    }

    /// Waits in the order of arming. Removed ones stay in the list until they are the greater part of it.
    private struct Listeners {
        var ids: [Int64] = []
        var live = 0
        /// Of waits that take an event for themselves, which stand in the order of their ids: those before are gone.
        var head = 0

        mutating func insert(_ waitID: Int64) {
            var place = ids.count
            while place > head, ids[place - 1] > waitID { place -= 1 }
            ids.insert(waitID, at: place)
        }
    }

    private let report: (SourceReport) -> Void
    private var waits: [Int64: Wait] = [:]
    /// The waits of each name and key; without a key: those that take any.
    private var listeners: [Address: Listeners] = [:]
    /// Waits that take an event for themselves.
    private var alone = 0
    /// Events that waits have claimed and not got yet, by wait and by number.
    private var claims: [Int64: InboxEvent] = [:]
    private var claimed: Set<Int64> = []

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
                    deadline: wait.deadline, target: wait.target, since: wait.since, isLevel: trigger.mode == .level,
                    isAlone: trigger.delivery == .one)
                let address = Address(name: trigger.name, key: trigger.key, isAlone: trigger.delivery == .one)
                if address.isAlone {
                    alone += 1
                    listeners[address, default: Listeners()].insert(wait.waitID)
                } else {
                    listeners[address, default: Listeners()].ids.append(wait.waitID)
                }
                listeners[address]?.live += 1
            } catch {
                report(.broken(waitID: wait.waitID, message: "the event wait for \(wait.target): \(error)"))
            }
        }
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let address = Address(name: wait.name, key: wait.key, isAlone: wait.isAlone)
        if wait.isAlone { alone -= 1 }
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
        return wait.name == address.name && wait.key == address.key && wait.isAlone == address.isAlone
    }

    public func interest(of waitID: Int64) -> InboxInterest? {
        waits[waitID].map { wait in
            let past: InboxInterest.Past = wait.isLevel ? .latest : wait.isAlone ? .unclaimed : .every
            return InboxInterest(addresses: [.init(name: wait.name, key: wait.key, past: past)])
        }
    }

    public func offer(_ events: [InboxEvent]) {
        for event in events {
            if event.key != nil { offer(event, to: Address(name: event.name, key: event.key)) }
            offer(event, to: Address(name: event.name, key: nil))
            if alone > 0 { offerToOne(event) }
        }
    }

    // MARK: waits that take an event for themselves

    /// Has the oldest of the waits that match claim the event. The others keep their place for the next one.
    private func offerToOne(_ event: InboxEvent) {
        var oldest: Int64?
        for key in event.key == nil ? [nil] : [event.key, nil] {
            let address = Address(name: event.name, key: key, isAlone: true)
            if let waitID = firstMatch(event, at: address) { oldest = min(oldest ?? .max, waitID) }
        }
        if let oldest { claim(oldest, event) }
    }

    private func firstMatch(_ event: InboxEvent, at address: Address) -> Int64? {
        while let listening = listeners[address], listening.head < listening.ids.count,
            !listens(listening.ids[listening.head], at: address)
        {
            listeners[address]?.head += 1
        }
        guard let listening = listeners[address] else { return nil }
        return listening.ids[listening.head...].first { listens($0, at: address) && matches(event, $0) }
    }

    private func claim(_ waitID: Int64, _ event: InboxEvent) {
        remove(waitID)
        claims[waitID] = event
        claimed.insert(event.seq)
        report(.claimed(waitID: waitID, seq: event.seq, payload: event.value))
    }

    /// An event that its claimant did not live to get goes to the next.
    public func settled(_ waitID: Int64, isFree: Bool) {
        guard let event = claims.removeValue(forKey: waitID) else { return }
        claimed.remove(event.seq)
        if isFree { offerToOne(event) }
    }

    // MARK: matching

    public func lookBack(_ waitID: Int64, _ events: [InboxEvent]) {
        for event in events where waits[waitID] != nil && concerns(event, waitID) {
            guard matches(event, waitID) else { continue }
            if waits[waitID]?.isAlone == true {
                // What another wait here is getting is offered again if that one does not live to get it.
                if !claimed.contains(event.seq) { claim(waitID, event) }
                continue
            }
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

    public func waitsEnded(by event: InboxEvent, atMost limit: Int) -> [Int64] {
        var ended: [Int64] = []
        for key in event.key == nil ? [nil] : [event.key, nil] {
            let address = Address(name: event.name, key: key)
            guard let listening = listeners[address], listening.live <= limit - ended.count else { continue }
            ended += listening.ids.filter { waitID in
                guard listens(waitID, at: address), let wait = waits[waitID] else { return false }
                return Self.isInTime(event, wait) && Self.meets(event, wait)
            }
        }
        return ended
    }

    /// Whether the event comes in the wait's time. One that its claimant did not live to get may be too late for others.
    private static func isInTime(_ event: InboxEvent, _ wait: Wait) -> Bool {
        event.seq > wait.floor && event.receivedAt <= wait.deadline ?? event.receivedAt
    }

    private static func meets(_ event: InboxEvent, _ wait: Wait) -> Bool {
        wait.condition?.evaluate(event.payload) ?? true
    }

    private func matches(_ event: InboxEvent, _ waitID: Int64) -> Bool {
        guard let wait = waits[waitID], Self.isInTime(event, wait) else { return false }
        if Self.meets(event, wait) { return true }
        // The floor stays: an event from before may still be offered, by a look back. Only the count must not repeat.
        if event.seq > wait.lastPassedOver?.seq ?? .min {
            waits[waitID]?.passedOver += 1
            waits[waitID]?.lastPassedOver = (event.seq, event.eventID)
        }
        return false
    }

    private func fire(_ waitID: Int64, _ event: InboxEvent) {
        report(.fired(waitID: waitID, payload: event.value))
    }

    public func explain(_ waitID: Int64) -> WaitExplanation? {
        guard let wait = waits[waitID] else { return nil }
        let sharing = listeners[Address(name: wait.name, key: wait.key, isAlone: wait.isAlone)]?.live ?? 1
        var sentences = [
            "Waits for an event '\(wait.name)' "
                + (wait.key.map { "with the key '\($0)'" } ?? "with any key or none")
                + (wait.condition.map { " whose payload meets \($0)." } ?? ".")
        ]
        if wait.isLevel {
            sentences.append("The last event holds the state: it is met as soon as that one matches.")
        }
        if wait.isAlone {
            sentences.append("It takes its event for itself: of the waits that do so, the oldest gets it.")
        }
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
        claims = [:]
        claimed = []
        alone = 0
    }
}
