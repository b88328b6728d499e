// SPDX-License-Identifier: Apache-2.0

/// What a wait for a run, or for a task of one, is about, and how it is found when that has ended. The metastore reads it:
/// such a wait is an edge there, and nothing probes for it.
package struct RunAim: Hashable, Sendable {
    package static let kind = "run"

    package var dagID: String
    /// Nil: the run as a whole.
    package var taskID: String?
    /// Nil: of a mapped task all instances.
    package var mapIndex: Int?
    package var selection: RunSelection
    /// The states that are waited for, in the order of their names.
    package var allowed: [TaskState]
    /// The states in which the wait is given up, in the order of their names.
    package var failing: [TaskState]
    /// Whether the event carries what the task gave.
    package var givesOutput = false

    package init(
        dagID: String, taskID: String? = nil, mapIndex: Int? = nil, selection: RunSelection = .sameDate,
        allowed: Set<TaskState> = [.success], failing: Set<TaskState>? = nil
    ) {
        self.dagID = dagID
        self.taskID = taskID
        self.mapIndex = mapIndex
        self.selection = selection
        let failures: Set<TaskState> = taskID == nil ? [.failed] : [.failed, .upstreamFailed]
        self.allowed = allowed.sorted { $0.rawValue < $1.rawValue }
        self.failing = (failing ?? failures.subtracting(allowed)).sorted { $0.rawValue < $1.rawValue }
    }

    /// What the end of a run or task in this state means for the wait; nil: nothing, it goes on.
    package func verdict(of end: RunEvent) -> (isAllowed: Bool, sentence: String)? {
        let what = end.taskID.map { id in "the task '\(id + (end.mapIndex.map { "[\($0)]" } ?? ""))' of " } ?? ""
        let sentence = "\(what)the run '\(end.runID)' of the DAG '\(end.dagID)' ended as \(end.state.rawValue)"
        if allowed.contains(end.state) { return (true, sentence) }
        return failing.contains(end.state) ? (false, sentence) : nil
    }

    /// What is wrong with it, in sentences. What holds templates is not looked at yet.
    package var problems: [String] {
        var problems = [
            Self.problem(ofID: dagID, what: "DAG id"), taskID.flatMap { Self.problem(ofID: $0, what: "task id") },
        ].compactMap { $0 }
        if let mapIndex {
            if taskID == nil { problems.append("a map index belongs to a task: name the task too") }
            if mapIndex < 0 { problems.append("a map index counts from 0; it is \(mapIndex)") }
        }
        switch selection {
        case .id(let runID) where runID.isEmpty: problems.append("a run id is not empty")
        case .date(let text) where !text.contains("{{"):
            do { _ = try Timestamp(parsing: text) } catch { problems.append(error.message) }
        default: break
        }
        let known: [TaskState] =
            taskID == nil ? [.failed, .success] : TaskState.allCases.filter(\.isFinished)
        let owner = taskID == nil ? "a run" : "a task"
        for state in (allowed + failing) where !known.contains(state) {
            let names = known.map(\.rawValue).joined(separator: ", ")
            problems.append("\(owner) does not end as \(state.rawValue); there are \(names)")
        }
        if allowed.isEmpty { problems.append("a wait for a run names at least one state that it waits for") }
        for state in allowed where failing.contains(state) {
            problems.append("\(state.rawValue) cannot both end the wait and fail it")
        }
        return problems
    }

    private static func problem(ofID id: String, what: String) -> String? {
        id.contains("{{") ? nil : IDRule.problem(of: id, what: what)
    }
}

extension RunAim {
    /// What is waited for, in words, before the run that waits is known.
    package var target: String {
        switch selection {
        case .sameDate: "\(place) @ {{ logical_date }}"
        case .shifted(let span): "\(place) @ {{ logical_date }} \(span.microseconds < 0 ? "" : "+")\(span)"
        case .date(let text): "\(place) @ \(text)"
        case .id(let runID): "\(place) # \(runID)"
        case .next: "\(place) next"
        }
    }

    /// The target of a wait that is registered by a run: one of those under which that run or task, once it has ended, looks
    /// for who waits for it.
    package func target(from logicalDate: Timestamp) throws(PerchError) -> String {
        switch selection {
        case .id, .next: target
        case .sameDate, .shifted, .date: "\(place) @ \(try date(from: logicalDate) ?? logicalDate)"
        }
    }

    /// The logical date that is meant; nil where the run is named in another way.
    package func date(from logicalDate: Timestamp) throws(PerchError) -> Timestamp? {
        switch selection {
        case .sameDate: logicalDate
        case .shifted(let span): logicalDate + span
        case .date(let text): try Timestamp(parsing: text)
        case .id, .next: nil
        }
    }

    private var place: String { Self.place(dagID, taskID, mapIndex) }

    /// Ids hold neither spaces nor slashes, so no two targets have one text.
    private static func place(_ dagID: String, _ taskID: String?, _ mapIndex: Int?) -> String {
        dagID + (taskID.map { "/\($0)" } ?? "") + (mapIndex.map { "[\($0)]" } ?? "")
    }

    /// The targets of the waits that the end of a run or task concerns.
    package static func targets(of end: RunEvent) -> [String] {
        let place = Self.place(end.dagID, end.taskID, end.mapIndex)
        return ["\(place) @ \(end.logicalDate)", "\(place) # \(end.runID)", "\(place) next"]
    }
}

extension RunAim: JSONConvertible, Codable {
    package var json: JSONValue {
        var members: [String: JSONValue] = [
            "dag_id": .string(dagID), "run": selection.json,
            "in": .array(allowed.map { .string($0.rawValue) }),
            "failing_on": .array(failing.map { .string($0.rawValue) }),
        ]
        if let taskID { members["task_id"] = .string(taskID) }
        if givesOutput { members["output"] = .bool(true) }
        if let mapIndex { members["map_index"] = .integer(Int64(mapIndex)) }
        return .object(members)
    }

    package init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a run wait")
        dagID = try fields.string("dag_id")
        taskID = fields.members["task_id"] == nil ? nil : try fields.string("task_id")
        mapIndex = try fields.optionalInteger("map_index").map { Int($0) }
        selection = try RunSelection(json: fields.members["run"] ?? .object(["offset": .integer(0)]))
        allowed = try Self.states("in", fields)
        failing = try Self.states("failing_on", fields)
        givesOutput = try fields.bool("output", default: false)
    }

    private static func states(_ name: String, _ fields: JSONFields) throws(PerchError) -> [TaskState] {
        var states: [TaskState] = []
        for element in try fields.array(name) {
            guard case .string(let text) = element, let state = TaskState(rawValue: text) else {
                throw fields.fault(name, "an array of states of tasks")
            }
            states.append(state)
        }
        return states
    }

    package init(from decoder: any Decoder) throws {
        try self.init(json: JSONValue(from: decoder))
    }

    package func encode(to encoder: any Encoder) throws {
        try json.encode(to: encoder)
    }
}
