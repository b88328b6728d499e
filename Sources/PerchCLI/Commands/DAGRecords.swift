// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// DAGs and their tasks as commands show them.
enum DAGRecords {
    static func summary(_ row: DAGRow, _ definition: DAGDefinition) -> Record {
        [
            "dag_id": .text(row.dagID),
            "bundle": .text(row.bundle),
            "schedule": .text(definition.schedule.summary),
            "is_paused": .flag(row.isPaused),
            "is_active": .flag(row.isActive),
            "next_run_at": .instant(row.nextRunAt),
            "last_scheduled": .instant(row.lastScheduled),
            "tasks": .number(definition.tasks.count),
            "version": .number(row.versionNumber),
        ]
    }

    static func details(_ row: DAGRow, _ definition: DAGDefinition) -> Record {
        [
            "dag_id": .text(row.dagID),
            "description": .text(definition.description),
            "tags": .list(definition.tags.map { .text($0) }),
            "schedule": .text(definition.schedule.summary),
            "time_zone": .text(timeZone(definition.schedule)),
            "calendar": .value(definition.calendar?.json ?? .null),
            "jitter": .seconds(definition.jitter),
            "start": .instant(definition.start),
            "end": .instant(definition.end),
            "catchup": .flag(definition.catchup),
            "max_active_runs": .number(definition.maxActiveRuns),
            "run_timeout": .seconds(definition.runTimeout),
            "params": .value(.object(definition.params)),
            "params_schema": .value(definition.paramsSchema),
            "is_paused": .flag(row.isPaused),
            "is_active": .flag(row.isActive),
            "next_run_at": .instant(row.nextRunAt),
            "last_scheduled": .instant(row.lastScheduled),
            "version": .number(row.versionNumber),
            "bundle": .text(row.bundle),
            "bundle_version": .text(row.bundleVersion),
            "tasks": .list(definition.tasks.map { .record(task($0, of: definition)) }),
        ]
    }

    static func task(_ task: TaskDefinition, of definition: DAGDefinition) -> Record {
        let names = { (indexes: [Int]) in Document.list(indexes.map { .text(definition.tasks[$0].taskID) }) }
        var target: String?
        if case .sensor(let sensor) = task.kind { target = sensor.trigger.target }
        return [
            "task_id": .text(task.taskID),
            "operator": .text(task.kindName),
            "upstream": names(task.upstream),
            "mapped_over": .text(task.mappedOver.map { definition.tasks[$0].taskID }),
            "trigger_rule": .text(task.triggerRule.rawValue),
            "retries": .number(task.retries),
            "pool": .text(task.pool),
            "target": .text(target),
            "location": .text(task.location),
        ]
    }

    private static func timeZone(_ schedule: ScheduleDefinition) -> String? {
        switch schedule {
        case .cron(_, let zone): zone
        case .events(let events): events.ticks?.timeZone
        case .none, .once, .continuous, .every, .timetable: nil
        }
    }
}
