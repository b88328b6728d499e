// SPDX-License-Identifier: Apache-2.0

package import PerchMetastore
package import PerchOutputs
internal import PerchSDK

/// Says how a finished run must have ended, given its DAG, its scripts and how its waits ended: a plain recursion over
/// the trigger rules, without the engine's code.
///
/// What a race decided (event, timeout or cancel; which try was the last) is read off the metastore; all the rest
/// follows from it.
package struct ReferenceModel {
    let workload: Workload
    let requests: Acknowledged
    /// Where outputs lie that are too long for their rows.
    let outputs: (any OutputStore)?

    /// A model of a workload and of what clients did to it.
    package init(_ workload: Workload, _ requests: Acknowledged, outputs: (any OutputStore)? = nil) {
        self.outputs = outputs
        self.workload = workload
        self.requests = requests
    }

    /// A task instance as it was read.
    struct Instance {
        var id: Int64
        var taskID: String
        var mapIndex: Int
        var state: TaskState
        var tryNumber: Int
        var firstTry: Int
        var message: String
        var output: String?
        /// The outcomes of the waits of its last try; nil where there is none yet.
        var outcomes: [String: WaitOutcome?] = [:]
        var steps: Set<String> = []
    }

    /// A run as it was read.
    struct Run {
        var key: Int64
        var dag: SimulatedDAG
        var runID: String
        var state: RunState
        var wasCancelled: Bool
        /// Whether something of it was cleared, so that a task may have seen other ends upstream than there are now.
        var wasCleared: Bool
        var instances: [Instance]

        var name: String { "\(dag.dagID)/\(runID)" }
    }

    /// Holds every finished run of the metastore against the model.
    package func verify(on connection: any SQLConnection) throws -> [Violation] {
        var found: [Violation] = []
        for run in try runs(on: connection) where run.state.isFinished {
            found += verify(run)
        }
        return found
    }

    func verify(_ run: Run) -> [Violation] {
        var found: [Violation] = []
        func wrong(_ sentence: String, _ instance: Instance? = nil) {
            found.append(
                Violation("reference", "\(run.name): \(sentence)", rows: instance.map { ["\($0)"] } ?? []))
        }
        var wholes: [String: TaskState] = [:]
        for task in run.dag.tasks {
            let instances = run.instances.filter { $0.taskID == task.id }
            if instances.isEmpty, run.wasCancelled { continue }
            guard !instances.isEmpty else {
                wrong("the task '\(task.id)' has no instance")
                continue
            }
            for instance in instances where !instance.state.isFinished {
                wrong("the run has ended, and '\(task.id)' has not", instance)
            }
            let expected = expectation(of: task, in: run, wholes)
            if let problem = shape(of: instances, expected, in: run) { wrong("'\(task.id)' \(problem)", instances[0]) }
            for instance in instances {
                let expected = expectation(ofElement: instance, task, in: run) ?? expected
                if let problem = problem(of: instance, task, expected, in: run) {
                    wrong("'\(task.id)' [\(instance.mapIndex)] is \(instance.state.rawValue), \(problem)", instance)
                }
            }
            wholes[task.id] =
                instances[0].mapIndex < 0 ? instances[0].state : LegalStates.whole(instances.map(\.state))
        }
        let hasFailed = wholes.values.contains { $0 == .failed || $0 == .upstreamFailed }
        let state: RunState = hasFailed || run.wasCancelled ? .failed : .success
        if run.state != state { wrong("it is \(run.state.rawValue), and its tasks say \(state.rawValue)") }
        return found
    }

    /// What the tasks before a task mean for it.
    enum Expectation: Equatable {
        /// It never begins, and ends so.
        case decided(TaskState)
        /// It begins, as one instance or as so many.
        case runs(mapped: Int?)
        /// Not to be said: its upstream was cleared or cancelled around it.
        case unknown
    }

    private func expectation(of task: SimulatedTask, in run: Run, _ wholes: [String: TaskState]) -> Expectation {
        guard !run.wasCleared, !run.wasCancelled else { return .unknown }
        let aligned = run.dag.aligned(task)
        // In a mapped group a task is mapped where those before it are and all else has succeeded.
        let rule = aligned.isEmpty ? task.triggerRule : .allSuccess
        let upstream = task.allUpstream.compactMap { name -> TaskState? in
            if aligned.isEmpty { return wholes[name] }
            if case .mapped(name) = task.kind { return nil }
            guard aligned.contains(name), let first = run.instances.first(where: { $0.taskID == name }) else {
                return wholes[name]
            }
            return first.mapIndex < 0 ? first.state : .success
        }
        if !LegalStates.mayBegin(rule, upstream) { return .decided(LegalStates.end(rule, upstream)) }
        guard case .mapped(let source) = task.kind else { return .runs(mapped: nil) }
        let length = length(ofMappingOver: source, in: run)
        return length == 0 ? .decided(.skipped) : .runs(mapped: length)
    }

    /// What the instances of its element mean for one instance of a mapped group; nil where it has none before it.
    private func expectation(ofElement instance: Instance, _ task: SimulatedTask, in run: Run) -> Expectation? {
        let aligned = run.dag.aligned(task)
        guard instance.mapIndex >= 0, !aligned.isEmpty, !run.wasCleared, !run.wasCancelled else { return nil }
        let before = aligned.compactMap { name in
            run.instances.first { $0.taskID == name && $0.mapIndex == instance.mapIndex }?.state
        }
        guard LegalStates.mayBegin(task.triggerRule, before) else {
            return .decided(LegalStates.end(task.triggerRule, before))
        }
        return .runs(mapped: nil)
    }

    private func length(ofMappingOver source: String, in run: Run) -> Int {
        let instances = run.instances.filter { $0.taskID == source }
        guard let first = instances.first, first.mapIndex < 0 else { return instances.count }
        return first.state == .success ? run.dag.task(source)?.script.items ?? 0 : 0
    }

    private func shape(of instances: [Instance], _ expected: Expectation, in run: Run) -> String? {
        if instances.count == 1, instances[0].mapIndex < 0, mayHaveBeenCancelled(instances[0], in: run) { return nil }
        switch expected {
        case .unknown: return nil
        case .decided, .runs(mapped: nil):
            return instances.count == 1 && instances[0].mapIndex == -1
                ? nil : "has \(instances.count) instances, not one"
        case .runs(mapped: .some(let length)):
            return instances.map(\.mapIndex) == Array(0..<length)
                ? nil : "has the instances \(instances.map(\.mapIndex)), not 0..<\(length)"
        }
    }

    // MARK: one instance

    private func problem(
        of instance: Instance, _ task: SimulatedTask, _ expected: Expectation, in run: Run
    ) -> String? {
        if mayHaveBeenCancelled(instance, in: run) { return nil }
        if case .decided(let state) = expected {
            return instance.state == state && instance.tryNumber == 0
                ? nil : "and must be \(state.rawValue) without a try"
        }
        if instance.tryNumber == 0 || instance.state == .upstreamFailed {
            return expected == .unknown ? nil : "and must have been tried"
        }
        // Cleared, and then decided by what came before it.
        if expected == .unknown, instance.tryNumber < instance.firstTry { return nil }
        let ends = ends(of: instance, task, in: run)
        let triesLeft = task.retries - (instance.tryNumber - instance.firstTry)
        for end in ends {
            switch end {
            case .success: if instance.state == .success { return wrongOutput(of: instance, task, in: run) }
            case .skipped: if instance.state == .skipped { return nil }
            case .failed: if instance.state == .failed { return nil }
            case .failedTry where run.wasCancelled: if instance.state == .failed { return nil }
            case .failedTry: if instance.state == .failed, triesLeft <= 0 { return nil }
            case .wrong(let words): return words
            }
        }
        return "and its code says \(ends), with \(triesLeft) retries left"
    }

    /// Whether a cancel decided its state: the row says so, and somebody asked for it.
    private func mayHaveBeenCancelled(_ instance: Instance, in run: Run) -> Bool {
        guard instance.message.hasPrefix("cancelled: ") || instance.message == "the run was cancelled" else {
            return false
        }
        if run.wasCancelled || instance.message.hasSuffix("the run was cancelled") {
            return instance.state == .failed || instance.state == .skipped
        }
        return requests.possible.contains { operation in
            switch operation {
            case .cancelTask(run.dag.dagID, run.runID, instance.taskID, instance.mapIndex, let state):
                state == instance.state
            case .cancelWait(run.dag.dagID, _): instance.state == .failed
            case .cancelRun(run.dag.dagID, run.runID): instance.state == .failed || instance.state == .skipped
            default: false
            }
        }
    }

    private func wrongOutput(of instance: Instance, _ task: SimulatedTask, in run: Run) -> String? {
        guard !run.wasCleared, !run.wasCancelled else { return nil }
        let base: Int
        switch task.kind {
        case .sensor: return instance.output == nil ? "and has no output" : nil
        case .mapped(let source):
            let before = run.instances.first { $0.taskID == task.input && $0.mapIndex == instance.mapIndex }
            let given = before?.output.flatMap { Int($0) } ?? 0
            base = (numbers(of: source, in: run)[safe: instance.mapIndex] ?? 0) + 1 + given
        case .code: base = task.input.map { numbers(of: $0, in: run).reduce(0, +) } ?? 0
        }
        let expected: String
        if case .mapped = task.kind {
            expected = "\(base)"
        } else {
            expected = "[" + (0..<task.script.items).map { "\(base + $0)" }.joined(separator: ",") + "]"
        }
        return instance.output == expected
            ? nil : "and gave \(instance.output ?? "nothing") where \(expected) was right"
    }

    /// What a task gave, as the tasks after it read it; nothing counts as 0.
    private func numbers(of source: String, in run: Run) -> [Int] {
        let instances = run.instances.filter { $0.taskID == source }
        guard let first = instances.first else { return [] }
        if first.mapIndex >= 0 { return instances.map { $0.output.flatMap { Int($0) } ?? 0 } }
        guard let output = first.output else { return [] }
        return output.dropFirst().dropLast().split(separator: ",").map { Int($0) ?? 0 }
    }
}

extension Array {
    fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
