// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A task instance with what its task says.
struct TaskInstanceView: Sendable {
    var row: TaskInstanceRow
    var task: TaskDefinition

    static let resource = Resource<TaskInstanceView>(
        "TaskInstance",
        [
            .text("id", "Unique for ever.") { "\($0.row.taskInstanceID)" },
            .text("task_id", "The task's id.") { $0.row.key.taskID },
            .text("dag_id", "The DAG's id.") { $0.row.key.dagID },
            .text("dag_run_id", "The run's id.") { $0.row.key.runID },
            .integer("map_index", "Which instance of a mapped task it is; -1: it is not mapped.") {
                Int64($0.row.key.mapIndex)
            },
            .choice("state", TaskState.allCases.map(\.rawValue), "How it stands.") { $0.row.state.rawValue },
            .count("try_number", "Which try it is at; 0 before the first.") { $0.row.tryNumber },
            .count("max_tries", "How often it is tried again.") { $0.task.retries },
            .instantOrNull("queued_when", "When it was queued last.") { $0.row.queuedAt },
            .instantOrNull("start_date", "When it began.") { $0.row.startDate },
            .instantOrNull("end_date", "When it ended.") { $0.row.endDate },
            .secondsOrNull("duration", "How long it took, in seconds; null until it has ended.") { view in
                view.row.startDate.flatMap { start in view.row.endDate.map { $0 - start } }
            },
            .instantOrNull("next_try_at", "When it is tried again that failed.") { $0.row.retryAt },
            .textOrNull("message", "Why it failed or was cancelled.") { $0.row.message },
            .text("operator_name", "What does it.") { $0.task.kindName },
            .text("pool", "The pool that it takes slots of.") { $0.task.pool },
            .count("pool_slots", "How many.") { $0.task.poolSlots },
            .integer("priority_weight", "Who has more goes first.") { Int64($0.task.priority) },
            .text("queue", "Which workers take it.") { $0.task.queue },
        ])
}

/// What a task gave to those after it.
struct Output: Sendable {
    var row: TaskInstanceRow
    var run: RunRow
    var value: JSONValue

    static let key = "return_value"
    /// Longer ones are not given over the API.
    static let most = 8 << 20

    static let resource = Resource<Output>(
        "XCom",
        [
            .text("key", "Its name: return_value.") { _ in Output.key },
            .text("dag_id", "The DAG's id.") { $0.row.key.dagID },
            .text("dag_run_id", "The run's id.") { $0.row.key.runID },
            .text("task_id", "The task's id.") { $0.row.key.taskID },
            .integer("map_index", "Which instance of a mapped task it is of.") { Int64($0.row.key.mapIndex) },
            .instant("logical_date", "That of the run.") { $0.run.logicalDate },
            .instantOrNull("timestamp", "When it was given.") { $0.row.endDate },
            .any("value", "The value.") { $0.value },
        ])

    init(_ call: RESTCall, _ snapshot: Snapshot) throws {
        (run, row, _) = try snapshot.knownInstance(of: call)
        guard row.state == .success, let stored = row.output else {
            throw PerchError(
                .notFound, "'\(row.key.taskID)' of the run '\(run.runID)' has no output: it is \(row.state.rawValue)")
        }
        let text = try snapshot.value(ofOutput: stored)
        guard text.utf8.count <= Self.most else {
            throw Refusal(
                .contentTooLarge, "too_large",
                "the output has \(text.utf8.count) bytes; the API gives those of up to \(Self.most)")
        }
        value = try JSONValue(parsingEnvelope: text)
    }
}

extension Endpoint {
    private static let place = "dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"

    static let taskInstances: [Endpoint] = [
        .list(
            place, "The task instances of a run, in the order of its tasks.", of: TaskInstanceView.resource,
            as: "task_instances",
            [
                .choice("state", TaskState.allCases.map(\.rawValue), "Only those in this state."),
                .text("task_id", "Only those of this task."),
            ]
        ) { call in
            try await call.read { snapshot in
                let run = try snapshot.knownRun(of: call)
                let tasks = try snapshot.definition(ofVersion: run.versionID).tasks
                if let taskID = call.text("task_id") { _ = try snapshot.knownTask(taskID, of: run) }
                var after: (taskIndex: Int, mapIndex: Int)?
                if let place = try call.place {
                    guard case .integer(let task)? = place.first, case .integer(let map)? = place.last, place.count == 2
                    else { throw Cursor.refusal }
                    after = (Int(task), Int(map))
                }
                let rows = try snapshot.taskInstances(
                    of: run, taskID: call.text("task_id"), state: call.text("state").flatMap(TaskState.init(rawValue:)),
                    after: after, limit: call.limit + 1)
                return Page(rows, limit: call.limit) {
                    [.integer(Int64($0.taskIndex)), .integer(Int64($0.key.mapIndex))]
                }
                .map { TaskInstanceView(row: $0, task: tasks[$0.taskIndex]) }
            }
        },
        .one("\(place)/{task_id}", "One task instance.", of: TaskInstanceView.resource, [.mapIndex]) { call in
            try await call.read { snapshot in
                let (_, row, task) = try snapshot.knownInstance(of: call)
                return TaskInstanceView(row: row, task: task)
            }
        },
        .one(
            "\(place)/{task_id}/xcomEntries/{xcom_key}", "What a task gave to those after it, by the key return_value.",
            of: Output.resource, [.mapIndex]
        ) { call in
            try await call.read { snapshot in
                let output = try Output(call, snapshot)
                let key = call.name("xcom_key")
                guard key == Output.key else {
                    throw PerchError(.notFound, "a task gives one thing, '\(Output.key)', and nothing '\(key.shown())'")
                }
                return output
            }
        },
        .list(
            "\(place)/{task_id}/journal", "The steps and waits of a try, in the order in which they were recorded.",
            of: JournalEntry.resource, as: "entries",
            [
                .mapIndex,
                Parameter(
                    name: "try_number", schema: .integer(1...Int64(Int32.max)), about: "Which try; else the latest."),
            ]
        ) { call in
            try await call.read { snapshot in
                let row = try snapshot.knownInstance(of: call).instance
                let page = try snapshot.journal(
                    taskInstanceID: row.taskInstanceID,
                    tryNumber: Int(call.integer("try_number") ?? Int64(row.tryNumber)),
                    after: min(try call.placeNumber() ?? -1, Int64(Int32.max)), limit: call.limit,
                    bytes: Page<JournalEntry>.mostBytes)
                return Page(page.entries, hasMore: page.hasMore) { [.integer(Int64($0.position))] }
            }
        },
        .list(
            "\(place)/{task_id}/logs/{try_number}", "The log of a try, line by line.", of: LogLineView.resource,
            as: "content", [.mapIndex]
        ) { call in
            let key = try await call.read { try $0.knownInstance(of: call).instance }
            guard let tryNumber = Int(call.name("try_number")), (1...max(1, key.tryNumber)).contains(tryNumber) else {
                throw PerchError(
                    .notFound,
                    "'\(key.key.taskID)' has no try '\(call.name("try_number").shown(40))'; its latest is \(key.tryNumber)"
                )
            }
            let place = try call.logPlace()
            let page = try await call.surroundings.log(key.key, tryNumber, .behind(place), call.limit)
            guard let page else {
                throw PerchError(.notFound, "the try \(tryNumber) has no log: it is \(key.state.rawValue)")
            }
            return Page(lines: page, after: place)
        },
    ]
}

extension JournalEntry {
    static let resource = Resource<JournalEntry>(
        "JournalEntry",
        [
            .text("key", "Its name in the try.") { $0.key },
            .choice("kind", ["step", "wait"], "What it records.") { $0.kind.rawValue },
            .count("position", "Its place in the order of recording.") { $0.position },
            .any("payload", "What a step gave; what a wait is for.") { JournalEntry.value(of: $0.payload) },
            .any("outcome", "How a wait ended; null while it waits, and for steps.") { entry in
                entry.outcome.map { JournalEntry.value(of: $0) } ?? .null
            },
            .instant("recorded_at", "When it was recorded.") { $0.recordedAt },
            .instantOrNull("fired_at", "When the end of a wait was recorded.") { $0.firedAt },
            .flag("is_kept", "Whether a retry inherits the step.") { $0.isKept },
        ])

    fileprivate static func value(of text: String) -> JSONValue {
        (try? JSONValue(parsingEnvelope: text)) ?? .string(text)  // because what is no JSON is shown as it stands
    }
}

/// A line of a log, taken apart.
struct LogLineView: Sendable {
    var timestamp: Timestamp?
    var level: String?
    var message: String

    static let resource = Resource<LogLineView>(
        "LogLine",
        [
            .instantOrNull("timestamp", "When it was said.") { $0.timestamp },
            .textOrNull("level", "debug, info, warning or error.") { $0.level },
            .text("message", "What was said.") { $0.message },
        ])
}

extension Page<LogLineView> {
    fileprivate init(lines page: APISurroundings.LogPage, after place: APISurroundings.LogPlace) {
        rows = page.lines.map { line in
            let parts = AttemptLogText(line)
            return LogLineView(timestamp: parts.timestamp, level: parts.level?.rawValue, message: parts.message)
        }
        let next = page.next ?? APISurroundings.LogPlace(line: place.line + page.lines.count)
        self.next = page.hasMore ? [.integer(Int64(next.line))] + (next.byte.map { [.integer($0)] } ?? []) : nil
    }
}

extension RESTCall {
    /// Where a page of a log begins.
    fileprivate func logPlace() throws(Refusal) -> APISurroundings.LogPlace {
        guard let place = try place else { return APISurroundings.LogPlace(line: 0) }
        guard case .integer(let line)? = place.first, line >= 0, place.count <= 2 else { throw Cursor.refusal }
        guard place.count == 2 else { return APISurroundings.LogPlace(line: Int(line)) }
        guard case .integer(let byte) = place[1], byte >= 0 else { throw Cursor.refusal }
        return APISurroundings.LogPlace(line: Int(line), byte: byte)
    }
}
