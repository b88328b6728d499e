// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Testing

@testable import PerchMetastore
@testable import PerchTriggerer

/// One random history: a triggerer's state against a model of the metastore and of its sources, with answers that come
/// late and in any order, commits that fail before and after they took effect, and leases that are taken away.
struct History {
    private struct Errand {
        var work: TriggererWork
        /// When the metastore does it, and when the answer arrives.
        var doneAt: Int64
        var answeredAt: Int64
        var answer: Answer?
    }

    private enum Answer {
        case acquired(owner: Int64, share: ShardShare, lastEvent: Int64)
        case renewed(ShardShare?)
        case waits(WaitsPage)
        case inbox(InboxPage)
        case committed([FireResult])
        case failed(PerchError)
    }

    private var store = ModelStore()
    var state: TriggererState
    var random: SeededGenerator
    var now: Int64 = 1_000_000
    /// What the sources hold: level waits, and event waits by the value that they want.
    private var levels: Set<Int64> = []
    private var listeners: [Int64: Int] = [:]
    private var floors: [Int64: Int64] = [:]
    private var limits: [Int64: Timestamp] = [:]
    /// Waits that take an event for themselves, and the events that they have claimed.
    private var alone: Set<Int64> = []
    private var claims: [Int64: InboxEvent] = [:]
    private var areTrue: Set<Int64> = []
    private var errands: [Errand] = []
    /// The read that is made with the next event.
    private var standing: InboxRequest?
    /// Events that are being stored, when that is done, and then what came of it and when the answer arrives.
    private var storing: [(foresight: Foresight, value: Int, doneAt: Int64, stored: StoredEvents??)] = []
    private var faults = 0
    /// Fires that were handed over for a wait under one lease.
    private var handedOver: [String: Int] = [:]
    var problems: [String] = []
    /// How many checkpoints have come.
    private(set) var checkpoints = 0
    /// How many waits were ended together with the event.
    private(set) var foresights = 0

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        var configuration = TriggererConfiguration()
        configuration.waitsPerRead = Int.random(in: 1...20, using: &random)
        configuration.firesPerCommit = Int.random(in: 1...10, using: &random)
        configuration.eventsPerRead = Int.random(in: 1...10, using: &random)
        configuration.lease = .seconds(3)
        configuration.renewEvery = .seconds(1)
        configuration.slowPoll = .seconds(2)
        state = TriggererState(
            configuration: configuration,
            kinds: KindDirectory([(kinds: ["level"], isInbox: false), (kinds: ["event"], isInbox: true)]))
    }

    /// Lives through random steps with faults, then without, until everything has come to rest.
    mutating func run(steps: Int) {
        faults = Int.random(in: 0...25, using: &random)
        for _ in 0..<steps {
            act()
            work()
            now += Int64.random(in: 0...200_000, using: &random)
            progress()
        }
        faults = 0
        store.rivalEnds()
        ring(.owners)
        for waitID in store.open where store.waits[waitID]?.row.kind == "level" { makeTrue(waitID) }
        var emitAt = now
        for _ in 0..<400_000 where !store.open.isEmpty {
            // One for each that takes its event for itself, and not more than can be read.
            if now >= emitAt {
                emitAt = now + 20_000_000
                for event in 0..<4 { emit(event) }
                ring(.events)
            }
            work()
            let next = (errands.map { min($0.doneAt, $0.answeredAt) } + storing.map(\.doneAt)).min() ?? now + 500_000
            now = max(now + 1_000, min(next, now + 500_000))
            progress()
        }
    }

    /// Until everything that was noted has been read.
    mutating func settle() {
        for _ in 0..<40 {
            work()
            now += 500_000
            progress()
        }
    }

    // MARK: the world

    private mutating func act() {
        switch Int.random(in: 0..<13, using: &random) {
        case 0...2:
            let deadline = random.chance(30) ? now + Int64.random(in: 0...3_000_000, using: &random) : nil
            if random.chance(40) {
                store.register(kind: "level", deadline: deadline, now: now)
            } else {
                let last = Int64(store.events.count)
                let floor = random.chance(50) ? last : Int64.random(in: 0...last, using: &random)
                store.register(
                    kind: "event", wanted: Int.random(in: 0..<4, using: &random), isAlone: random.chance(50),
                    deadline: deadline, floor: floor, now: now)
            }
            ring(.waits)
        case 3...5:
            emit(Int.random(in: 0..<5, using: &random))
            ring(.events)
        case 6: if let waitID = store.open.randomElement(using: &random) { makeTrue(waitID) }
        case 7:
            if random.chance(20), let waitID = store.open.randomElement(using: &random) {
                store.fireByHand(waitID)
                ring(.waits)
            }
        case 8:
            // Another triggerer took over, and has gone again.
            if random.chance(faults) { _ = store.acquire() }
        case 9:
            if random.chance(60), let waitID = store.open.randomElement(using: &random),
                let deadline = store.waits[waitID]?.row.deadline
            {
                let later = max(now, deadline.microseconds) + Int64.random(in: 1...2_000_000, using: &random)
                store.extend(waitID, to: random.chance(20) ? nil : later)
                ring(.waits)
            }
        case 10:
            // Another triggerer asks for some shards.
            if random.chance(30) {
                store.wanted.insert(Int.random(in: 0..<ModelStore.shards, using: &random))
                ring(.owners)
            }
        case 11:
            if random.chance(40) {
                store.rivalEnds()
                ring(.owners)
            }
        case 12:
            // Another triggerer's wait takes an event.
            if let event = store.events.randomElement(using: &random), store.claimed[event.seq] == nil {
                store.claimed[event.seq] = 0
            }
        default: break
        }
    }

    /// Now and then by another process, whose transactions call nobody of this one.
    private mutating func emit(_ value: Int) {
        if standing != nil, random.chance(70) { return storeHere(value) }
        store.emit(name: "event", value: value, now: now)
        guard let request = standing, random.chance(70) else { return }
        standing = nil
        var errand = Errand(
            work: .standInbox(request), doneAt: now, answeredAt: now + Int64.random(in: 0...300_000, using: &random))
        errand.answer = answer(to: errand.work)
        errands.append(errand)
    }

    /// The event comes to the triggerer itself.
    private mutating func storeHere(_ value: Int) {
        let (listeners, alone, floors) = (listeners, alone, floors)
        let event = NewEvent(name: "event", payload: .integer(Int64(value)))
        let foresight = state.foresee([event], now: now) { event, _ in
            listeners.keys.sorted().filter {
                !alone.contains($0) && listeners[$0] == value && event.seq > floors[$0] ?? 0
            }
        }
        guard let foresight else { return problems.append("nothing is foreseen although nothing is to be read") }
        standing = nil
        state.inboxWithdrawn(true, storing: true)
        let span = random.chance(70) ? 0 : Int64.random(in: 0...300_000, using: &random)
        storing.append((foresight, value, now + span, nil))
        if span == 0 { carryOutStoring() }
    }

    /// Another's event may come between; the answer may be lost.
    private mutating func carryOutStoring() {
        for (place, errand) in storing.enumerated() where errand.stored == nil && errand.doneAt <= now {
            if random.chance(faults) {
                storing[place].stored = .some(nil)
                storing[place].doneAt = now
                continue
            }
            store.emit(name: "event", value: errand.value, now: now)
            let event = store.events[store.events.count - 1]
            var stored = StoredEvents(
                accepted: [AcceptedEvent(seq: event.seq, eventID: event.eventID, isDuplicate: false)],
                tail: event.seq == errand.foresight.cursor + 1 ? [event] : nil, storedAt: event.receivedAt)
            if stored.tail != nil {
                stored.won = store.fire(errand.foresight.waits[0], event, owner: errand.foresight.owner)
                foresights += stored.won.count
            }
            storing[place].stored = random.chance(faults / 2) ? .some(nil) : stored
            storing[place].doneAt = now + Int64.random(in: 0...300_000, using: &random)
            ring(.events)
        }
    }

    private mutating func progressStoring() {
        carryOutStoring()
        while let place = storing.firstIndex(where: { $0.stored != nil && $0.doneAt <= now }) {
            let errand = storing.remove(at: place)
            state.stored(errand.foresight, errand.stored ?? nil, now: now)
            work()
        }
    }

    /// A doorbell may be lost.
    private mutating func ring(_ bell: DoorbellSet) {
        if !random.chance(faults) { state.rang(bell) }
    }

    private mutating func makeTrue(_ waitID: Int64) {
        guard areTrue.insert(waitID).inserted, levels.remove(waitID) != nil else { return }
        state.reported(.fired(waitID: waitID, payload: .null), now: now)
    }

    // MARK: the triggerer's actor

    private mutating func work() {
        var count = 0
        while let work = state.next(now: now) {
            perform(work)
            count += 1
            guard count < 100_000 else {
                problems.append("the state never comes to rest")
                return
            }
        }
    }

    private mutating func perform(_ work: TriggererWork) {
        switch work {
        case .acquire, .renew, .readWaits, .readInbox: send(work)
        case .commit(let group):
            for firing in group.firings {
                handedOver["\(group.generation)/\(firing.waitID)", default: 0] += 1
            }
            send(work)
        case .standInbox(let request): standing = request
        case .withdrawInbox:
            state.inboxWithdrawn(standing != nil)
            standing = nil
        case .restartSources:
            standing = nil
            levels = []
            listeners = [:]
            alone = []
            claims = [:]
        case .arm(let waits, _):
            expectOwn(Array(waits))
            for wait in waits {
                if areTrue.contains(wait.waitID) {
                    state.reported(.fired(waitID: wait.waitID, payload: .null), now: now)
                } else {
                    levels.insert(wait.waitID)
                }
            }
        case .armInbox(let waits):
            expectOwn(waits)
            for (place, wait) in waits.enumerated() {
                listeners[wait.waitID] = store.waits[wait.waitID]?.wanted
                floors[wait.waitID] = wait.eventFloor
                limits[wait.waitID] = wait.deadline
                let isAlone = store.waits[wait.waitID]?.isAlone == true
                if isAlone { alone.insert(wait.waitID) }
                let checkpoint = wait.waitID % 3 == 0 ? wait.since + .seconds(1) : nil
                state.listens(
                    at: place,
                    to: InboxInterest(
                        addresses: [.init(name: "event", past: isAlone ? .unclaimed : .every)], checkpoint: checkpoint))
            }
        case .disarm(let waitID, _):
            levels.remove(waitID)
            listeners[waitID] = nil
        case .lookBack(let waitID, _, let event): match(waitID, event)
        case .offer(let event):
            for waitID in listeners.keys.sorted() where !alone.contains(waitID) { match(waitID, event) }
            offerToOne(event)
        case .settled(let waitID, let isFree):
            if let event = claims.removeValue(forKey: waitID), isFree { offerToOne(event) }
        case .checkpoint(let waitID, _, let instant):
            checkpoints += 1
            for event in store.events where event.receivedAt <= instant && event.seq > state.pump.cursor {
                problems.append("event \(event.seq) was missing at a checkpoint after it")
            }
            state.checkpointed(waitID, next: nil)
        case .probe(let waitID, _): state.probed(waitID, generation: state.generation)
        case .loaded, .shared, .caughtUp: break
        }
    }

    /// Nothing is watched that another watches; whoever has lost its lease does not know it yet.
    private mutating func expectOwn(_ waits: [WaitToArm]) {
        guard state.lease.owner == store.owner else { return }
        for wait in waits where !store.isHeld(wait.waitID, by: store.owner) {
            problems.append("wait \(wait.waitID) was armed, and is another's")
        }
    }

    private mutating func match(_ waitID: Int64, _ event: InboxEvent) {
        guard let wanted = listeners[waitID], event.payload == .integer(Int64(wanted)),
            event.seq > floors[waitID] ?? 0, event.receivedAt <= limits[waitID] ?? event.receivedAt
        else { return }
        guard alone.contains(waitID) else {
            listeners[waitID] = nil
            return state.reported(.fired(waitID: waitID, payload: event.payload), now: now)
        }
        guard !claims.values.contains(where: { $0.seq == event.seq }) else { return }
        listeners[waitID] = nil
        claims[waitID] = event
        state.reported(.claimed(waitID: waitID, seq: event.seq, payload: event.payload), now: now)
    }

    /// The oldest wait that wants it claims it.
    private mutating func offerToOne(_ event: InboxEvent) {
        for waitID in listeners.keys.sorted() where alone.contains(waitID) { match(waitID, event) }
    }

    // MARK: the metastore

    private mutating func send(_ work: TriggererWork) {
        let doneAt = now + Int64.random(in: 0...300_000, using: &random)
        let answeredAt = doneAt + Int64.random(in: 0...300_000, using: &random)
        errands.append(Errand(work: work, doneAt: doneAt, answeredAt: answeredAt))
    }

    /// Does what is to be done and answers what is to be answered until now, in the order of time.
    private mutating func progress() {
        progressStoring()
        while true {
            var next: (at: Int64, place: Int)?
            for (place, errand) in errands.enumerated() {
                let at = errand.answer == nil ? errand.doneAt : errand.answeredAt
                if at <= now, at < next?.at ?? .max { next = (at, place) }
            }
            guard let place = next?.place else { return }
            if let answer = errands[place].answer {
                tell(errands.remove(at: place).work, answer)
                work()
            } else {
                errands[place].answer = answer(to: errands[place].work)
            }
        }
    }

    private mutating func answer(to work: TriggererWork) -> Answer {
        if random.chance(faults) { return .failed(PerchError(.unavailable, "the disk is away")) }
        switch work {
        case .acquire:
            let (owner, share) = store.acquire()
            return .acquired(owner: owner, share: share, lastEvent: Int64(store.events.count))
        case .renew(let owner, _): return .renewed(owner == store.owner ? store.share() : nil)
        case .readWaits(let request): return .waits(store.page(request))
        case .readInbox(let request), .standInbox(let request): return .inbox(store.page(request, now: now))
        case .commit(let group):
            do {
                let results = try store.fire(group, now: now)
                // It took effect, and nobody learns of it.
                if random.chance(faults / 2) { return .failed(PerchError(.unavailable, "the answer was lost")) }
                return .committed(results)
            } catch {
                return .failed(error as? PerchError ?? PerchError(.unavailable, "\(error)"))
            }
        default: return .failed(PerchError(.invalid, "not the metastore's"))
        }
    }

    private mutating func tell(_ work: TriggererWork, _ answer: Answer) {
        switch (work, answer) {
        case (.acquire, .acquired(let owner, let share, let lastEvent)):
            state.acquired(owner: owner, share: share, lastEvent: lastEvent, now: now)
        case (.acquire, _): state.acquireFailed(now: now)
        case (.renew, .renewed(let share)): state.renewed(generation: state.generation, share: share, now: now)
        case (.renew, _): state.renewalFailed(generation: state.generation, now: now)
        case (.readWaits(let request), .waits(let page)): state.waitsRead(request, page, now: now)
        case (.readWaits(let request), _): state.readFailed(request.generation, ofWaits: true, now: now)
        case (.readInbox(let request), .inbox(let page)), (.standInbox(let request), .inbox(let page)):
            state.inboxRead(request, page, now: now)
        case (.readInbox(let request), _), (.standInbox(let request), _):
            state.readFailed(request.generation, ofWaits: false, now: now)
        case (.commit(let group), .committed(let results)):
            // A timeout that did not count may be handed over again: the deadline was moved. So may a claim that lost.
            for (firing, result) in zip(group.firings, results)
            where result == .taken || result == .lost && firing.outcome == .timeout {
                handedOver["\(group.generation)/\(firing.waitID)", default: 0] -= 1
            }
            state.committed(group, results, now: now)
        case (.commit(let group), .failed(let error)):
            for firing in group.firings { handedOver["\(group.generation)/\(firing.waitID)", default: 0] -= 1 }
            state.commitFailed(group, error, now: now)
        default: problems.append("an answer of the wrong sort")
        }
    }

    // MARK: the verdict

    /// What must be true of every history.
    mutating func judge() -> [String] {
        for (waitID, wait) in store.waits.sorted(by: { $0.key < $1.key }) {
            guard let outcome = wait.outcome else {
                problems.append("wait \(waitID) never ended")
                continue
            }
            guard wait.row.kind == "event", !wait.firedByHand else { continue }
            let right = store.rightEvent(of: wait)
            switch outcome {
            case .event:
                if wait.eventSeq != right?.seq {
                    problems.append("wait \(waitID): event \(wait.eventSeq ?? 0), not \(right?.seq ?? 0)")
                }
            case .timeout: if let right { problems.append("wait \(waitID) timed out in spite of event \(right.seq)") }
            default: problems.append("wait \(waitID) ended as \(outcome)")
            }
        }
        for waitID in store.trespasses { problems.append("wait \(waitID) was fired, and is another's") }
        for waitID in store.early { problems.append("wait \(waitID) timed out before its deadline") }
        if state.table.count > 0 { problems.append("waits are still watched after all have ended") }
        for (fire, count) in handedOver.sorted(by: { $0.key < $1.key }) where count > 1 {
            problems.append("fire \(fire) was handed over \(count) times")
        }
        return problems
    }
}
