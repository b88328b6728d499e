// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK

extension ReferenceModel {
    /// How a try may end.
    enum End: Equatable {
        case success
        case skipped
        /// For good.
        case failed
        /// As long as there are retries, to be tried again.
        case failedTry
        /// The journal holds what cannot be.
        case wrong(String)
    }

    /// How the last try of an instance may have ended: as its script says, or by a limit of time or the death of its
    /// process, where it says so.
    func ends(of instance: Instance, _ task: SimulatedTask, in run: Run) -> [End] {
        var ends: [End] = []
        if instance.message.contains("execution timeout"), task.executionTimeout != nil { ends.append(.failedTry) }
        if instance.message.contains("bundle process") || instance.message.contains("did not stop in time") {
            ends.append(.failedTry)
        }
        if !ends.isEmpty, instance.state != .success { return ends }
        if case .sensor(_, _, let softFail) = task.kind {
            return [end(ofSensor: instance, softFail: softFail)]
        }
        return [end(of: task.script, instance)]
    }

    private func end(ofSensor instance: Instance, softFail: Bool) -> End {
        guard let outcome = instance.outcomes["sensor#0"], let outcome else {
            return .wrong("and its last wait has no outcome")
        }
        return switch outcome {
        case .event: .success
        case .timeout: softFail ? .skipped : .failedTry
        case .broken: .failed
        case .cancelled: .wrong("and its wait was cancelled, which its message does not say")
        }
    }

    private func end(of script: TaskScript, _ instance: Instance) -> End {
        var occurrences: [String: Int] = [:]
        func key(_ name: String) -> String {
            defer { occurrences[name, default: 0] += 1 }
            return "\(name)#\(occurrences[name, default: 0])"
        }
        for action in script.actions {
            switch action {
            case .work: continue
            case .step(let name, _, _):
                let key = key(name)
                guard instance.steps.contains(key) else {
                    return .wrong("and its step '\(key)' is not in its journal")
                }
            case .sleep(let name, _):
                switch outcome(key(name), instance) {
                case .event, .timeout: continue
                case .broken: return .failed
                case .cancelled, nil: return .wrong("and its sleep '\(name)' did not end")
                }
            case .wait(let name, _, _, let onTimeout):
                switch (outcome(key(name), instance), onTimeout) {
                case (.event, _), (.timeout, .goOn): continue
                case (.timeout, .fail): return .failedTry
                case (.timeout, .skip): return .skipped
                case (.timeout, .failForGood), (.broken, _): return .failed
                case (.cancelled, _), (nil, _): return .wrong("and its wait '\(name)' did not end")
                }
            case .failTries(let last): if instance.tryNumber <= last { return .failedTry }
            case .fail: return .failedTry
            case .failForGood: return .failed
            case .skip: return .skipped
            }
        }
        return .success
    }

    private func outcome(_ key: String, _ instance: Instance) -> WaitOutcome? {
        instance.outcomes[key] ?? nil  // because a wait that is there without an outcome has not ended either
    }

    // MARK: reading

    /// Runs of the workload's DAGs, with their instances in the order of tasks and map indexes.
    func runs(on connection: any SQLConnection) throws -> [Run] {
        let invariants = Invariants()
        _ = try invariants.incremental(on: connection)
        var found: [Run] = []
        for dag in workload.dags {
            try connection.query(
                "SELECT run_key, run_id, state, cancelled_by FROM dag_run WHERE dag_id = :1 ORDER BY run_key",
                [.text(dag.dagID)]
            ) { row in
                let key = row.int64(0)
                found.append(
                    Run(
                        key: key, dag: dag, runID: row.text(1), state: try row.name(2), wasCancelled: !row.isNull(3),
                        wasCleared: invariants.shadow.runs[key]?.wasCleared ?? false, instances: []))
            }
        }
        for index in found.indices {
            found[index].instances = try instances(of: found[index], on: connection, invariants)
        }
        return found
    }

    private func instances(
        of run: Run, on connection: any SQLConnection, _ invariants: Invariants
    ) throws -> [Instance] {
        var tasks: [String] = []
        try connection.query(
            """
            SELECT v.definition FROM dag_version v JOIN dag_run r ON r.version_id = v.version_id WHERE r.run_key = :1
            """, [.integer(run.key)]
        ) { tasks = try DAGDefinition(parsing: $0.text(0)).tasks.map(\.taskID) }
        var found: [Instance] = []
        try connection.query(
            """
            SELECT ti_id, task_index, map_index, state, try_number, message, output FROM task_instance
            WHERE run_key = :1 ORDER BY task_index, map_index
            """, [.integer(run.key)]
        ) { row in
            let id = row.int64(0)
            found.append(
                Instance(
                    id: id, taskID: tasks.indices.contains(row.int(1)) ? tasks[row.int(1)] : "?",
                    mapIndex: row.int(2), state: try row.name(3), tryNumber: row.int(4),
                    firstTry: invariants.shadow.instances[id]?.firstTry ?? 1,
                    message: row.optionalText(5) ?? "",  // because only some ends have a message
                    output: try row.optionalText(6).map { text in try outputs?.value(of: text) ?? text }))
        }
        for index in found.indices {
            try connection.query(
                "SELECT key, kind, outcome FROM journal WHERE ti_id = :1 AND try_number = :2",
                [.integer(found[index].id), .integer(Int64(found[index].tryNumber))]
            ) { row in
                if row.text(1) == "step" {
                    found[index].steps.insert(row.text(0))
                } else {
                    let outcome = try row.optionalText(2).map { try WaitOutcome(json: JSONValue(parsing: $0)) }
                    found[index].outcomes.updateValue(outcome, forKey: row.text(0))
                }
            }
        }
        return found
    }
}
