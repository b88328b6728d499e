// SPDX-License-Identifier: Apache-2.0

/// What calls code back: something that happens to a task, or to a run.
public enum CallbackPoint: Hashable, Sendable {
    /// It has succeeded.
    case success
    /// It has failed for good. A task that did not run, for one before it failed, is not called for.
    case failure
    /// It was skipped; not of runs.
    case skipped
    /// A try has failed and another follows; not of runs.
    case retry
    /// It waits; not of runs.
    case deferred
    /// The run has not ended so long after it was created; not of tasks.
    case deadline(TimeSpan)

    /// The run has not ended so long after it was created.
    public static func deadline(_ duration: Duration) -> CallbackPoint { .deadline(TimeSpan(duration)) }

    /// The name, as it is stored and shown.
    public var name: String {
        switch self {
        case .success: "success"
        case .failure: "failure"
        case .skipped: "skipped"
        case .retry: "retry"
        case .deferred: "defer"
        case .deadline: "deadline"
        }
    }

    /// How long after the run was created, where it is a deadline.
    package var span: TimeSpan? { if case .deadline(let span) = self { span } else { nil } }
}

/// What a task is called back for that is no step of its DAG: it runs when something happens to others, each time.
public struct CallbackDefinition: Hashable, Sendable {
    /// What calls it.
    public var points: [CallbackPoint]
    /// The indexes of the tasks of which it is called, ascending; empty: of the run.
    public var tasks: [Int]

    /// A callback as data.
    public init(on points: [CallbackPoint], of tasks: [Int] = []) {
        self.points = points
        self.tasks = tasks
    }

    /// What is wrong with it; nil where nothing is.
    var problem: String? {
        if points.isEmpty { return "it names nothing that calls it" }
        for point in points {
            switch point {
            case .success, .failure: continue
            case .skipped, .retry, .deferred:
                if tasks.isEmpty { return "'\(point.name)' happens to tasks: name them (of:)" }
            case .deadline(let span):
                if !tasks.isEmpty { return "a deadline is one of the run; a task has its taskTimeout" }
                if span.microseconds <= 0 { return "the deadline is \(span); it is a duration above 0" }
            }
        }
        return nil
    }
}

extension CallbackDefinition: JSONConvertible {
    /// `{"on": ["failure", "retry"], "tasks": [0]}`, with `"deadlines": [microseconds]` where there are some.
    public var json: JSONValue {
        let plain = points.filter { $0.span == nil }
        let deadlines = points.compactMap(\.span)
        var members: [String: JSONValue] = ["on": .array(plain.map { .string($0.name) })]
        if !deadlines.isEmpty { members["deadlines"] = .array(deadlines.map { .integer($0.microseconds) }) }
        if !tasks.isEmpty { members["tasks"] = .array(tasks.map { .integer(Int64($0)) }) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a callback")
        let known: [CallbackPoint] = [.success, .failure, .skipped, .retry, .deferred]
        var points: [CallbackPoint] = []
        for name in try fields.strings("on") {
            guard let point = known.first(where: { $0.name == name }) else {
                throw fields.fault("on", "one of \(known.map(\.name).joined(separator: ", "))")
            }
            points.append(point)
        }
        points += try fields.ints("deadlines").map { .deadline(TimeSpan(microseconds: Int64($0))) }
        self.init(on: points, of: try fields.ints("tasks"))
    }
}

/// What has happened: what the code of a callback is told.
public struct CallbackCause: Codable, Hashable, Sendable {
    /// `success`, `failure`, `skipped`, `retry`, `defer` or `deadline`.
    public var event: String
    public var dagID: String
    public var runID: String
    /// The task that it has happened to; nil: the run.
    public var taskID: String?
    /// The instance of a mapped task; nil: the task is not mapped.
    public var mapIndex: Int?
    /// The try that it happened in.
    public var tryNumber: Int?
    /// The state that it has now.
    public var state: String
    /// The error of a try, the reason of a skip, what is waited for.
    public var message: String?
    public var at: Timestamp

    /// What has happened, from its parts.
    public init(
        event: String, dagID: String, runID: String, taskID: String? = nil, mapIndex: Int? = nil,
        tryNumber: Int? = nil, state: String, message: String? = nil, at: Timestamp
    ) {
        self.event = event
        self.dagID = dagID
        self.runID = runID
        self.taskID = taskID
        self.mapIndex = mapIndex
        self.tryNumber = tryNumber
        self.state = state
        self.message = message
        self.at = at
    }

    enum CodingKeys: String, CodingKey {
        case event, state, message, at
        case dagID = "dag_id"
        case runID = "run_id"
        case taskID = "task_id"
        case mapIndex = "map_index"
        case tryNumber = "try_number"
    }
}
