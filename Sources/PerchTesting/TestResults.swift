// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A run of a tester.
public struct TestRun: Sendable, Hashable {
    public let dagID: String
    public let runID: String

    /// The run of a DAG with an id, as for one that a schedule has created.
    public init(dagID: String, runID: String) {
        self.dagID = dagID
        self.runID = runID
    }
}

/// An instance of a task as it stands.
public struct TestTask: Sendable, Hashable {
    public let taskID: String
    /// -1 where the task is not mapped.
    public let mapIndex: Int
    public let state: TaskState
    /// The try that it is in, or ended in: from 1; 0 before the first.
    public let tryNumber: Int
    /// How often its code was started: once for each try and each wait that it came back from, and again after crashes.
    public let dispatches: Int
    /// Why it failed or was cancelled.
    public let message: String?
    /// Its output as JSON; nil where there is none.
    public let output: JSONValue?
    public let startDate: Timestamp?
    public let endDate: Timestamp?
}

/// An entry of the journal of a try.
public struct TestJournalEntry: Sendable, Hashable {
    /// What it records.
    public enum Record: Sendable, Hashable {
        /// The result of a step.
        case step(JSONValue)
        /// A wait: for what, and how it ended; nil while it waits.
        case wait(kind: String, target: String, outcome: TestWaitOutcome?)
    }

    /// Scope, name and occurrence.
    public let key: String
    public let record: Record
    public let recordedAt: Timestamp
    /// When the wait ended.
    public let firedAt: Timestamp?
}

/// How a wait ended.
public enum TestWaitOutcome: Sendable, Hashable {
    /// What was waited for came: the coded event.
    case event(JSONValue)
    case timeout
    case cancelled
    /// It could never have fired, for this reason.
    case broken(String)
}

/// A wait that is open.
public struct TestWait: Sendable, Hashable {
    public let run: TestRun
    public let taskID: String
    public let mapIndex: Int
    public let kind: String
    public let target: String
    public let since: Timestamp
    /// When it fires; nil where time alone does not end it.
    public let due: Timestamp?
    /// When it times out.
    public let deadline: Timestamp?
    /// Whether the task is a sensor, and not code that waits.
    public let isSensor: Bool
}

/// A line of a log.
public struct TestLogLine: Sendable, Hashable {
    public let at: Timestamp
    public let level: AttemptLogLevel
    public let message: String
}

/// A request as a simulated server saw it.
public struct TestRequest: Sendable {
    public let method: String
    public let url: String
    public let headers: [(name: String, value: String)]
    public let body: String?
    public let at: Timestamp
}
