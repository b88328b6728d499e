// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Queues that no triggerer serves, and since when that was seen.
struct UnwatchedQueues {
    private var since: [String: Timestamp] = [:]
    private var warned: Set<String> = []

    /// Takes in which they are now.
    ///
    /// A triggerer that restarts, or is about to start with everything else, gets `grace` for it.
    /// - Returns: Those that have been left alone for longer than `grace`, by name, and which of them were not told before.
    mutating func look(_ queues: [String], at now: Timestamp, grace: TimeSpan) -> (alone: [String], new: [String]) {
        since = Dictionary(uniqueKeysWithValues: queues.map { ($0, min(since[$0] ?? now, now)) })
        let alone = queues.filter { queue in since[queue].map { now - $0 >= grace } ?? false }
        let new = alone.filter { !warned.contains($0) }
        warned = Set(alone)
        return (alone, new)
    }
}
