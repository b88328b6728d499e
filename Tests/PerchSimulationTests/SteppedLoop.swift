// SPDX-License-Identifier: Apache-2.0

import Glibc
import PerchReactor
import PerchSDK

/// A loop that a test moves on by hand: nothing happens but in `pass` and `jump`.
final class SteppedLoop: EventLoop {
    private(set) var now: Int64 = 1_800_000_000_000_000
    private var timers = TimerHeap<UInt64>()
    private var actions: [UInt64: () -> Void] = [:]
    private var lastTimer: UInt64 = 0
    private var nextTurn: [() -> Void] = []
    var generator: SeededNumbers

    init(seed: UInt64 = 1) { generator = SeededNumbers(seed: seed) }

    func schedule(at instant: Int64, _ action: @escaping () -> Void) -> LoopTimer {
        lastTimer += 1
        timers.insert(deadline: instant, id: lastTimer)
        actions[lastTimer] = action
        return LoopTimer(number: lastTimer)
    }

    func cancel(_ timer: LoopTimer) {
        if actions.removeValue(forKey: timer.number) != nil { timers.remove(timer.number) }
    }

    func watch(_ descriptor: Int32, for interest: Readiness, _ action: @escaping (Readiness) -> Void) throws {
        throw ReactorError(call: "watch", number: ENOTSUP)
    }

    func unwatch(_ descriptor: Int32) {}
    func enqueue(_ action: @escaping () -> Void) { nextTurn.append(action) }
    func random(in range: ClosedRange<Int64>) -> Int64 { Int64.random(in: range, using: &generator) }

    var timerCount: Int { actions.count }

    /// Lets time pass and does what becomes due on the way.
    func pass(_ span: TimeSpan) {
        let end = now + span.microseconds
        runTurns()
        while let earliest = timers.earliest, earliest <= end {
            now = max(now, earliest)
            runDue()
        }
        now = end
    }

    /// The clock jumps; what it passes is due.
    func jump(_ span: TimeSpan) {
        now += span.microseconds
        runTurns()
        runDue()
    }

    /// The clock jumps back; timers stay at their instants.
    func setBack(_ span: TimeSpan) { now -= span.microseconds }

    private func runDue() {
        while let entry = timers.popDue(now) {
            actions.removeValue(forKey: entry.id)?()
            runTurns()
        }
    }

    private func runTurns() {
        while !nextTurn.isEmpty {
            let turn = nextTurn
            nextTurn = []
            for action in turn { action() }
        }
    }
}

/// SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func one<T>(of list: [T]) -> T { list[below(list.count)] }
}

extension TimeSpan {
    static func milliseconds(_ count: Int64) -> TimeSpan { TimeSpan(microseconds: count * 1_000) }
}
