// SPDX-License-Identifier: Apache-2.0

/// The event of a wait for a run: how it, or a task of it, has ended.
public struct RunEvent: Codable, Hashable, Sendable {
    public var dagID: String
    public var runID: String
    public var logicalDate: Timestamp
    /// The task that was waited for; nil where it was the run.
    public var taskID: String?
    /// The instance that was waited for; nil where it was the run, or the task as a whole.
    public var mapIndex: Int?
    /// How it ended. A run ends as `success` or `failed`.
    public var state: TaskState
    public var endedAt: Timestamp
    /// What the task gave, where that was asked for.
    public var output: JSONValue?

    /// An event from its parts.
    public init(
        dagID: String, runID: String, logicalDate: Timestamp, taskID: String? = nil, mapIndex: Int? = nil,
        state: TaskState, endedAt: Timestamp, output: JSONValue? = nil
    ) {
        self.dagID = dagID
        self.runID = runID
        self.logicalDate = logicalDate
        self.taskID = taskID
        self.mapIndex = mapIndex
        self.state = state
        self.endedAt = endedAt
        self.output = output
    }

    enum CodingKeys: String, CodingKey {
        case state, output
        case dagID = "dag_id"
        case runID = "run_id"
        case logicalDate = "logical_date"
        case taskID = "task_id"
        case mapIndex = "map_index"
        case endedAt = "ended_at"
    }
}
