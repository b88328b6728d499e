// SPDX-License-Identifier: Apache-2.0

/// The instant of a time wait: absolute, or worked out when the wait is registered. From then on it stays what it is.
public enum DueInstant: Hashable, Sendable {
    /// An RFC 3339 instant; may be a template until rendered.
    case at(String)
    /// So long after the wait is registered.
    case after(TimeSpan)
    /// The first tick of a cron expression after the wait is registered, on the wall clock of an IANA time zone. Both may
    /// be templates until rendered.
    case tick(cron: String, timeZone: String)
    /// The moment at which the wait is registered where that lies within the window, else when the window opens next.
    case within(TimeWindow)

    /// The instant of a wait that is registered now.
    /// - Throws: `PerchError`: `invalid` for what is no instant, expression, time of day or zone; `unavailable` where this
    ///   system knows no time zones.
    package func instant(from now: Timestamp) throws(PerchError) -> Timestamp {
        switch self {
        case .at(let text): return try Timestamp(parsing: text)
        case .after(let span): return now + span
        case .tick(let cron, let timeZone):
            guard let tick = try CronSchedule(cron, timeZone: timeZone).next(after: now) else {
                throw PerchError(.invalid, "the cron expression '\(cron.shown())' has no tick after \(now)")
            }
            return tick
        case .within(let window): return try window.opening(from: now)
        }
    }

    /// What is wrong with it, in sentences. What holds templates is not looked at yet.
    public var problems: [String] {
        guard !strings.contains(where: { $0.contains("{{") }) else { return [] }
        if case .after(let span) = self, span.microseconds < 0 { return ["a wait cannot be \(span) long"] }
        do {
            // Any moment will do: what is wrong is so at all of them.
            _ = try instant(from: Timestamp(microseconds: 0))
            return []
        } catch {
            return [error.message]
        }
    }

    /// The strings that may hold templates.
    var strings: [String] {
        switch self {
        case .at(let text): [text]
        case .after: []
        case .tick(let cron, let timeZone): [cron, timeZone]
        case .within(let window): [window.opens, window.closes, window.days, window.timeZone]
        }
    }

    func rendered(with scope: TemplateScope) throws(PerchError) -> DueInstant {
        switch self {
        case .at(let text): return .at(try Template.render(text, with: scope))
        case .after: return self
        case .tick(let cron, let timeZone):
            return .tick(
                cron: try Template.render(cron, with: scope), timeZone: try Template.render(timeZone, with: scope))
        case .within(let window): return .within(try window.rendered(with: scope))
        }
    }
}

extension DueInstant: CustomStringConvertible {
    /// In words: `2026-01-01T06:00:00Z`, `after 1h30m`, `next tick of 0 6 * * * (UTC)`, `within 22:00 to 06:00 (UTC)`.
    public var description: String {
        switch self {
        case .at(let text): text
        case .after(let span): "after \(span)"
        case .tick(let cron, let timeZone): "next tick of \(cron) (\(timeZone))"
        case .within(let window): "within \(window)"
        }
    }
}

extension DueInstant: JSONConvertible, Codable {
    /// `{"at": RFC 3339}`, `{"after": microseconds}`, `{"cron": …, "time_zone": …}` or `{"within": {…}}`.
    public var json: JSONValue {
        switch self {
        case .at(let text): .object(["at": .string(text)])
        case .after(let span): .object(["after": .integer(span.microseconds)])
        case .tick(let cron, let timeZone): .object(["cron": .string(cron), "time_zone": .string(timeZone)])
        case .within(let window): .object(["within": window.json])
        }
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "a due instant")
        if fields.members["at"] != nil {
            self = .at(try fields.string("at"))
        } else if fields.members["cron"] != nil {
            self = .tick(cron: try fields.string("cron"), timeZone: try fields.string("time_zone"))
        } else if let window = fields.members["within"] {
            self = .within(try TimeWindow(json: window))
        } else {
            self = .after(TimeSpan(microseconds: try fields.integer("after")))
        }
    }

    /// Reads the JSON form.
    public init(from decoder: any Decoder) throws {
        try self.init(json: JSONValue(from: decoder))
    }

    /// Writes the JSON form.
    public func encode(to encoder: any Encoder) throws {
        try json.encode(to: encoder)
    }
}
