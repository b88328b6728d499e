// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits for an external event by its name, and where given by its key and by a condition on its payload.
public struct EventTrigger: Trigger {
    public typealias Event = ExternalEvent
    public static let kind = "event"

    /// The event's name, such as `orders.created`. May hold templates.
    public var name: String
    /// The event's key. Nil: events with any key, and those without one.
    public var key: String?
    /// What the payload must meet. Nil: any payload.
    public var condition: JSONCondition?
    /// From when on it sees events. Nil: since its run was created; with `level`, every event that is kept.
    public var since: EventSince?
    /// Whether an event is something that happened, or the state of things.
    public var mode: EventMode
    /// Who gets an event.
    public var delivery: EventDelivery

    /// A wait for an event.
    public init(
        name: String, key: String? = nil, where condition: JSONCondition? = nil, since: EventSince? = nil,
        mode: EventMode = .edge, delivery: EventDelivery = .all
    ) {
        self.name = name
        self.key = key
        self.condition = condition
        self.since = since
        self.mode = mode
        self.delivery = delivery
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(String.self, forKey: .name),
            key: try container.decodeIfPresent(String.self, forKey: .key),
            where: try container.decodeIfPresent(JSONCondition.self, forKey: .condition),
            since: try container.decodeIfPresent(EventSince.self, forKey: .since),
            mode: try container.decodeIfPresent(EventMode.self, forKey: .mode) ?? .edge,
            delivery: try container.decodeIfPresent(EventDelivery.self, forKey: .delivery) ?? .all)
    }

    /// What is as usual is left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encodeIfPresent(key, forKey: .key)
        try container.encodeIfPresent(condition, forKey: .condition)
        try container.encodeIfPresent(since, forKey: .since)
        if mode != .edge { try container.encode(mode, forKey: .mode) }
        if delivery != .all { try container.encode(delivery, forKey: .delivery) }
    }

    public var target: String { key.map { "\(name)/\($0)" } ?? name }

    public var problems: [String] {
        var problems: [String] = []
        if name.isEmpty { problems.append("an event has a name") }
        if key?.isEmpty == true { problems.append("the key of an event is not empty; leave it out for any key") }
        if mode == .level, delivery == .one {
            problems.append("a state is not used up: an event wait with the mode 'level' has the delivery 'all'")
        }
        if case .ago(let span) = since, span < .zero {
            problems.append("events are seen since a while ago, not since \(span)")
        }
        return problems + (condition?.problems ?? [])
    }

    /// Reads the coded form, with a decoder for the condition alone: a hundred thousand waits are armed in one go after
    /// a restart.
    init(stored definition: JSONValue) throws {
        guard case .string(let name) = definition["name"] else { throw PerchError(.invalid, "'name' is no string") }
        let key: String?
        switch definition["key"] {
        case .string(let text): key = text
        case nil, .null: key = nil
        default: throw PerchError(.invalid, "'key' is no string")
        }
        var condition: JSONCondition?
        if let stored = definition["where"], stored != .null { condition = try stored.decode(JSONCondition.self) }
        self.init(
            name: name, key: key, where: condition,
            since: try definition["since"].flatMap { $0 == .null ? nil : try $0.decode(EventSince.self) },
            mode: try Self.choice(definition, "mode") ?? .edge,
            delivery: try Self.choice(definition, "delivery") ?? .all)
    }

    private static func choice<Choice: RawRepresentable<String>>(
        _ definition: JSONValue, _ field: String
    ) throws -> Choice? {
        guard let stored = definition[field], stored != .null else { return nil }
        guard case .string(let text) = stored, let choice = Choice(rawValue: text) else {
            throw PerchError(.invalid, "'\(field)' is not known: '\(stored.text.shown())'")
        }
        return choice
    }

    enum CodingKeys: String, CodingKey {
        case name, key, since, mode, delivery
        case condition = "where"
    }
}

/// An event that came from outside.
public struct ExternalEvent: Codable, Hashable, Sendable {
    /// The sender's id of it, or one that was made for it.
    public var eventID: String
    /// Its place in the order of all events.
    public var seq: Int64
    public var name: String
    public var key: String?
    public var payload: JSONValue
    /// When it was accepted.
    public var receivedAt: Timestamp

    /// An event from its parts.
    public init(
        eventID: String, seq: Int64, name: String, key: String? = nil, payload: JSONValue = .null, receivedAt: Timestamp
    ) {
        self.eventID = eventID
        self.seq = seq
        self.name = name
        self.key = key
        self.payload = payload
        self.receivedAt = receivedAt
    }

    /// The payload as a type of the caller.
    /// - Throws: `PerchError` (`invalid`) that names the place and what was wanted there.
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try payload.decode(type)
    }

    enum CodingKeys: String, CodingKey {
        case eventID = "event_id"
        case seq, name, key, payload
        case receivedAt = "received_at"
    }
}

extension ExternalEvent: JSONConvertible {
    public var json: JSONValue {
        InboxEvent(seq: seq, eventID: eventID, name: name, key: key, payload: payload, receivedAt: receivedAt).value
    }

    /// As its decoder reads it, in a fifth of the time: this is what a task that waits for an event does first.
    public init(json: JSONValue) throws(PerchError) {
        let fields = try JSONFields(json, of: "an event")
        self.init(
            eventID: try fields.string("event_id"), seq: try fields.integer("seq"), name: try fields.string("name"),
            key: try fields.optionalString("key"), payload: fields.value("payload") ?? .null,
            receivedAt: Timestamp(microseconds: try fields.integer("received_at")))
    }
}

extension Trigger where Self == EventTrigger {
    /// Waits for an external event. An event that came before its wait counts, if it came since the run was created.
    ///
    /// - Parameters:
    ///   - name: The event's name.
    ///   - key: The event's key; nil: any.
    ///   - condition: What its payload must meet: `.json("$.total", .greaterThan(100))`.
    ///   - since: From when on events count; nil: since the run was created, and with `level` every event that is kept.
    ///   - mode: Whether an event is something that happened, or the state of things until the next one.
    ///   - delivery: Whether every wait that an event matches gets it, or one of those that ask for `one`.
    public static func event(
        _ name: String, key: String? = nil, where condition: JSONCondition? = nil, since: EventSince? = nil,
        mode: EventMode = .edge, delivery: EventDelivery = .all
    ) -> EventTrigger {
        EventTrigger(name: name, key: key, where: condition, since: since, mode: mode, delivery: delivery)
    }
}

extension TaskContext {
    /// The event that started the run, the last one where several did; nil for a run that was started otherwise.
    /// - Throws: `PerchError` (`invalid`) where a run that was started by hand was given something else as its param `event`.
    public func startingEvent() throws -> ExternalEvent? {
        guard let stored = params[InboxEvent.startingParam], stored != .null else { return nil }
        return try stored.decode(ExternalEvent.self)
    }

    /// The events that started the run, in their order; none for a run that was started otherwise.
    /// - Throws: `PerchError` (`invalid`) where a run that was started by hand was given something else as its param `events`.
    public func startingEvents() throws -> [ExternalEvent] {
        guard case .array(let stored) = params[InboxEvent.gatheredParam] else {
            return try startingEvent().map { [$0] } ?? []
        }
        return try stored.map { try $0.decode(ExternalEvent.self) }
    }
}
