// SPDX-License-Identifier: Apache-2.0

extension TaskDefinition {
    /// The state of a mapped task of which every instance has ended.
    package func state(ofInstances count: Int, failed: Int, skipped: Int) -> TaskState {
        if failed * 100 > toleratedFailures * count { return .failed }
        return skipped == count ? .skipped : .success
    }

    /// What is wrong with how a task decides or is decided, its upstream known to stand before it; the same for tasks that
    /// are declared and for those of a bundle in another language.
    func flowProblem(in tasks: [TaskDefinition]) -> String? {
        func name(_ index: Int) -> String { "'\(tasks[index].taskID)'" }
        if let problem = alignmentProblem(in: tasks) { return problem }
        if mappedOver != nil, alignedWith.isEmpty, !triggerRule.waitsForAll {
            return """
                it is mapped, and how often is known only when its upstream has ended; its trigger rule \
                '\(triggerRule.rawValue)' does not wait for that
                """
        }
        if triggerRule == .allDoneSetupSuccess, teardown == nil {
            return "the trigger rule 'all_done_setup_success' is one of teardowns, and it tears nothing down"
        }
        if shortCircuits, mappedOver != nil, !isFollowedElementwise(in: tasks) {
            return "it is mapped; one task decides whether what follows is skipped"
        }
        if toleratedFailures != 0 {
            if mappedOver == nil { return "it is not mapped; of one task none may fail" }
            guard (1...100).contains(toleratedFailures) else {
                return "\(toleratedFailures) percent of it may fail; it is a number from 1 to 100"
            }
        }
        for edge in branches {
            guard upstream.contains(edge.upstream) else { return "an edge of a branch names no upstream of it" }
            if edge.outputs.isEmpty { return "no output of \(name(edge.upstream)) leads to it" }
            if tasks[edge.upstream].mappedOver != nil, !alignedWith.contains(edge.upstream) {
                return "\(name(edge.upstream)) is mapped; a branch is decided by one task"
            }
        }
        if let callback { return callbackProblem(callback, in: tasks) }
        if let before = upstream.first(where: { tasks[$0].callback != nil }) {
            return "it comes after the callback \(name(before)); nothing does"
        }
        guard let teardown else { return nil }
        if mappedOver != nil { return "a teardown is not mapped" }
        if teardown.setups.isEmpty { return "a teardown names its setups" }
        for setup in teardown.setups {
            guard upstream.contains(setup) else { return "a setup of the teardown is no upstream of it" }
            if tasks[setup].mappedOver != nil { return "its setup \(name(setup)) is mapped; a setup is one task" }
            if tasks[setup].teardown != nil { return "its setup \(name(setup)) is a teardown itself" }
        }
        return nil
    }

    private func alignmentProblem(in tasks: [TaskDefinition]) -> String? {
        if !zip(alignedWith, alignedWith.dropFirst()).allSatisfy(<) { return "'aligned_with' is ascending, each once" }
        for index in alignedWith {
            guard upstream.contains(index) else { return "'aligned_with' are upstream too" }
            guard let mappedOver, tasks[index].mappedOver == mappedOver else {
                return "'aligned_with' has '\(tasks[index].taskID)', which is not mapped over what it is mapped over"
            }
        }
        return nil
    }

    /// Whether something comes after it in its mapped group.
    private func isFollowedElementwise(in tasks: [TaskDefinition]) -> Bool {
        guard let own = tasks.firstIndex(where: { $0.taskID == taskID }) else { return false }
        return tasks.contains { $0.alignedWith.contains(own) }
    }

    private func callbackProblem(_ callback: CallbackDefinition, in tasks: [TaskDefinition]) -> String? {
        if let problem = callback.problem { return problem }
        guard case .code = kind, start == nil, mappedOver == nil, teardown == nil, upstream.isEmpty else {
            return "a callback is code that comes after nothing"
        }
        let place = tasks.firstIndex { $0.taskID == taskID } ?? 0
        if tasks[place...].contains(where: { $0.callback == nil }) { return "callbacks stand behind all other tasks" }
        for index in callback.tasks {
            guard tasks.indices.contains(index) else { return "it is called for a task that there is not" }
            if tasks[index].callback != nil { return "it is called for the callback '\(tasks[index].taskID)'" }
        }
        return nil
    }
}
