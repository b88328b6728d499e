// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// From when on a wait sees events. None is seen that is no longer kept: `retention.events_days`, 7 days by default.
public enum EventSince: Hashable, Sendable {
    /// Events since the wait's run was created.
    case runCreated
    /// Events since the wait was registered.
    case now
    /// Events received at this instant or later. A wait that asks for more than is kept is refused.
    case instant(Timestamp)
    /// Events of so long before the wait was registered, and later ones. A wait that asks for more than is kept is refused.
    case ago(Duration)
}

extension EventSince: Codable {
    private enum CodingKeys: String, CodingKey {
        case from, microseconds
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let from = try container.decode(String.self, forKey: .from)
        switch from {
        case "run_created": self = .runCreated
        case "now": self = .now
        case "instant":
            self = .instant(Timestamp(microseconds: try container.decode(Int64.self, forKey: .microseconds)))
        case "ago": self = .ago(.microseconds(try container.decode(Int64.self, forKey: .microseconds)))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .from, in: container,
                debugDescription: "events are seen since run_created, now, instant or ago, not '\(from.shown())'")
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        switch self {
        case .runCreated: try container.encode("run_created", forKey: .from)
        case .now: try container.encode("now", forKey: .from)
        case .instant(let instant):
            try container.encode("instant", forKey: .from)
            try container.encode(instant.microseconds, forKey: .microseconds)
        case .ago(let span):
            try container.encode("ago", forKey: .from)
            try container.encode(TimeSpan(span).microseconds, forKey: .microseconds)
        }
    }
}

/// What an event is to a wait.
public enum EventMode: String, Codable, Hashable, Sendable {
    /// Something that happened. Each event counts once in a try: a later wait of the same name and key looks after it.
    case edge
    /// The state of things, such as "door is open": the last event of the name and key says what holds until the next one. A
    /// wait is met at once where the last event matches, however often it was seen before; where it does not, by the next
    /// that does. Without a key, the last event of the name says it, whatever its key.
    case level
}

/// Who gets an event.
public enum EventDelivery: String, Codable, Hashable, Sendable {
    /// Every wait that it matches.
    case all
    /// One of the waits that ask for this: the one that has waited longest, as far as one triggerer sees. Waits with
    /// `all` get the event beside it.
    case one
}
