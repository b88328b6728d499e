// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What asks for a new run of a DAG.
public struct RunRequest: Sendable {
    public var dagID: String
    /// Nil: made from the type and the logical date, as the field does it (`manual__2026-01-01T00:00:00+00:00`).
    public var runID: String?
    public var type: RunType
    /// Nil: the moment of creation.
    public var logicalDate: Timestamp?
    public var dataIntervalStart: Timestamp?
    public var dataIntervalEnd: Timestamp?
    /// Values over the DAG's defaults; an object.
    public var params: JSONValue
    /// The external event that started the run: unique for each DAG.
    public var eventID: String?
    /// What whoever asks for a run once would say again, asking for the same: unique for each DAG. A run that somebody asks for
    /// so was started by no event.
    public var askedBy: String?
    /// The trace that the run belongs into, as W3C `traceparent`; what is none counts as nil.
    public var traceparent: String?

    /// A request for a manual run, with everything else left to the engine.
    public init(dagID: String, runID: String? = nil, type: RunType = .manual, params: JSONValue = .object([:])) {
        self.dagID = dagID
        self.runID = runID
        self.type = type
        self.params = params
    }
}

/// A DAG run as it stands.
public struct RunRow: Sendable, Hashable {
    /// The run's own number, unique for ever.
    public var runKey: Int64
    public var dagID: String
    public var runID: String
    public var versionID: Int64
    public var type: RunType
    public var state: RunState
    public var logicalDate: Timestamp
    public var dataIntervalStart: Timestamp
    public var dataIntervalEnd: Timestamp
    public var params: JSONValue
    public var queuedAt: Timestamp
    public var startDate: Timestamp?
    public var endDate: Timestamp?
    /// Events up to this `seq` came before the run was created.
    public var eventFloor: Int64
    /// The trace that it belongs into, as W3C `traceparent`; known only where its tasks are handed out.
    package var traceparent: String?

    /// The ids of its spans.
    package var trace: RunTrace {
        RunTrace(dagID: dagID, runID: runID, runKey: runKey, traceparent: traceparent)
    }
}

/// A DAG as it stands.
public struct DAGRow: Sendable, Hashable {
    public var dagID: String
    public var isPaused: Bool
    /// False where the current bundle does not have it any more.
    public var isActive: Bool
    public var versionID: Int64
    public var versionNumber: Int
    public var bundleVersion: String
    /// When the scheduler creates the next run; nil where none is due by itself.
    public var nextRunAt: Timestamp?
    /// The logical date of the last scheduled run.
    public var lastScheduled: Timestamp?
    /// The bundle whose DAG it is.
    public var bundle: String
}
