// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An event that is to start a run of a DAG.
public struct EventStart: Sendable {
    public var dagID: String
    public var event: InboxEvent
    /// A bit for each pattern of the DAG's schedule that it meets.
    public var patterns: Int64

    /// A start from its parts.
    public init(dagID: String, event: InboxEvent, patterns: Int64 = 1) {
        self.dagID = dagID
        self.event = event
        self.patterns = patterns
    }
}

/// How a DAG gathers the events that start its runs.
public enum EventGathering: Sendable, Hashable {
    /// A run for each.
    case each
    /// A run for so many, or so long after the first of them.
    case batch(count: Int, within: TimeSpan?)
    /// A run when there is one for each of these patterns.
    case all(patterns: Int64)

    /// That of a schedule.
    public init(_ schedule: EventSchedule) {
        switch schedule.gathering {
        case .each: self = .each
        case .batch(let count, let span): self = .batch(count: count, within: span)
        case .all: self = .all(patterns: 1 << Int64(schedule.patterns.count) - 1)
        }
    }

    /// Whether time alone may end it.
    public var isTimed: Bool {
        if case .batch(_, .some) = self { true } else { false }
    }
}

/// A DAG that events start.
public struct EventStartedDAG: Sendable, Hashable {
    public var dagID: String
    public var versionID: Int64
    /// Events up to this one do not start it.
    public var floor: Int64
}

/// What became of an event that was to start a DAG.
public struct StartedRun: Sendable, Hashable {
    public var dagID: String
    /// Nil where there is none, or none any more.
    public var runID: String?
    /// Why there is none.
    public var reason: String?
}
