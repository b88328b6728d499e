// SPDX-License-Identifier: Apache-2.0

/// When events start runs of a DAG, as data.
public struct EventSchedule: Hashable, Sendable {
    /// How events are gathered into one run.
    public enum Gathering: Hashable, Sendable {
        /// Each event that one of the patterns matches starts a run of its own.
        case each
        /// A run when there are so many, or, where a span is given, so long after the first of them.
        case batch(count: Int, within: TimeSpan?)
        /// A run when so many patterns have had an event since the last one as an expression asks for.
        case when(EventExpression)
    }

    /// The cron schedule of runs beside those that events start.
    public struct Ticks: Hashable, Sendable {
        public var expression: String
        public var timeZone: String
    }

    public var patterns: [EventPattern]
    public var gathering: Gathering
    public var ticks: Ticks?

    /// A schedule from its parts.
    public init(_ patterns: [EventPattern], gathering: Gathering = .each, ticks: Ticks? = nil) {
        self.patterns = patterns
        self.gathering = gathering
        self.ticks = ticks
    }

    /// So many events are handed to one run at most: they are its params.
    package static let mostGathered = 1_000
    /// One bit each tells which of them an event has met.
    private static let mostPatterns = 60

    private static let dedupeProblem = "'dedupe' is for events that start a run each, not for a batch of them"

    /// What is wrong with it, in a sentence; nil where nothing is.
    var problem: String? {
        if patterns.isEmpty { return "the schedule names no event" }
        if patterns.count > Self.mostPatterns {
            return "the schedule names \(patterns.count) events; it is at most \(Self.mostPatterns)"
        }
        if let problem = patterns.compactMap(\.problem).first { return problem }
        if case .batch(let count, let span) = gathering {
            if !(1...Self.mostGathered).contains(count) {
                return "a batch is of \(count) events; it is of 1 to \(Self.mostGathered)"
            }
            if let span, span.microseconds <= 0 { return "a batch ends within \(span); it is a duration above 0" }
        }
        if case .when(let expression) = gathering { return expression.problem(of: patterns.count) }
        return patterns.lazy.compactMap { $0.dedupe == nil || gathering == .each ? nil : Self.dedupeProblem }.first
    }
}

extension EventSchedule: JSONConvertible {
    /// `{"events": [{"name": …}], "batch": 100, "within": …}`, or with `"when": {"all": [0, 1]}`; `"cron"` and `"time_zone"`
    /// beside them. The span is in microseconds.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["events": .array(patterns.map(\.json))]
        switch gathering {
        case .each: break
        case .when(let expression): members["when"] = expression.json
        case .batch(let count, let span):
            members["batch"] = .integer(Int64(count))
            if let span { members["within"] = .integer(span.microseconds) }
        }
        if let ticks {
            members["cron"] = .string(ticks.expression)
            members["time_zone"] = .string(ticks.timeZone)
        }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a schedule of events")
        var patterns: [EventPattern] = []
        for pattern in try fields.array("events") { patterns.append(try EventPattern(json: pattern)) }
        self.init(patterns)
        if let count = try fields.optionalInteger("batch") {
            gathering = .batch(count: Int(count), within: try fields.optionalSpan("within"))
        } else if let expression = fields.value("when") {
            gathering = .when(try EventExpression(json: expression))
        } else if try fields.bool("all", default: false) {
            // As it was written before there were expressions.
            gathering = .when(.all(patterns.indices.map { .pattern($0) }))
        }
        if let expression = try fields.optionalString("cron") {
            ticks = Ticks(expression: expression, timeZone: try fields.string("time_zone", default: "UTC"))
        }
        if let problem { throw PerchError(.invalid, problem) }
    }
}

extension EventSchedule: CustomStringConvertible {
    /// In words: `event orders.created`, `100 of event page.viewed within 5m`, `asset a and asset b`, `asset a or @ 0 6 * * *`.
    public var description: String {
        var text: String
        switch gathering {
        case .each: text = patterns.map(\.description).joined(separator: " or ")
        case .when(let expression): text = expression.text(patterns.map(\.description), isInner: ticks != nil)
        case .batch(let count, let span):
            text = "\(count) of " + patterns.map(\.description).joined(separator: " or ")
            if let span { text += " within \(span)" }
        }
        if let ticks { text += " or @ \(ticks.expression)" }
        return text
    }
}
