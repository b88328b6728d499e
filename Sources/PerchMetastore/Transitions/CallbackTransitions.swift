// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A call is an instance of the task that is called, made in the transaction in which that happens for which it is called:
/// it is dispatched, tried again and logged as every instance is. No run waits for it.
extension Transaction {
    /// Something has happened to an instance.
    func callBack(
        _ point: CallbackPoint, of instance: Instance, _ state: TaskState, message: String?, in settlement: Settlement
    ) throws {
        let facts = try facts(ofRun: instance.runKey)
        for index in facts.version.callbacks {
            guard let callback = facts.version.tasks[index].callback, callback.tasks.contains(instance.taskIndex),
                callback.points.contains(point)
            else { continue }
            let cause = CallbackCause(
                event: point.name, dagID: facts.row.dagID, runID: facts.row.runID,
                taskID: facts.version.tasks[instance.taskIndex].taskID,
                mapIndex: instance.mapIndex < 0 ? nil : instance.mapIndex, tryNumber: instance.tryNumber,
                state: state.rawValue, message: message, at: now)
            try call(index, for: cause, runKey: instance.runKey, in: settlement)
        }
    }

    /// A run has ended.
    func callBack(ofRun runKey: Int64, as state: RunState, in settlement: Settlement) throws {
        let facts = try facts(ofRun: runKey)
        if facts.version.callbacks.isEmpty { return }
        try run("UPDATE dag_run SET alert_at = NULL WHERE run_key = :1", runKey)
        let point: CallbackPoint = state == .success ? .success : .failure
        let message = facts.cancelledBy.map { "cancelled by \($0)" }
        try callBack(point, ofRun: facts, state, message: message, in: settlement)
    }

    private func callBack(
        _ point: CallbackPoint, ofRun facts: RunFacts, _ state: RunState, message: String?, in settlement: Settlement
    ) throws {
        for index in facts.version.callbacks {
            guard let callback = facts.version.tasks[index].callback, callback.tasks.isEmpty,
                callback.points.contains(point)
            else { continue }
            let cause = CallbackCause(
                event: point.name, dagID: facts.row.dagID, runID: facts.row.runID, state: state.rawValue,
                message: message, at: now)
            try call(index, for: cause, runKey: facts.row.runKey, in: settlement)
        }
    }

    private func call(_ index: Int, for cause: CallbackCause, runKey: Int64, in settlement: Settlement) throws {
        let task = try facts(ofRun: runKey).version.tasks[index]
        let last = try number(
            "SELECT MAX(map_index) FROM task_instance WHERE run_key = :1 AND task_index = :2", runKey, index)
        let instance = try insertInstance(
            runKey: runKey, taskIndex: index, mapIndex: Int(last ?? -1) + 1, task: task, pending: 0)
        try run(
            "INSERT INTO callback_cause (ti_id, cause) VALUES (:1, :2)", instance.id,
            JSONValue(encoding: cause).text)
        try beginTry(instance, in: settlement)
    }

    /// Calls for runs that have not ended by their deadlines.
    func callForDeadlines(_ left: inout Int) throws {
        let late = try rows(
            "SELECT run_key FROM dag_run WHERE alert_at <= :1 ORDER BY alert_at, run_key LIMIT :2", now, max(left, 1)
        ) { $0.int64(0) }
        let settlement = Settlement()
        for runKey in late where left > 0 {
            left -= 4
            let facts = try facts(ofRun: runKey)
            let age = now - facts.row.queuedAt
            let alertAt = try number("SELECT alert_at FROM dag_run WHERE run_key = :1", runKey)
            for span in facts.version.deadlines where span <= age {
                // One that it has called for already stays called for.
                guard facts.row.queuedAt + span >= Timestamp(microseconds: alertAt ?? 0) else { continue }
                try callBack(
                    .deadline(span), ofRun: facts, facts.row.state, message: "not ended after \(span)", in: settlement)
            }
            let next = facts.version.deadlines.first { $0 > age }
            try run(
                "UPDATE dag_run SET alert_at = :2 WHERE run_key = :1", runKey, next.map { facts.row.queuedAt + $0 })
        }
        try settle(settlement)
    }
}

extension Snapshot {
    /// When the next run is late.
    public func nextAlertInstant() throws -> Timestamp? {
        try number("SELECT MIN(alert_at) FROM dag_run WHERE alert_at IS NOT NULL").map(Timestamp.init(microseconds:))
    }
}
