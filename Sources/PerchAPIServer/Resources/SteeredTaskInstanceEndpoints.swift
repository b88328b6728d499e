// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A task instance that is run again, or that was given another state.
private struct Changed: Sendable {
    var instances: [TaskInstanceKey]
    /// Why tasks were left out.
    var notes: [String] = []

    static let resource = Resource<Changed>(
        "ChangedTaskInstances",
        [
            .list("task_instances", of: key, "What is changed.") { $0.instances },
            .texts("notes", "Why tasks were left out.") { $0.notes },
        ])

    private static let key = Resource<TaskInstanceKey>(
        "TaskInstanceKey",
        [
            .text("dag_id", "The DAG's id.") { $0.dagID },
            .text("dag_run_id", "The run's id.") { $0.runID },
            .text("task_id", "The task's id.") { $0.taskID },
            .integer("map_index", "Which instance of a mapped task it is; -1: it is not mapped.") {
                Int64($0.mapIndex)
            },
        ])
}

/// What is to be cleared of a run.
private struct Clearing: Sendable {
    var runID: String
    /// Empty: every task.
    var taskIDs: [String]
    var mapIndex: Int?
    var downstream: Bool
    var onlyFailed: Bool
    var isDry: Bool

    static let fields: [Schema.Field] = [
        Schema.Field(name: "dag_run_id", schema: .formed(.runID), about: "The run."),
        Schema.Field(
            name: "task_ids", schema: .list(.text, most: 1_000), about: "Only these tasks; else every task of the run.",
            isRequired: false),
        Schema.Field(
            name: "map_index", schema: .optional(.integer(0...Int64(Int32.max))),
            about: "Only this instance of one mapped task.", isRequired: false),
        Schema.Field(
            name: "include_downstream", schema: .flag,
            about: "Also what comes after the tasks; false if nothing is said.",
            isRequired: false),
        Schema.Field(
            name: "only_failed", schema: .flag,
            about: "Only what failed, or could not run because of a failure; true if nothing is said.",
            isRequired: false),
        Schema.Field(
            name: "dry_run", schema: .flag, about: "Only tell what would be cleared; true if nothing is said.",
            isRequired: false),
    ]

    /// What asks for tasks to be named.
    static let rules: [String: JSONValue] = [
        "allOf": [
            [
                "if": ["required": ["map_index"], "properties": ["map_index": ["type": "integer"]]],
                "then": ["required": ["task_ids"], "properties": ["task_ids": ["minItems": 1, "maxItems": 1]]],
            ],
            [
                "if": ["required": ["include_downstream"], "properties": ["include_downstream": ["const": true]]],
                "then": ["required": ["task_ids"], "properties": ["task_ids": ["minItems": 1]]],
            ],
        ]
    ]

    init(_ body: JSONValue) throws(Refusal) {
        runID = body.text("dag_run_id") ?? ""
        taskIDs = (body.list("task_ids") ?? []).compactMap { if case .string(let text) = $0 { text } else { nil } }
        mapIndex = body.integer("map_index").map { Int($0) }
        downstream = body.flag("include_downstream") ?? false
        onlyFailed = body.flag("only_failed") ?? true
        isDry = body.flag("dry_run") ?? true
        if mapIndex != nil, taskIDs.count != 1 {
            throw .field("/map_index", "'map_index' is of one task: name it, and no other, in 'task_ids'")
        }
        if downstream, taskIDs.isEmpty {
            throw .field("/include_downstream", "'include_downstream' is of tasks: name them in 'task_ids'")
        }
    }

    /// Ends the transaction of a dry run without a trace, with what it did.
    struct TakenBack: Error {
        var changed: Changed
    }

    func perform(on dagID: String, by person: String, in transaction: Transaction) throws -> Changed {
        _ = try transaction.knownDAG(dagID)
        guard let run = try transaction.run(dagID: dagID, runID: runID) else {
            throw PerchError(.notFound, "the DAG '\(dagID)' has no run '\(runID.shown())'")
        }
        var changed = Changed(instances: [])
        var seen: Set<TaskInstanceKey> = []
        for taskID in taskIDs.isEmpty ? [nil] : taskIDs.map(Optional.some) {
            if let taskID { _ = try transaction.knownTask(taskID, of: run) }
            let cleared = try transaction.clear(
                dagID: dagID, runID: runID, taskID: taskID, mapIndex: mapIndex, downstream: downstream,
                onlyFailed: onlyFailed, by: person)
            changed.instances += cleared.filter { seen.insert($0).inserted }
        }
        if taskIDs.isEmpty || downstream { changed.notes = try transaction.departures(from: run).map(\.sentence) }
        if isDry { throw TakenBack(changed: changed) }
        return changed
    }
}

extension Endpoint {
    static let steeredTaskInstances: [Endpoint] = [
        .change(
            .post, "dags/{dag_id}/clearTaskInstances", .operate,
            "Has tasks of a run run again; or, as long as dry_run is not false, tells which.", of: Changed.resource,
            body: Clearing.fields
        ) { call in
            let clearing = try Clearing(call.body)
            do {
                return try await call.write {
                    try clearing.perform(on: call.name("dag_id"), by: call.caller.name, in: $0)
                }
            } catch let taken as Clearing.TakenBack {
                return taken.changed
            }
        }.ruled(Clearing.rules),
        .change(
            .patch, "dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}", .operate,
            "Gives a task the state that somebody says it has, without running it.", of: Changed.resource,
            body: [
                Schema.Field(
                    name: "new_state", schema: .choice(["success", "failed", "skipped"]), about: "The state.")
            ],
            [
                Parameter(
                    name: "map_index", schema: .integer(0...Int64(Int32.max)),
                    about: "Only this instance of a mapped task; else all of them.")
            ]
        ) { call in
            try await call.write { transaction in
                let run = try transaction.knownRun(of: call)
                _ = try transaction.knownTask(call.name("task_id"), of: run)
                let state = call.body.text("new_state").flatMap(TaskState.init(rawValue:)) ?? .success
                let marked = try transaction.mark(
                    dagID: run.dagID, runID: run.runID, taskID: call.name("task_id"),
                    mapIndex: call.integer("map_index").map { Int($0) }, as: state, by: call.caller.name)
                return Changed(instances: marked)
            }
        },
    ]
}
