// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An event that is to start a run of a DAG.
public struct EventStart: Sendable {
    public var dagID: String
    public var event: InboxEvent
    /// A bit for each pattern of the DAG's schedule that it meets.
    public var patterns: Int64
    /// What its payload gives to the run.
    public var gift: EventGift

    /// A start from its parts.
    public init(dagID: String, event: InboxEvent, patterns: Int64 = 1, gift: EventGift = EventGift()) {
        self.dagID = dagID
        self.event = event
        self.patterns = patterns
        self.gift = gift
    }
}

/// What an event's payload gives to the run that it starts.
public struct EventGift: Sendable, Hashable {
    /// There is one run for it; nil: for the event.
    public var dedupeKey: String?
    /// Params by name.
    public var params: [String: JSONValue] = [:]
    /// Why there can be no run; nil where there can.
    public var refusal: String?

    /// Nothing.
    public init() {}

    /// That of an event, by one of the patterns that it meets.
    public init(of event: InboxEvent, by pattern: EventPattern) {
        for (name, path) in pattern.params {
            let values = JSONPath(path).values(in: event.payload)
            if let value = values.first, values.count == 1 { params[name] = value }
        }
        guard let path = pattern.dedupe else { return }
        let values = JSONPath(path).values(in: event.payload)
        switch values.count == 1 ? values[0] : .null {
        case .string(let text): dedupeKey = text
        case .integer(let number): dedupeKey = String(number)
        case .number, .bool, .null, .array, .object:
            refusal = "its payload has no text or whole number at \(path), which tells one run from another"
        }
    }
}

/// How a DAG gathers the events that start its runs.
public enum EventGathering: Sendable, Hashable {
    /// A run for each.
    case each
    /// A run for so many, or so long after the first of them.
    /// `params` are those that the last of them gives, with their paths.
    case batch(count: Int, within: TimeSpan?, params: [String: String] = [:])
    /// A run when there is one for such patterns as are asked for.
    case when(EventExpression)

    /// That of a schedule.
    public init(_ schedule: EventSchedule) {
        switch schedule.gathering {
        case .each: self = .each
        case .batch(let count, let span):
            self = .batch(count: count, within: span, params: schedule.patterns.first?.params ?? [:])
        case .when(let expression): self = .when(expression)
        }
    }

    /// Whether time alone may end it.
    public var isTimed: Bool {
        if case .batch(_, .some, _) = self { true } else { false }
    }

    /// What such gathered events give to their run.
    func gift(of events: [InboxEvent]) -> EventGift {
        guard case .batch(_, _, let params) = self, let last = events.last else { return EventGift() }
        return EventGift(of: last, by: EventPattern(name: last.name, params: params))
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
