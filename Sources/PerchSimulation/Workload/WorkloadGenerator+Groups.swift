// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

extension WorkloadGenerator {
    /// A DAG some of whose mapped tasks begin mapped groups: one to three tasks follow each, element by element.
    mutating func drawGroups(in dag: SimulatedDAG) -> SimulatedDAG {
        var dag = dag
        var index = 0
        var name = 0
        while index < dag.tasks.count {
            defer { index += 1 }
            guard case .mapped(let source) = dag.tasks[index].kind, dag.tasks[index].group == nil, chance(70) else {
                continue
            }
            let group = "g\(name)"
            name += 1
            let root = dag.tasks[index].id
            var members = [dag.tasks[index]]
            members[0].id = "\(group).\(root)"
            members[0].group = group
            for number in 0..<number(in: 1...3) {
                members.append(
                    drawMember("\(group).m\(number)", of: group, source, after: members, Array(dag.tasks[..<index])))
            }
            let last = members[members.count - 1].id
            dag.tasks.replaceSubrange(index...index, with: members)
            index += members.count - 1
            // What gives its results to others is the last task of a group; what comes after the first still does.
            for later in dag.tasks.indices where later > index {
                if dag.tasks[later].input == root { dag.tasks[later].input = last }
                if case .mapped(root) = dag.tasks[later].kind { dag.tasks[later].kind = .mapped(over: last) }
                dag.tasks[later].upstream = dag.tasks[later].upstream.map { $0 == root ? members[0].id : $0 }
            }
        }
        return dag
    }

    private mutating func drawMember(
        _ id: String, of group: String, _ source: String, after members: [SimulatedTask], _ outside: [SimulatedTask]
    ) -> SimulatedTask {
        var task = SimulatedTask(id, .mapped(over: source), drawScript())
        task.group = group
        task.upstream = [members[members.count - 1].id]
        for other in members.dropLast() where chance(30) { task.upstream.append(other.id) }
        for other in outside where chance(10) { task.upstream.append(other.id) }
        if chance(50) {
            task.triggerRule = one(of: TriggerRule.allCases.filter { $0 != .allDoneSetupSuccess })
        }
        // An input that has not ended is read as nothing.
        if task.triggerRule.waitsForAll, chance(60) { task.input = task.upstream[0] }
        if chance(45) {
            task.retries = number(in: 1...3)
            task.retryDelay = span(0...8_000)
        }
        if chance(10) { task.executionTimeout = span(500...20_000) }
        task.killTimeout = span(1_000...10_000)
        return task
    }
}
