// SPDX-License-Identifier: Apache-2.0

/// Which external events start a DAG: those of a name, and where given of a key, whose payload meets a condition.
public struct EventPattern: Hashable, Sendable {
    public var name: String
    /// Nil: events with any key, and those without one.
    public var key: String?
    /// The coded condition on the payload. Nil: any payload.
    public var condition: JSONValue?
    /// The path in the payload of what there is one run for; nil: a run for each event id.
    public var dedupe: String?
    /// Params of the run by name, with the paths in the payload from which they are taken.
    public var params: [String: String]

    /// The name of the events by which the ends of runs are told, to DAGs that run after others; the DAG's id is the key.
    package static let runEndName = "dag_run"

    /// A pattern from its parts.
    public init(
        name: String, key: String? = nil, condition: JSONValue? = nil, dedupe: String? = nil,
        params: [String: String] = [:]
    ) {
        self.name = name
        self.key = key
        self.condition = condition
        self.dedupe = dedupe
        self.params = params
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
        for (param, path) in [("dedupe", dedupe ?? "$")] + params.sorted(by: { $0.key < $1.key }) {
            if let problem = JSONPath(path).problem { return "the path of '\(param.shown())': \(problem)" }
        }
        do throws(PerchError) {
            return try payloadCondition()?.problems.first
        } catch {
            return error.message
        }
    }
}

extension EventPattern: JSONConvertible {
    /// `{"name": …, "key": …, "where": …, "dedupe": …, "params": …}`, without what is not asked for.
    public var json: JSONValue {
        var members: [String: JSONValue] = ["name": .string(name)]
        if let key { members["key"] = .string(key) }
        if let condition { members["where"] = condition }
        if let dedupe { members["dedupe"] = .string(dedupe) }
        if !params.isEmpty { members["params"] = .object(params.mapValues { .string($0) }) }
        return .object(members)
    }

    /// Reads what `json` writes.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "an event that starts runs")
        self.init(
            name: try fields.string("name"), key: try fields.optionalString("key"), condition: fields.value("where"),
            dedupe: try fields.optionalString("dedupe"))
        guard let value = fields.value("params") else { return }
        guard case .object(let members) = value else {
            throw PerchError(.invalid, "the params that an event gives are an object of paths")
        }
        for (name, path) in members {
            guard case .string(let text) = path else {
                throw PerchError(.invalid, "the param '\(name.shown())' that an event gives is taken from a path")
            }
            params[name] = text
        }
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
