// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// A DAG with what its current version says.
struct DAGView: Sendable {
    var row: DAGRow
    var definition: DAGDefinition

    init(_ row: DAGRow, _ snapshot: Snapshot) throws {
        self.row = row
        definition = try snapshot.definition(ofVersion: row.versionID)
    }

    static let resource = Resource<DAGView>(
        "DAG",
        [
            .text("dag_id", "Its id.") { $0.row.dagID },
            .text("description", "What it is for.") { $0.definition.description },
            .texts("tags", "Words by which it is found.") { $0.definition.tags },
            .textOrNull("timetable_summary", "Its schedule; null: none.") { $0.definition.schedule.summary },
            .flag("is_paused", "Whether it is paused: nothing of it is started.") { $0.row.isPaused },
            .flag("is_active", "Whether the current bundle has it.") { $0.row.isActive },
            .instantOrNull("next_dagrun_run_after", "When its next run is created by time.") { $0.row.nextRunAt },
            .instantOrNull("last_scheduled", "The logical date of its last scheduled run.") { $0.row.lastScheduled },
            .instantOrNull("start_date", "The first instant of its schedule.") { $0.definition.start },
            .instantOrNull("end_date", "The last instant of its schedule.") { $0.definition.end },
            .flag("catchup", "Whether runs that were missed are created.") { $0.definition.catchup },
            .count("max_active_runs", "How many of its runs are under way at a time.") { $0.definition.maxActiveRuns },
            .secondsOrNull("dag_run_timeout", "How long a run may be under way, in seconds.") {
                $0.definition.runTimeout
            },
            .map("params", "Values that a run has unless it is given others.") { .object($0.definition.params) },
            .count("task_count", "How many tasks it has.") { $0.definition.tasks.count },
            .count("version_number", "Which of its versions is current.") { $0.row.versionNumber },
            .text("bundle", "The bundle whose it is.") { $0.row.bundle },
            .text("bundle_version", "The bundle that described it.") { $0.row.bundleVersion },
        ])
}

/// A task of a DAG.
struct TaskView: Sendable {
    var definition: DAGDefinition
    var index: Int

    private var task: TaskDefinition { definition.tasks[index] }
    private func names(_ indexes: [Int]) -> [String] { indexes.map { definition.tasks[$0].taskID } }
    private var target: String? {
        if case .sensor(let sensor) = task.kind { sensor.trigger.target } else { nil }
    }
    private var downstream: [String] {
        definition.tasks.filter { $0.upstream.contains(index) }.map(\.taskID)
    }

    static let resource = Resource<TaskView>(
        "Task",
        [
            .text("task_id", "Its id.") { $0.task.taskID },
            .text("operator_name", "What does it.") { $0.task.kindName },
            .texts("upstream_task_ids", "What it comes after.") { $0.names($0.task.upstream) },
            .texts("downstream_task_ids", "What comes after it.") { $0.downstream },
            .textOrNull("mapped_over", "The task whose output it has an instance for each element of.") { view in
                view.task.mappedOver.map { view.definition.tasks[$0].taskID }
            },
            .text("trigger_rule", "When it runs, by how what is before it ended.") { $0.task.triggerRule.rawValue },
            .count("retries", "How often it is tried again.") { $0.task.retries },
            .text("pool", "The pool that it takes slots of.") { $0.task.pool },
            .count("pool_slots", "How many.") { $0.task.poolSlots },
            .integer("priority_weight", "Who has more goes first.") { Int64($0.task.priority) },
            .text("queue", "Which workers take it.") { $0.task.queue },
            .textOrNull("target", "What a sensor waits for.") { $0.target },
            .text("location", "Where it is declared.") { $0.task.location },
        ])
}

/// Which DAGs a list shows.
struct DAGSelection: Sendable {
    var isPaused: Bool?
    var isActive: Bool?
    /// What their ids have in them.
    var part: String?
    var isCaseIgnored = false
    var tag: String?

    /// In the order of their ids. Only where a tag is asked for are their definitions looked at.
    func rows(in snapshot: Snapshot) throws -> [DAGRow] {
        let wanted = part.map { isCaseIgnored ? $0.lowercased() : $0 }
        return try snapshot.dags().filter { row in
            guard (isPaused ?? row.isPaused) == row.isPaused, (isActive ?? row.isActive) == row.isActive,
                wanted.map({ (isCaseIgnored ? row.dagID.lowercased() : row.dagID).contains($0) }) ?? true
            else { return false }
            return try tag.map { try snapshot.definition(ofVersion: row.versionID).tags.contains($0) } ?? true
        }
    }
}

extension Endpoint {
    static let dags: [Endpoint] = [
        .list(
            "dags", "DAGs, by id.", of: DAGView.resource, as: "dags",
            [
                .flag("paused", "Only those that are paused, or are not."),
                .flag("active", "Only those that the current bundle has, or has not."),
                .text("tag", "Only those with this tag."),
                .text("dag_id_contains", "Only those whose id has this in it."),
            ]
        ) { call in
            try await call.read { snapshot in
                let rows = try DAGSelection(
                    isPaused: call.flag("paused"), isActive: call.flag("active"), part: call.text("dag_id_contains"),
                    tag: call.text("tag")
                ).rows(in: snapshot).filter { call.sees($0.dagID) }
                return try Page(of: rows, call) { $0.dagID }.map { try DAGView($0, snapshot) }
            }
        }.ofSome,
        .one("dags/{dag_id}", "One DAG.", of: DAGView.resource) { call in
            try await call.read { try DAGView($0.knownDAG(call.name("dag_id")), $0) }
        },
        .change(
            .patch, "dags/{dag_id}", .user, "Pauses a DAG, or lets it go on.", of: DAGView.resource,
            body: [Schema.Field(name: "is_paused", schema: .flag, about: "Whether it is to be paused.")]
        ) { call in
            let isPaused = call.body.flag("is_paused") ?? false
            return try await call.write { transaction in
                try DAGView(transaction.pause(call.name("dag_id"), isPaused), transaction)
            }
        },
        .list(
            "dags/{dag_id}/tasks", "The tasks of a DAG, in an order in which they can run.", of: TaskView.resource,
            as: "tasks"
        ) {
            call in
            try await call.read { snapshot in
                let row = try snapshot.knownDAG(call.name("dag_id"))
                let definition = try snapshot.definition(ofVersion: row.versionID)
                let last = try call.placeNumber() ?? -1
                let rest = definition.tasks.indices.lazy.filter { Int64($0) > last }.prefix(call.limit + 1)
                let tasks = rest.map { TaskView(definition: definition, index: $0) }
                return Page(Array(tasks), limit: call.limit) { [.integer(Int64($0.index))] }
            }
        },
    ]
}
