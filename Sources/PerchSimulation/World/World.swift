// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PerchReactor
internal import PerchSDK
internal import Synchronization

/// A simulated world: one thread, one virtual time, one seeded generator that decides what runs next.
///
/// Everything that could run at an instant lies on a lane: the jobs of one reactor, the code of one bundle. Each step runs
/// one item of one lane, chosen by the generator; what is on one lane keeps its order. When nothing can run, time goes to
/// the next instant at which something can. So a seed is a history, and the same seed is the same history.
///
/// There are two times: the wall clock `now`, which may be set forward and back, and `elapsed`, which only grows and by
/// which latencies are counted.
///
/// Unchecked, because all but the arrivals from other threads is touched by the thread that steps it.
package final class World: @unchecked Sendable {
    /// The wall clock, in microseconds since the epoch.
    package private(set) var now: Int64
    /// Microseconds since the world began.
    package private(set) var elapsed: Int64 = 0
    /// How many steps were made.
    package private(set) var steps = 0
    /// Told of each advance of time, before it happens: how far, in microseconds.
    package var onAdvance: ((Int64) -> Void)?

    private var generator: LoopGenerator
    private var lanes: [Lane] = []
    private var ready: [Lane] = []
    private var events = TimerHeap<UInt64>()
    private var actions: [UInt64: Event] = [:]
    private var lastEvent: UInt64 = 0
    private var lastLane = 0
    private var fingerprintHash = StableHash()
    /// Whether code of other threads may put things on lanes. A history may not depend on them.
    package let isOpen: Bool
    private let arrivals = Arrivals()
    private var running: Lane?
    private let home: UInt
    /// The thread that steps the world; other threads may ask whether they are it.
    private let thread = Atomic<UInt>(0)

    private struct Event {
        var process: ProcessLife?
        var action: () -> Void
    }

    /// A world whose wall clock begins at an instant. It belongs to the calling thread, unless it is open.
    package init(seed: UInt64, now: Int64, isOpen: Bool = false) {
        self.now = now
        self.isOpen = isOpen
        home = UInt(pthread_self())
        generator = LoopGenerator(seed: seed)
    }

    // MARK: chance

    /// A number drawn by the world's generator.
    package func random(in range: ClosedRange<Int64>) -> Int64 {
        Int64.random(in: range, using: &generator)
    }

    /// True once in so many times.
    package func chance(oneIn count: Int64) -> Bool {
        random(in: 1...count) == 1
    }

    /// Goes over everything that happened so far: two runs with the same value went the same way.
    package var fingerprint: UInt64 { fingerprintHash.value }

    /// Adds something that was decided to the fingerprint.
    package func note(_ text: String) {
        fingerprintHash.combine(text)
    }

    // MARK: time

    /// Sets the wall clock forward or back.
    package func jump(by microseconds: Int64) {
        now += microseconds
    }

    /// Runs an action after a span of virtual time. What belongs to a process waits while that is stalled, and is
    /// dropped once it is dead.
    package func after(_ microseconds: Int64, of process: ProcessLife? = nil, _ action: @escaping () -> Void) {
        lastEvent += 1
        events.insert(deadline: elapsed + max(0, microseconds), id: lastEvent)
        actions[lastEvent] = Event(process: process, action: action)
    }

    /// Lets virtual time pass for the code that calls it, on a lane of this world. It returns early where its process
    /// dies.
    package func sleep(_ microseconds: Int64) async {
        guard let process = running?.process, !process.isDead else { return }
        await withCheckedContinuation { sleeper in
            let number = process.addSleeper(sleeper)
            after(microseconds, of: process) { process.wake(number) }
        }
    }

    // MARK: lanes

    func add(_ lane: Lane) -> Int {
        lanes.append(lane)
        lastLane += 1
        return lastLane
    }

    /// How many lanes there are, for looking whether anything was left behind.
    var laneCount: Int { lanes.count }

    func remove(_ lane: Lane) {
        lanes.removeAll { $0 === lane }
    }

    // MARK: steps

    /// Runs one item; where there is none now, lets time pass to the next one. False where there is none at all, or none
    /// up to `limit` (of `elapsed`): then time stands at the limit.
    @discardableResult
    package func step(until limit: Int64 = .max) -> Bool {
        while true {
            if runOne() { return true }
            guard advance(until: limit) else { return false }
        }
    }

    /// Runs what can run now without letting time pass. False where nothing can.
    package func runOne() -> Bool {
        receive()
        ready.removeAll(keepingCapacity: true)
        for lane in lanes where lane.isReady(now: now, elapsed: elapsed) { ready.append(lane) }
        let hasEvent = events.earliest.map { $0 <= elapsed } ?? false
        let count = ready.count + (hasEvent ? 1 : 0)
        guard count > 0 else { return false }
        let choice = count == 1 ? 0 : Int(random(in: 0...Int64(count - 1)))
        steps += 1
        if choice < ready.count {
            run(ready[choice])
        } else {
            fingerprintHash.combine(number: elapsed)
            runEvent()
        }
        return true
    }

    /// Puts something on a lane. In a world that is not open that happens on its own thread alone.
    func put(_ item: Lane.Item, on lane: Lane) {
        if isOpen { return arrivals.add(item, for: lane) }
        precondition(
            UInt(pthread_self()) == home,
            "something of a simulation ran on a thread of its own: its histories do not repeat")
        lane.append(item)
    }

    /// Puts on their lanes what has come from other threads.
    private func receive() {
        guard isOpen else { return }
        for (lane, item) in arrivals.take() { lane.append(item) }
    }

    private func run(_ lane: Lane) {
        fingerprintHash.combine(number: Int64(lane.number))
        thread.store(UInt(pthread_self()), ordering: .releasing)
        running = lane
        lane.runOne(now: now) { Int(random(in: 0...Int64($0 - 1))) }
        running = nil
        thread.store(0, ordering: .releasing)
    }

    /// Whether an item of the lane is being run on the caller's thread.
    func isRunning(_ lane: Lane) -> Bool {
        thread.load(ordering: .acquiring) == UInt(pthread_self()) && running === lane
    }

    private func runEvent() {
        guard let due = events.popDue(elapsed), let event = actions.removeValue(forKey: due.id) else { return }
        if let process = event.process {
            if process.isDead { return }
            if process.stalledUntil > elapsed {
                return after(process.stalledUntil - elapsed, of: process, event.action)
            }
        }
        event.action()
    }

    /// Lets time pass to the next instant at which something happens, at most to the limit.
    package func advance(until limit: Int64 = .max) -> Bool {
        receive()
        var earliest = events.earliest ?? .max
        for lane in lanes {
            guard let instant = lane.nextInstant(now: now, elapsed: elapsed) else { continue }
            earliest = min(earliest, instant)
        }
        let goal = min(earliest, limit)
        guard goal < .max else { return false }
        let span = max(0, goal - elapsed)
        if span > 0 {
            onAdvance?(span)
            elapsed += span
            now += span
        }
        return earliest <= limit
    }

    /// The next instant of `elapsed` at which something happens; nil where nothing will.
    package var nextInstant: Int64? {
        receive()
        var earliest = events.earliest ?? .max
        for lane in lanes {
            if lane.isReady(now: now, elapsed: elapsed) { return elapsed }
            if let instant = lane.nextInstant(now: now, elapsed: elapsed) { earliest = min(earliest, instant) }
        }
        return earliest == .max ? nil : earliest
    }

    /// Forgets everything that was still to happen, so that nothing of the world stays in memory.
    package func end() {
        for lane in lanes { lane.drop() }
        lanes = []
        ready = []
        actions = [:]
        events = TimerHeap()
    }

    /// Blocks until another thread has put something on a lane, or the time is over. For worlds in which code runs that
    /// really waits for something outside.
    package func waitForArrival(atMost seconds: Double) -> Bool {
        arrivals.wait(atMost: seconds)
    }
}

/// What threads put on the lanes of an open world, until the world takes it.
final class Arrivals: @unchecked Sendable {  // because what has come is guarded by the condition
    private let condition = NSCondition()
    private var come: [(lane: Lane, item: Lane.Item)] = []

    func add(_ item: Lane.Item, for lane: Lane) {
        condition.lock()
        come.append((lane, item))
        condition.signal()
        condition.unlock()
    }

    func take() -> [(lane: Lane, item: Lane.Item)] {
        condition.lock()
        defer { condition.unlock() }
        defer { come = [] }
        return come
    }

    /// Waits until there is something; false where the time was over first.
    func wait(atMost seconds: Double) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        let limit = Date(timeIntervalSinceNow: seconds)
        while come.isEmpty {
            if !condition.wait(until: limit) { return !come.isEmpty }
        }
        return true
    }
}
