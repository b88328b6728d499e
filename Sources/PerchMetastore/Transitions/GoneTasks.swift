// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// Tasks that left their DAG: the version that a run is pinned to has them, the newest one does not, and the bundle has no
/// code of them any more.
///
/// What of them has not begun ends as `removed` when its turn comes. For what comes after it, that is as if it had been
/// skipped: it has ended, has not failed and has not succeeded.
extension Snapshot {
    /// The tasks of a run that cannot be run any more, in the order of its tasks, each with why; but for callbacks.
    public func departures(
        from run: RunRow
    ) throws -> [(taskIndex: Int, taskID: String, sentence: String)] {
        guard let dag = try dag(run.dagID), dag.versionID != run.versionID else { return [] }
        let version = try version(run.versionID)
        if version.definition.versioning == .pinned { return [] }
        return try version.tasks(goneFrom: try self.version(dag.versionID)).sorted()
            .filter { version.tasks[$0].callback == nil }
            .map { ($0, version.tasks[$0].taskID, try departureSentence(version.tasks[$0].taskID, version, dag)) }
    }

    fileprivate func departureSentence(_ taskID: String, _ version: DAGVersion, _ dag: DAGRow) throws -> String {
        let number =
            try self.number("SELECT version_number FROM dag_version WHERE version_id = :1", version.versionID) ?? 0
        return """
            the task '\(taskID)' has left the DAG '\(dag.dagID)': the run is of version \(number), and version \
            \(dag.versionNumber), the newest, does not have it
            """
    }
}

extension Transaction {
    /// Why a task of a run is not begun any more; nil where the newest version of its DAG has it, or the run goes on with the
    /// bundle that it began with.
    func departure(of taskIndex: Int, _ facts: RunFacts) throws -> String? {
        guard facts.newestVersionID != facts.row.versionID, facts.version.definition.versioning != .pinned,
            facts.version.tasks(goneFrom: try version(facts.newestVersionID)).contains(taskIndex),
            let dag = try dag(facts.row.dagID)
        else { return nil }
        return try departureSentence(facts.version.tasks[taskIndex].taskID, facts.version, dag)
    }

    /// Ends what is queued of a task that has left: as `removed` where it has not begun, else as failed. False where the task
    /// is in the DAG.
    func endGone(
        _ instance: Instance, dispatchID: Int64, hasBegun: Bool, in settlement: Settlement
    ) throws -> Bool {
        guard let sentence = try departure(of: instance.taskIndex, facts(ofRun: instance.runKey)) else { return false }
        try releaseSlot(dispatchID: dispatchID)
        try setQueueDeadline(nil, of: instance)
        try end(
            instance, as: hasBegun ? .failed : .removed,
            message: hasBegun ? Self.cannotGoOn(sentence) : sentence, in: settlement)
        return true
    }

    static func cannotGoOn(_ sentence: String) -> String {
        "\(sentence): there is no code that it would go on with. Deploy a bundle that has it, and clear it"
    }
}
