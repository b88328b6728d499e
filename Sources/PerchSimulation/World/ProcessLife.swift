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

    /// A process that lives.
    package init(name: String) {
        self.name = name
    }

    /// It gets no time until an instant of `elapsed`.
    package func stall(until instant: Int64) {
        stalledUntil = max(stalledUntil, instant)
    }

    func die() {
        isDead = true
        stalledUntil = 0
    }
}
