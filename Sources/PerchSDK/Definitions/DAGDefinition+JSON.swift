// SPDX-License-Identifier: Apache-2.0

extension DAGDefinition: JSONConvertible {
    /// `{"dag_id": …, "schedule": …, "tasks": […]}`, and every field that is not its default. Instants are microseconds since
    /// 1970, UTC.
    public var json: JSONValue {
        let standard = DAGDefinition(dagID: dagID)
        var members: [String: JSONValue] = [
            "dag_id": .string(dagID), "schedule": schedule.json, "tasks": .array(tasks.map(\.json)),
        ]
        if !description.isEmpty { members["description"] = .string(description) }
        if !tags.isEmpty { members["tags"] = .array(tags.map { .string($0) }) }
        if let start { members["start"] = .integer(start.microseconds) }
        if let end { members["end"] = .integer(end.microseconds) }
        if catchup { members["catchup"] = .bool(true) }
        if maxActiveRuns != standard.maxActiveRuns { members["max_active_runs"] = .integer(Int64(maxActiveRuns)) }
        if !params.isEmpty { members["params"] = .object(params) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let named = try JSONFields(json, of: "a DAG")
        let dagID = try named.string("dag_id")
        let fields = try JSONFields(json, of: "the DAG '\(dagID)'")
        self.init(dagID: dagID)
        schedule = try ScheduleDefinition(json: fields.members["schedule"] ?? "none")
        description = try fields.string("description", default: "")
        for tag in try fields.array("tags") {
            guard case .string(let text) = tag else { throw fields.fault("tags", "an array of strings") }
            tags.append(text)
        }
        start = try fields.optionalTime("start")
        end = try fields.optionalTime("end")
        catchup = try fields.bool("catchup", default: false)
        maxActiveRuns = try fields.int("max_active_runs", default: maxActiveRuns)
        if let given = fields.members["params"] {
            guard case .object(let params) = given else { throw fields.fault("params", "an object") }
            self.params = params
        }
        let elements = try fields.array("tasks")
        tasks.reserveCapacity(elements.count)
        for element in elements { tasks.append(try TaskDefinition(json: element)) }
        try checkOrder()
    }

    /// What the engine relies on: a bundle in another language may get it wrong.
    private func checkOrder() throws(PerchError) {
        for (index, task) in tasks.enumerated() {
            let known = task.upstream + task.inputs + (task.mappedOver.map { [$0] } ?? [])
            guard known.allSatisfy({ $0 >= 0 && $0 < index }) else {
                throw PerchError(
                    .invalid,
                    "the DAG '\(dagID)': the task '\(task.taskID)' names an upstream that does not stand before it")
            }
        }
    }
}

extension ScheduleDefinition: JSONConvertible {
    /// `"none"`, `"once"`, `"continuous"` or `{"cron": …, "time_zone": …}`.
    public var json: JSONValue {
        switch self {
        case .none: "none"
        case .once: "once"
        case .continuous: "continuous"
        case .cron(let expression, let timeZone):
            .object(["cron": .string(expression), "time_zone": .string(timeZone)])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        switch json {
        case "none": self = .none
        case "once": self = .once
        case "continuous": self = .continuous
        default:
            let fields = try JSONFields(json, of: "a schedule")
            self = .cron(
                expression: try fields.string("cron"), timeZone: try fields.string("time_zone", default: "UTC"))
        }
    }
}
