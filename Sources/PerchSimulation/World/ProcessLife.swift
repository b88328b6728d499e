// SPDX-License-Identifier: Apache-2.0

/// Whether a simulated process lives, and whether it gets any time.
///
/// Unchecked, because a simulation runs on one thread.
package final class ProcessLife: @unchecked Sendable {
    /// What it is called in traces.
    package let name: String
    /// Killed: nothing that it does has an effect any more.
    package private(set) var isDead = false
    /// It gets no time before this instant of the world's `elapsed`.
    package private(set) var stalledUntil: Int64 = 0

    /// After its death: a time of its own, which runs ahead until all that was left in it is quiet.
    package private(set) var timeAfterDeath: Int64?

    /// A process that lives.
    package init(name: String) {
        self.name = name
    }

    /// It gets no time until an instant of `elapsed`.
    package func stall(until instant: Int64) {
        stalledUntil = max(stalledUntil, instant)
    }

    /// What its sleeping code waits for, by number.
    private var sleepers: [Int: CheckedContinuation<Void, Never>] = [:]
    private var lastSleeper = 0

    /// Lets its time after death pass, up to an instant.
    func passTimeAfterDeath(until instant: Int64) {
        timeAfterDeath = max(timeAfterDeath ?? instant, instant)
    }

    func addSleeper(_ sleeper: CheckedContinuation<Void, Never>) -> Int {
        lastSleeper += 1
        sleepers[lastSleeper] = sleeper
        return lastSleeper
    }

    func wake(_ number: Int) {
        sleepers.removeValue(forKey: number)?.resume()
    }

    /// - Parameter now: The wall clock at that moment.
    func die(now: Int64) {
        isDead = true
        timeAfterDeath = now
        stalledUntil = 0
        // What sleeps wakes up in a dead process, so that it ends.
        for number in sleepers.keys.sorted() { wake(number) }
    }
}
