// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// What has ended in a transaction, in order, and the waits for runs that it concerns.
struct ReachedEnds {
    /// A run, a task of it as a whole, or an instance of a mapped task.
    struct End {
        /// Its place in the order of the transaction.
        var number: Int
        var runKey: Int64
        /// -1: the run.
        var taskIndex: Int
        var mapIndex: Int
        var state: TaskState
    }

    /// How many waits one settlement fires for the ends of runs; the rest is left to later transactions.
    var firesLeft = 1_000
    private var ends: [End] = []
    private var count = 0
    /// Waits that were registered for what had ended already.
    private var standing: [Firing] = []
    /// Waits for the next end that were registered in this transaction, with how many ends there had been: those do not
    /// concern them.
    private var nextAfter: [Int64: Int] = [:]

    mutating func add(_ place: TaskPlace, mapIndex: Int, _ state: TaskState) {
        add(place.runKey, place.taskIndex, mapIndex, state)
    }

    mutating func add(runKey: Int64, _ state: RunState) {
        add(runKey, -1, -1, state == .success ? .success : .failed)
    }

    private mutating func add(_ runKey: Int64, _ taskIndex: Int, _ mapIndex: Int, _ state: TaskState) {
        ends.append(End(number: count, runKey: runKey, taskIndex: taskIndex, mapIndex: mapIndex, state: state))
        count += 1
    }

    mutating func fire(_ firing: Firing) { standing.append(firing) }
    mutating func registeredForNext(_ waitID: Int64) { nextAfter[waitID] = count }

    func concerns(_ end: End, _ waitID: Int64) -> Bool { end.number >= nextAfter[waitID] ?? 0 }

    mutating func takeEnds() -> [End] {
        defer { ends = [] }
        return ends
    }

    mutating func takeStanding() -> [Firing] {
        defer { standing = [] }
        return standing
    }
}
