// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchExecutor
internal import PerchMetastore
public import PerchSDK
internal import PerchSimulation

extension DAGTester {
    /// The runs of a DAG, the oldest first: those that schedules and events have created, too.
    public func runs(of dagID: String) async throws -> [TestRun] {
        try await perform { world in
            try world.requireDAG(dagID)
            return try world.read { try $0.runs(dagID: dagID, state: nil, limit: .max) }.reversed()
                .map { TestRun(dagID: $0.dagID, runID: $0.runID) }
        }
    }

    /// The state of a run.
    public func state(of run: TestRun) async throws -> RunState {
        try await perform { world in try world.read { try world.row(of: run, in: $0).state } }
    }

    /// The state of a task; of a mapped one, of the instance with an index.
    public func state(of task: String, in run: TestRun, mapIndex: Int? = nil) async throws -> TaskState {
        try await self.task(task, in: run, mapIndex: mapIndex).state
    }

    /// The states of the tasks that are not mapped, by id; of mapped instances as `task[0]`, `task[1]`, ….
    public func states(of run: TestRun) async throws -> [String: TaskState] {
        try await tasks(of: run).reduce(into: [:]) { states, task in
            states[task.mapIndex >= 0 ? "\(task.taskID)[\(task.mapIndex)]" : task.taskID] = task.state
        }
    }

    /// The instances of a run, in the order of its tasks.
    public func tasks(of run: TestRun) async throws -> [TestTask] {
        try await perform { world in
            try world.read { snapshot in
                try snapshot.taskInstances(runKey: world.row(of: run, in: snapshot).runKey).map(world.task)
            }
        }
    }

    /// One task as it stands: its state, tries, dispatches, message and output.
    public func task(_ task: String, in run: TestRun, mapIndex: Int? = nil) async throws -> TestTask {
        try await perform { world in
            try world.read { try world.task(world.instance(of: task, in: run, mapIndex: mapIndex, $0)) }
        }
    }

    /// The output of a task. Of a mapped task without an index, the array of its instances' outputs.
    public func output<Output: Decodable & Sendable>(
        of task: String, as type: Output.Type = Output.self, in run: TestRun, mapIndex: Int? = nil
    ) async throws -> Output {
        let text = try await perform { world in
            try world.read { try world.output(of: task, in: run, mapIndex: mapIndex, $0) }
        }
        do {
            return try JSONText.decode(type, from: text)
        } catch {
            throw PerchError(
                .invalid, "the output of '\(task)' is no \(type); it is \(text.shown(200))", cause: error)
        }
    }

    /// The journal of a try, in the order in which it was recorded: steps, and waits with their outcomes.
    ///
    /// - Parameter tryNumber: Nil: the latest.
    public func journal(
        of task: String, in run: TestRun, mapIndex: Int? = nil, tryNumber: Int? = nil
    ) async throws -> [TestJournalEntry] {
        try await perform { world in
            try world.read { snapshot in
                let row = try world.instance(of: task, in: run, mapIndex: mapIndex, snapshot)
                return try snapshot.journal(
                    taskInstanceID: row.taskInstanceID, tryNumber: tryNumber ?? row.tryNumber
                ).map { try TestJournalEntry($0) }
            }
        }
    }

    /// What is waited for now, in the order in which the waits began.
    public func waits() async throws -> [TestWait] {
        try await perform { world in
            var filter = WaitFilter()
            filter.limit = .max
            return try world.read { [filter] in try $0.waits(filter) }.map { row in
                TestWait(
                    run: TestRun(dagID: row.key.dagID, runID: row.key.runID), taskID: row.key.taskID,
                    mapIndex: row.key.mapIndex, kind: row.kind, target: row.target, since: row.since, due: row.due,
                    deadline: row.deadline, isSensor: row.isSensor)
            }
        }
    }

    /// The log of a try.
    ///
    /// - Parameter tryNumber: Nil: the latest.
    public func log(
        of task: String, in run: TestRun, mapIndex: Int? = nil, tryNumber: Int? = nil
    ) async throws -> [TestLogLine] {
        try await perform { world in
            let row = try world.read { try world.instance(of: task, in: run, mapIndex: mapIndex, $0) }
            let number = tryNumber ?? row.tryNumber
            let said = world.simulation.attemptLog.lines(of: row.key, tryNumber: number)
            let lines =
                try said.isEmpty
                ? world.read {
                    try AttemptPast.lines($0.journal(taskInstanceID: row.taskInstanceID, tryNumber: number))
                }
                : said
            return
                lines
                .map { TestLogLine(at: $0.at, level: $0.level, message: $0.message) }
        }
    }
}

extension TestJournalEntry {
    fileprivate init(_ entry: JournalEntry) throws {
        let payload = try JSONValue(parsing: entry.payload)
        key = entry.key
        recordedAt = entry.recordedAt
        firedAt = entry.firedAt
        switch entry.kind {
        case .step: record = .step(payload)
        case .wait:
            let trigger = try TriggerSpec(json: payload)
            let outcome = try entry.outcome.map { try TestWaitOutcome(WaitOutcome(json: JSONValue(parsing: $0))) }
            record = .wait(kind: trigger.kind, target: trigger.target, outcome: outcome)
        }
    }
}

extension TestWaitOutcome {
    fileprivate init(_ outcome: WaitOutcome) {
        switch outcome {
        case .event(let payload): self = .event(payload)
        case .timeout: self = .timeout
        case .cancelled: self = .cancelled
        case .broken(let message): self = .broken(message)
        }
    }
}
