// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// An entry of a try's journal.
package struct JournalPlace: Sendable, Hashable {
    package var taskInstanceID: Int64
    package var tryNumber: Int
    package var key: String

    init(_ taskInstanceID: Int64, _ tryNumber: Int, _ key: String) {
        self.taskInstanceID = taskInstanceID
        self.tryNumber = tryNumber
        self.key = key
    }
}

/// Something that has ended in a transaction, of which a span may be told. It holds what the rows will not say any more.
package enum TracedEnd: Sendable, Hashable {
    case run(runKey: Int64, RunState, ended: Timestamp)
    /// `began`: nil where the row still says it.
    case attempt(taskInstanceID: Int64, tryNumber: Int, TaskState, began: Timestamp?, ended: Timestamp)
    /// `began`: nil where the bundle did not say.
    case step(JournalPlace, began: Timestamp?, ended: Timestamp)
    case wait(JournalPlace, kind: String, target: String, outcome: String, began: Timestamp, ended: Timestamp)
}

extension Transaction {
    func noteEnd(ofRun runKey: Int64, _ state: RunState) {
        guard tally.isTraced else { return }
        tally.traced.append(.run(runKey: runKey, state, ended: now))
    }

    /// What never began has no span.
    func noteEnd(of instance: Instance, _ state: TaskState, began: Timestamp?) {
        guard tally.isTraced, instance.tryNumber > 0 else { return }
        tally.traced.append(
            .attempt(
                taskInstanceID: instance.id, tryNumber: instance.tryNumber, state, began: began, ended: now))
    }

    /// The definition of a wait as it is stored: with the trace in which its probes are made, where they tell of one.
    func traced(_ wait: NewWait) throws -> JSONValue {
        let (kind, definition) = (wait.trigger.kind, wait.trigger.definition)
        guard TracedProbe.isMade(for: definition, of: kind) else { return definition }
        let facts = try facts(ofRun: wait.instance.runKey)
        guard tally.isTraced else {
            return facts.row.traceparent.map { TracedProbe.told($0, in: definition, of: kind) } ?? definition
        }
        let trace = facts.row.trace
        let attempt = trace.attempt(
            taskID: facts.version.tasks[wait.instance.taskIndex].taskID, mapIndex: wait.instance.mapIndex,
            tryNumber: wait.instance.tryNumber)
        let traceparent = trace.traceparent(under: RunTrace.entry(wait.journalKey, of: attempt))
        return TracedProbe.told(traceparent, in: definition, of: kind)
    }
}
