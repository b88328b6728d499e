// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor

/// The event loop of a simulated thread: timers on the world's wall clock, nothing to watch.
final class VirtualLoop: EventLoop {
    private unowned let lane: VirtualReactor
    private var timers = TimerHeap<UInt64>()
    private var actions: [UInt64: () -> Void] = [:]
    private var lastTimer: UInt64 = 0
    private var nextTurn: [() -> Void] = []

    init(lane: VirtualReactor) {
        self.lane = lane
    }

    var now: Int64 { lane.now }

    func schedule(at instant: Int64, _ action: @escaping () -> Void) -> LoopTimer {
        lastTimer += 1
        timers.insert(deadline: instant, id: lastTimer)
        actions[lastTimer] = action
        return LoopTimer(number: lastTimer)
    }

    func cancel(_ timer: LoopTimer) {
        guard actions.removeValue(forKey: timer.number) != nil else { return }
        timers.remove(timer.number)
    }

    func watch(_ descriptor: Int32, for interest: Readiness, _ action: @escaping (Readiness) -> Void) throws {
        throw ReactorError(call: "watch in a simulation", number: ENOTSUP)
    }

    func unwatch(_ descriptor: Int32) {}

    func enqueue(_ action: @escaping () -> Void) {
        nextTurn.append(action)
    }

    func random(in range: ClosedRange<Int64>) -> Int64 {
        lane.random(in: range)
    }

    // MARK: for the lane

    var earliest: Int64? { timers.earliest }
    var hasNextTurn: Bool { !nextTurn.isEmpty }
    /// How many timers are set, for looking whether anything was left behind.
    var timerCount: Int { actions.count }

    func runNextTurn() {
        let actions = nextTurn
        nextTurn = []
        for action in actions { action() }
    }

    func runTimer(now: Int64) {
        guard let due = timers.popDue(now) else { return }
        actions.removeValue(forKey: due.id)?()
    }

    func drop() {
        actions = [:]
        nextTurn = []
        timers = TimerHeap()
    }
}
