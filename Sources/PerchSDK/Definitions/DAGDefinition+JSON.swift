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
        if let calendar { members["calendar"] = calendar.json }
        if let jitter { members["jitter"] = .integer(jitter.microseconds) }
        if let start { members["start"] = .integer(start.microseconds) }
        if let end { members["end"] = .integer(end.microseconds) }
        if catchup { members["catchup"] = .bool(true) }
        if maxActiveRuns != standard.maxActiveRuns { members["max_active_runs"] = .integer(Int64(maxActiveRuns)) }
        if let runTimeout { members["run_timeout"] = .integer(runTimeout.microseconds) }
        if !params.isEmpty { members["params"] = .object(params) }
        if !paramSchemas.isEmpty { members["param_schemas"] = .object(paramSchemas.mapValues(\.json)) }
        if versioning != standard.versioning { members["versioning"] = .string(versioning.rawValue) }
        if isTest { members["is_test"] = .bool(true) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let named = try JSONFields(json, of: "a DAG")
        let dagID = try named.string("dag_id")
        let fields = try JSONFields(json, of: "the DAG '\(dagID.shown())'")
        self.init(dagID: dagID)
        schedule = try ScheduleDefinition(json: fields.members["schedule"] ?? "none")
        description = try fields.string("description", default: "")
        for tag in try fields.array("tags") {
            guard case .string(let text) = tag else { throw fields.fault("tags", "an array of strings") }
            tags.append(text)
        }
        calendar = try fields.members["calendar"].map { json throws(PerchError) in try DayCalendar(json: json) }
        jitter = try fields.optionalSpan("jitter")
        start = try fields.optionalTime("start")
        end = try fields.optionalTime("end")
        catchup = try fields.bool("catchup", default: false)
        maxActiveRuns = try fields.int("max_active_runs", default: maxActiveRuns)
        runTimeout = try fields.optionalSpan("run_timeout")
        if let given = fields.members["params"] {
            guard case .object(let params) = given else { throw fields.fault("params", "an object") }
            self.params = params
        }
        if let given = fields.members["param_schemas"] {
            guard case .object(let schemas) = given else { throw fields.fault("param_schemas", "an object") }
            for (name, schema) in schemas { paramSchemas[name] = try ParamSchema(json: schema) }
        }
        let version = try fields.string("versioning", default: self.versioning.rawValue)
        guard let versioning = DAGVersioning(rawValue: version) else {
            throw fields.fault("versioning", "current or pinned")
        }
        self.versioning = versioning
        isTest = try fields.bool("is_test", default: false)
        let elements = try fields.array("tasks")
        tasks.reserveCapacity(elements.count)
        for element in elements { tasks.append(try TaskDefinition(json: element)) }
        try check()
    }

    /// What the engine relies on: a bundle in another language may get it wrong.
    private func check() throws(PerchError) {
        if let problem = IDRule.problem(of: dagID, what: "DAG id") { throw PerchError(.invalid, problem) }
        guard maxActiveRuns >= 1 else {
            throw PerchError(
                .invalid, "the DAG '\(dagID)': 'max_active_runs' is \(maxActiveRuns); it is a number from 1")
        }
        if let runTimeout, runTimeout.microseconds <= 0 {
            throw PerchError(.invalid, "the DAG '\(dagID)': 'run_timeout' is \(runTimeout); it is a duration above 0")
        }
        if let jitter, jitter.microseconds < 0 {
            throw PerchError(.invalid, "the DAG '\(dagID)': 'jitter' is \(jitter); it is a duration from 0")
        }
        if let problem = paramProblems.first?.message ?? calendar?.problem {
            throw PerchError(.invalid, "the DAG '\(dagID)': \(problem)")
        }
        var known: Set<String> = []
        for (index, task) in tasks.enumerated() {
            var problem = task.problem
            if !known.insert(task.taskID).inserted { problem = "its id stands twice" }
            let order = zip(task.upstream, task.upstream.dropFirst())
            if !task.upstream.allSatisfy({ $0 >= 0 && $0 < index }) {
                problem = "it names an upstream that does not stand before it"
            } else if !order.allSatisfy(<) {
                problem = "its upstream is not in ascending order, each once"
            } else if !task.inputs.allSatisfy(task.upstream.contains)
                || !(task.alignedWith.isEmpty ? [task.mappedOver].compactMap(\.self) : []).allSatisfy(
                    task.upstream.contains)
            {
                problem = "'inputs' and 'mapped_over' are upstream too"
            } else if let wrong = task.flowProblem(in: tasks) {
                problem = wrong
            }
            if let problem {
                throw PerchError(.invalid, "the DAG '\(dagID)': the task '\(task.taskID.shown())': \(problem)")
            }
        }
    }
}

extension TaskDefinition {
    /// What is wrong with the values themselves; the same as for tasks that are declared.
    fileprivate var problem: String? {
        if let problem = IDRule.problem(of: taskID, what: "task id") { return problem }
        if retries < 0 { return "'retries' is \(retries); it is a number from 0" }
        if let problem = Self.problem(ofPool: pool) { return problem }
        if let problem = limits.lazy.compactMap(\.problem).first { return problem }
        if poolSlots < 1 { return "'pool_slots' is \(poolSlots); it is a number from 1" }
        let spans = [
            ("retry_delay", retryDelay), ("max_retry_delay", maxRetryDelay), ("kill_timeout", killTimeout),
        ]
        for (name, span) in spans where span.microseconds < 0 { return "'\(name)' is \(span); it is a duration from 0" }
        var limits = [("execution_timeout", executionTimeout), ("task_timeout", taskTimeout)]
        if case .sensor(let sensor) = kind { limits.append(("timeout", sensor.timeout)) }
        for (name, limit) in limits {
            if let limit, limit.microseconds <= 0 { return "'\(name)' is \(limit); it is a duration above 0" }
        }
        return nil
    }
}

extension ScheduleDefinition: JSONConvertible {
    /// Runs are not created by the millisecond.
    static let shortest = TimeSpan.seconds(1)

    /// `"none"`, `"once"`, `"continuous"`, `{"cron": …, "time_zone": …}`, `{"every": …}` in microseconds,
    /// `{"timetable": …}` in words, or `{"events": [{"name": …}]}`
    /// (see `EventSchedule`).
    public var json: JSONValue {
        switch self {
        case .none: "none"
        case .once: "once"
        case .continuous: "continuous"
        case .cron(let expression, let timeZone):
            .object(["cron": .string(expression), "time_zone": .string(timeZone)])
        case .every(let span): .object(["every": .integer(span.microseconds)])
        case .timetable(let summary): .object(["timetable": .string(summary)])
        case .events(let events): events.json
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
            guard fields.value("events") == nil else {
                self = .events(try EventSchedule(json: json))
                return
            }
            if let summary = try fields.optionalString("timetable") {
                self = .timetable(summary)
                return
            }
            if let span = try fields.optionalSpan("every") {
                guard span >= Self.shortest else { throw fields.fault("every", "a second or more, in microseconds") }
                self = .every(span)
                return
            }
            self = .cron(
                expression: try fields.string("cron"), timeZone: try fields.string("time_zone", default: "UTC"))
        }
    }
}
