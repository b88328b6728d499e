// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Tasks that look alike: of one kind, after what looks alike, before what looks alike. A thousand files that each are
/// watched, loaded and checked are three classes.
///
/// How far a task stands from the beginning follows from its class, so edges between classes lead forward as those of tasks do.
struct LookAlikes {
    /// The class of each task.
    let classes: [Int]

    private struct Look: Hashable {
        var kind: String
        var rule: TriggerRule
        var isMapped: Bool
        var group: String
        var outputs: [String]
        var around: [Int]
    }

    init(_ tasks: [TaskDefinition]) {
        var downstream = [[Int]](repeating: [], count: tasks.count)
        for (index, task) in tasks.enumerated() {
            for before in task.upstream { downstream[before].append(index) }
        }
        func named(_ order: some Sequence<Int>, around: (Int) -> [Int]) -> [Int] {
            var names: [Look: Int] = [:]
            var found = [Int](repeating: 0, count: tasks.count)
            for index in order {
                let task = tasks[index]
                let look = Look(
                    kind: task.kindName, rule: task.triggerRule, isMapped: task.mappedOver != nil, group: task.group,
                    outputs: task.branches.flatMap(\.outputs), around: Set(around(index).map { found[$0] }).sorted())
                found[index] = names[look] ?? names.count
                names[look] = found[index]
            }
            return found
        }
        let before = named(tasks.indices) { tasks[$0].upstream }
        let after = named(tasks.indices.reversed()) { downstream[$0] }
        var pairs: [[Int]: Int] = [:]
        classes = tasks.indices.map { index in
            let pair = [before[index], after[index]]
            let name = pairs[pair] ?? pairs.count
            pairs[pair] = name
            return name
        }
    }
}
