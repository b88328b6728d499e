// SPDX-License-Identifier: Apache-2.0

import PerchOutputs
import PerchSDK
import Synchronization

/// DAG versions read once: they never change.
final class DAGCatalog: Sendable {
    /// How many tasks the versions that are kept have together; a version without tasks counts as one.
    private static let mostTasks = 200_000
    private struct Kept: Sendable {
        var versions: [Int64: DAGVersion] = [:]
        var tasks = 0
    }
    private let kept = Mutex(Kept())
    /// Where outputs lie that are too long for their rows.
    let outputs: (any OutputStore)?

    init(outputs: (any OutputStore)? = nil) { self.outputs = outputs }

    func version(_ versionID: Int64, load: () throws -> DAGDefinition) throws -> DAGVersion {
        if let known = kept.withLock({ $0.versions[versionID] }) { return known }
        return keep(try load(), as: versionID)
    }

    /// Notes a version that is at hand, so that its first run need not read it.
    @discardableResult
    func keep(_ definition: DAGDefinition, as versionID: Int64) -> DAGVersion {
        let version = DAGVersion(versionID: versionID, definition: definition)
        kept.withLock { kept in
            let size = max(1, version.tasks.count)
            if kept.tasks + size > Self.mostTasks { kept = Kept() }
            if kept.versions.updateValue(version, forKey: versionID) == nil { kept.tasks += size }
        }
        return version
    }

    /// After a rollback: a version that was never committed may have been read.
    func forget() {
        kept.withLock { $0 = Kept() }
    }
}

/// A DAG version with what follows from it.
final class DAGVersion: Sendable {
    let versionID: Int64
    let definition: DAGDefinition
    /// The definition as templates see it.
    let attemptDAG: AttemptDAG
    /// For each task, the indexes of the tasks that come after it, ascending.
    let downstream: [[Int]]
    /// For each task those of them that come after it element by element: instance i after its instance i.
    let elementwise: [[Int]]
    /// The tasks that something is mapped over.
    let mappedOver: Set<Int>
    /// The tasks whose output decides what comes after them.
    let deciding: Set<Int>
    /// The tasks of which something may fail without failing the run: teardowns, mapped tasks.
    let excusing: [Int]
    /// The tasks that are called back; they stand behind all others.
    let callbacks: [Int]
    /// The tasks that a newer version does not have any more; the last answer.
    private let departed = Mutex<(version: Int64, tasks: Set<Int>)?>(nil)

    init(versionID: Int64, definition: DAGDefinition) {
        self.versionID = versionID
        self.definition = definition
        attemptDAG = AttemptDAG(definition)
        var downstream = Array(repeating: [Int](), count: definition.tasks.count)
        var elementwise = downstream
        var mappedOver: Set<Int> = []
        var deciding: Set<Int> = []
        var excusing: [Int] = []
        for (index, task) in definition.tasks.enumerated() {
            for upstream in task.upstream { downstream[upstream].append(index) }
            for upstream in task.alignedWith { elementwise[upstream].append(index) }
            if let source = task.mappedOver { mappedOver.insert(source) }
            if task.shortCircuits { deciding.insert(index) }
            deciding.formUnion(task.branches.map(\.upstream))
            if task.teardown?.failsRun == false || task.toleratedFailures > 0 { excusing.append(index) }
        }
        callbacks = definition.tasks.indices.filter { definition.tasks[$0].callback != nil }
        self.deciding = deciding
        self.excusing = excusing
        self.downstream = downstream
        self.elementwise = elementwise
        self.mappedOver = mappedOver
    }

    var tasks: [TaskDefinition] { definition.tasks }

    /// The tasks that another version of the DAG does not have.
    func tasks(goneFrom other: DAGVersion) -> Set<Int> {
        if other.versionID == versionID { return [] }
        return departed.withLock { known in
            if let known, known.version == other.versionID { return known.tasks }
            let names = Set(other.tasks.map(\.taskID))
            let gone = Set(tasks.indices.filter { !names.contains(tasks[$0].taskID) })
            known = (other.versionID, gone)
            return gone
        }
    }

    /// The tasks that wait for all instances of a mapped task together.
    func gathering(_ index: Int) -> [Int] {
        elementwise[index].isEmpty ? downstream[index] : downstream[index].filter { !elementwise[index].contains($0) }
    }

    /// Whether a task is called back. Callbacks stand behind all steps.
    func isCallback(_ index: Int) -> Bool { index >= definition.tasks.count - callbacks.count }

    /// How long after its creation a run that has not ended calls back, ascending.
    var deadlines: [TimeSpan] {
        Set(callbacks.flatMap { tasks[$0].callback?.points.compactMap(\.span) ?? [] }).sorted()
    }

    /// The setups that a task comes after and whose teardowns come after it, and these teardowns: what it needs to run again.
    func setupsAndTeardowns(around index: Int) -> Set<Int> {
        var found: Set<Int> = []
        for teardown in tasks.indices {
            guard let setups = tasks[teardown].teardown?.setups, leads(from: index, to: teardown) else { continue }
            let needed = setups.filter { leads(from: $0, to: index) }
            if !needed.isEmpty { found.formUnion(needed + [teardown]) }
        }
        return found
    }

    /// Whether a task comes after another, directly or not.
    private func leads(from earlier: Int, to later: Int) -> Bool {
        guard earlier < later else { return false }
        var reached: Set<Int> = [earlier]
        for index in (earlier + 1)...later where tasks[index].upstream.contains(where: reached.contains) {
            reached.insert(index)
        }
        return reached.contains(later)
    }
}
