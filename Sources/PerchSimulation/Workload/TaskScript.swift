// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What the code of a simulated task does, as data, so that a plan that fails can be made smaller and printed.
///
/// How a try ends depends on the number of the try and on how its waits ended, and on nothing else.
package struct TaskScript: Codable, Hashable, Sendable {
    /// What the code does when a wait has run into its timeout.
    package enum OnTimeout: String, Codable, Hashable, Sendable, CaseIterable {
        /// Lets `WaitTimeout` through: the try fails, and may be tried again.
        case fail
        /// Goes on as if nothing had been waited for.
        case goOn
        /// Ends as skipped.
        case skip
        /// Fails without a further try.
        case failForGood
    }

    /// One thing that the code does.
    package enum Action: Codable, Hashable, Sendable {
        /// A journalled step whose body takes so long.
        case step(String, work: TimeSpan, keep: Bool)
        /// A wait without a worker.
        case wait(String, SimulatedWait, timeout: TimeSpan?, onTimeout: OnTimeout)
        /// A sleep without a worker.
        case sleep(String, TimeSpan)
        /// Work outside of a step, done again in each dispatch.
        case work(TimeSpan)
        /// Fails in the tries up to and including this one.
        case failTries(upTo: Int)
        /// Fails in every try.
        case fail
        /// Fails without a further try.
        case failForGood
        /// Ends as skipped.
        case skip
    }

    /// In order.
    package var actions: [Action]
    /// The task gives an array of so many numbers.
    package var items: Int
    /// Whether the code registers a clean-up; how long that takes.
    package var onKill: TimeSpan?

    /// A script from its parts.
    package init(_ actions: [Action] = [], items: Int = 0, onKill: TimeSpan? = nil) {
        self.actions = actions
        self.items = items
        self.onKill = onKill
    }

    /// How long the code may run in one dispatch at most, its waits not counted.
    package var longestRun: TimeSpan {
        var sum: Int64 = 0
        for action in actions {
            switch action {
            case .step(_, let work, _), .work(let work): sum += work.microseconds
            default: break
            }
        }
        return TimeSpan(microseconds: sum)
    }
}
