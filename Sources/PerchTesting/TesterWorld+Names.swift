// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK
internal import PerchSimulation

/// Finds what tests name, and says what there is where a name is wrong.
extension TesterWorld {
    func requireDAG(_ dagID: String) throws {
        guard !dags.contains(where: { $0.definition.dagID == dagID }) else { return }
        throw PerchError(
            .notFound, "there is no DAG '\(dagID.shown())'; there is \(Self.list(dags.map(\.definition.dagID)))")
    }

    func row(of run: TestRun, in snapshot: Snapshot) throws -> RunRow {
        try requireDAG(run.dagID)
        if let row = try snapshot.run(dagID: run.dagID, runID: run.runID) { return row }
        let known = try snapshot.runs(dagID: run.dagID, state: nil, limit: 20).map(\.runID)
        throw PerchError(
            .notFound, "the DAG '\(run.dagID)' has no run '\(run.runID.shown())'; there is \(Self.list(known))")
    }

    /// The instances of a task; none where it is mapped over something that is not known yet.
    func rows(of task: String, in run: TestRun, _ snapshot: Snapshot) throws -> [TaskInstanceRow] {
        let row = try row(of: run, in: snapshot)
        let tasks = try snapshot.definition(ofVersion: row.versionID).tasks.map(\.taskID)
        guard tasks.contains(task) else {
            throw PerchError(
                .notFound, "the DAG '\(run.dagID)' has no task '\(task.shown())'; there is \(Self.list(tasks))")
        }
        return try snapshot.taskInstances(runKey: row.runKey).filter { $0.key.taskID == task }
    }

    func instance(
        of task: String, in run: TestRun, mapIndex: Int?, _ snapshot: Snapshot
    ) throws -> TaskInstanceRow {
        let rows = try rows(of: task, in: run, snapshot)
        if let found = rows.first(where: { $0.key.mapIndex == mapIndex ?? -1 }) { return found }
        if rows.isEmpty { throw PerchError(.notFound, "the task '\(task)' has no instances yet") }
        guard let mapIndex else {
            throw PerchError(
                .invalid, "the task '\(task)' is mapped: say which of its \(rows.count) instances, with mapIndex:")
        }
        throw PerchError(
            .notFound,
            "the task '\(task)' has no instance \(mapIndex); there is \(Self.list(rows.map { "\($0.key.mapIndex)" }))")
    }

    func output(of task: String, in run: TestRun, mapIndex: Int?, _ snapshot: Snapshot) throws -> String {
        var rows = try rows(of: task, in: run, snapshot)
        let isWhole = mapIndex == nil && !rows.contains { $0.key.mapIndex == -1 }
        if !isWhole { rows = [try instance(of: task, in: run, mapIndex: mapIndex, snapshot)] }
        let texts = try rows.map { row in
            guard let output = row.output else {
                let why = row.message.map { ": \($0)" } ?? ""
                throw PerchError(
                    .notFound, "the task '\(task)' has no output; it is \(row.state.rawValue)\(why)")
            }
            return try simulation.outputs.value(of: output)
        }
        return isWhole ? JSONText.array(of: texts) : texts[0]
    }

    func task(_ row: TaskInstanceRow) throws -> TestTask {
        TestTask(
            taskID: row.key.taskID, mapIndex: row.key.mapIndex, state: row.state, tryNumber: row.tryNumber,
            dispatches: dispatchCount(row.key), message: row.message,
            output: try row.output.map { try JSONValue(parsing: simulation.outputs.value(of: $0)) },
            startDate: row.startDate, endDate: row.endDate)
    }

    private static func list(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.prefix(20).map { "'\($0)'" }.joined(separator: ", ")
    }
}
