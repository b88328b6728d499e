// SPDX-License-Identifier: Apache-2.0

/// Which external events start a DAG: those of a name, and where given of a key, whose payload meets a condition.
public struct EventPattern: Hashable, Sendable {
    public var name: String
    /// Nil: events with any key, and those without one.
    public var key: String?
    /// The coded condition on the payload. Nil: any payload.
    public var condition: JSONValue?

    /// The name of the events by which the ends of runs are told, to DAGs that run after others; the DAG's id is the key.
    package static let runEndName = "dag_run"

    /// A pattern from its parts.
    public init(name: String, key: String? = nil, condition: JSONValue? = nil) {
        self.name = name
        self.key = key
        self.condition = condition
    }

    /// The condition, to be asked.
    /// - Throws: `PerchError` (`invalid`) where what is coded is no condition.
    public func payloadCondition() throws(PerchError) -> JSONCondition? {
        guard let condition else { return nil }
        do {
            return try condition.decode(JSONCondition.self)
        } catch {
            throw PerchError(.invalid, "the condition on the events '\(name.shown())' cannot be read: \(error)")
        }
    }

    /// What is wrong with it, in a sentence; nil where nothing is.
    var problem: String? {
        for (field, text) in [("name", name), ("key", key ?? "-")] {
            if text.isEmpty { return "the \(field) of an event that starts runs is not empty" }
            if Template.hasBraces(text) {
                return "the \(field) of an event that starts runs holds no template: there is no run yet"
            }
        }
        do throws(PerchError) {
            return try payloadCondition()?.problems.first
        } catch {
            return error.message
        }
    }
}

extension EventPattern: JSONConvertible {
    /// `{"name": …, "key": …, "where": …}`, without what is not asked for.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["name": .string(name)]
        if let key { members["key"] = .string(key) }
        if let condition { members["where"] = condition }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "an event that starts runs")
        self.init(
            name: try fields.string("name"), key: try fields.optionalString("key"), condition: fields.value("where"))
    }
}

extension EventPattern: CustomStringConvertible {
    /// In words: `event orders.created`, `event orders.created/eu where …`, `asset s3://warehouse/orders`.
    public var description: String {
        if name == Asset.eventName, let key, condition == nil { return "asset \(key)" }
        if name == Self.runEndName, let key { return "end of \(key)" }
        return "event \(name)\(key.map { "/\($0)" } ?? "")\(condition == nil ? "" : " on a condition")"
    }
}
