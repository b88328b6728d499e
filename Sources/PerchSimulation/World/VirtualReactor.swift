// SPDX-License-Identifier: Apache-2.0

package import PerchReactor

/// A reactor in virtual time: a lane of the world with a loop.
///
/// Of what is ready (submissions, timers that are due, actions for the next turn) the world's generator chooses one; in
/// production, too, nothing says which of them comes first.
package final class VirtualReactor: Lane, Reactor, @unchecked Sendable {  // because it is a lane
    package let name: String
    // Touched by the world's thread alone; `loop` checks that.
    private var virtualLoop: VirtualLoop?
    private var isStarted = false

    /// A reactor of a process; it runs nothing before `start`.
    package init(name: String, world: World, process: ProcessLife) {
        self.name = name
        super.init(world: world, process: process)
        virtualLoop = VirtualLoop(lane: self)
        join()
    }

    package var loop: any EventLoop {
        precondition(isCurrent, "the loop of \(name) belongs to its own thread")
        return ownLoop
    }

    private var ownLoop: VirtualLoop {
        guard let virtualLoop else { preconditionFailure("\(name) has a loop from its first moment on") }
        return virtualLoop
    }

    var now: Int64 { process.timeAfterDeath ?? world.now }

    func random(in range: ClosedRange<Int64>) -> Int64 {
        // The dead draw nothing: what the living do must not depend on them.
        process.isDead ? range.lowerBound : world.random(in: range)
    }

    override package var isCurrent: Bool { process.isDead || super.isCurrent }

    package func start() { isStarted = true }

    package func stop() {
        isStarted = false
        ownLoop.drop()
        world.remove(self)
    }

    package func submit(_ action: @escaping @Sendable () -> Void) {
        put(.action(action))
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        put(.job(UnownedJob(job)))
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    package func checkIsolated() {
        precondition(isCurrent, "not on the thread of \(name)")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }

    // MARK: lane

    override func isReady(now: Int64, elapsed: Int64) -> Bool {
        guard isStarted, !isStalled(elapsed) else { return false }
        return hasItem || ownLoop.hasNextTurn || (ownLoop.earliest.map { $0 <= now } ?? false)
    }

    override func nextInstant(now: Int64, elapsed: Int64) -> Int64? {
        guard isStarted else { return nil }
        var instant = ownLoop.earliest.map { deadline in
            let (distance, overflow) = deadline.subtractingReportingOverflow(now)
            return overflow ? Int64.max : elapsed.addingReportingOverflow(max(0, distance)).partialValue
        }
        if hasItem || ownLoop.hasNextTurn { instant = elapsed }
        guard let found = instant, found != .max, found >= 0 else { return nil }
        return max(found, process.stalledUntil)
    }

    override func runOne(now: Int64, choose: (Int) -> Int) {
        var kinds: [Kind] = []
        if hasItem { kinds.append(.item) }
        if ownLoop.hasNextTurn { kinds.append(.turn) }
        if let earliest = ownLoop.earliest, earliest <= now { kinds.append(.timer) }
        guard !kinds.isEmpty else { return }
        switch kinds[kinds.count == 1 ? 0 : choose(kinds.count)] {
        case .item: if let item = takeItem() { run(item) }
        case .turn: ownLoop.runNextTurn()
        case .timer: ownLoop.runTimer(now: now)
        }
    }

    private enum Kind { case item, turn, timer }

    override func run(_ item: Item) {
        switch item {
        case .action(let action): action()
        case .job(let job):
            job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        }
    }

    // MARK: death

    /// Its process is dead: it belongs to no world.
    func leaveWorld() {
        world.remove(self)
    }

    /// Runs one thing of what is left, without regard to the world's time. False where nothing is left.
    func runOneAfterDeath() -> Bool {
        if isReady(now: now, elapsed: .max) {
            runOne(now: now) { _ in 0 }
            return true
        }
        guard let earliest = ownLoop.earliest else { return false }
        process.passTimeAfterDeath(until: earliest)
        ownLoop.runTimer(now: now)
        return true
    }

    /// How many timers are set.
    package var timerCount: Int { ownLoop.timerCount }
}
