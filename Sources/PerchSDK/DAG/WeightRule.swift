// SPDX-License-Identifier: Apache-2.0

/// How the priority of a task in the queue follows from the priorities that are declared.
public enum WeightRule: String, Sendable, CaseIterable {
    /// It is the task's own.
    case absolute
    /// Its own and those of all tasks that come after it, directly or not: runs that have begun are finished later than new
    /// ones begin.
    case downstream
    /// Its own and those of all tasks that come before it: runs that have begun are finished first.
    case upstream

    /// For more tasks the sums would take long.
    static let mostTasks = 20_000

    /// Sets the priorities of tasks in topological order.
    func apply(to tasks: inout [TaskDefinition]) {
        guard self != .absolute else { return }
        let own = tasks.map(\.priority)
        let width = (tasks.count + 63) / 64
        // For each task those that count for it, a bit each.
        var counted = [[UInt64]](repeating: [], count: tasks.count)
        func add(_ other: Int, to index: Int) {
            if counted[index].isEmpty { counted[index] = [UInt64](repeating: 0, count: width) }
            counted[index][other / 64] |= 1 << UInt64(other % 64)
            for (word, bits) in counted[other].enumerated() { counted[index][word] |= bits }
        }
        switch self {
        case .absolute: break
        case .upstream:
            for index in tasks.indices { for other in tasks[index].upstream { add(other, to: index) } }
        case .downstream:
            for index in tasks.indices.reversed() { for other in tasks[index].upstream { add(index, to: other) } }
        }
        for index in tasks.indices {
            var sum = own[index]
            for (word, bits) in counted[index].enumerated() {
                var rest = bits
                while rest != 0 {
                    sum = sum.addingReportingOverflow(own[word * 64 + rest.trailingZeroBitCount]).partialValue
                    rest &= rest - 1
                }
            }
            tasks[index].priority = max(Int(Int32.min), min(Int(Int32.max), sum))
        }
    }
}
