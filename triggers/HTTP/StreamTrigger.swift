// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Listens to a `text/event-stream` until an event meets a condition.
public struct StreamTrigger: Trigger {
    public typealias Event = StreamEvent
    public static let kind = "sse"

    /// An `http` or `https` URL. May hold templates, as headers may.
    public var url: String
    /// The name of the event; nil: any.
    public var event: String?
    /// What the event's data, which is JSON, must meet; nil: any data.
    public var condition: JSONCondition?
    public var headers: [String: HTTPHeaderValue]
    /// As for `HTTPTrigger`.
    public var proxy: String?
    /// As for `HTTPTrigger`.
    public var ca: String?

    /// A wait for an event of a stream.
    public init(
        url: String, event: String? = nil, where condition: JSONCondition? = nil,
        headers: [String: HTTPHeaderValue] = [:], proxy: String? = nil, ca: String? = nil
    ) {
        self.url = url
        self.event = event
        self.condition = condition
        self.headers = headers
        self.proxy = proxy
        self.ca = ca
    }

    public var target: String { url }

    public var problems: [String] {
        let request = HTTPTrigger(url: url, headers: headers, proxy: proxy, ca: ca).problems
        return request + (event?.isEmpty == true ? ["an event has a name"] : []) + (condition?.problems ?? [])
    }

    /// Reads a trigger; everything but the URL may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            url: try container.decode(String.self, forKey: .url),
            event: try container.decodeIfPresent(String.self, forKey: .event),
            where: try container.decodeIfPresent(JSONCondition.self, forKey: .condition),
            headers: try container.decodeIfPresent([String: HTTPHeaderValue].self, forKey: .headers) ?? [:],
            proxy: try container.decodeIfPresent(String.self, forKey: .proxy),
            ca: try container.decodeIfPresent(String.self, forKey: .ca))
    }

    enum CodingKeys: String, CodingKey {
        case url, event, headers, proxy, ca
        case condition = "where"
    }
}

/// One event of a stream.
public struct StreamEvent: Codable, Hashable, Sendable {
    /// Its name; `message` where the server gives none.
    public var event: String
    /// The last id that the server gave, empty before the first.
    public var id: String
    public var data: String

    /// An event from its parts.
    public init(event: String = "message", id: String = "", data: String = "") {
        self.event = event
        self.id = id
        self.data = data
    }

    /// The data, which is JSON, as a type of the caller.
    /// - Throws: `PerchError` (`invalid`) that names the place and what was wanted there.
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONText.decode(type, from: data)
    }
}

extension Trigger where Self == StreamTrigger {
    /// Listens to a `text/event-stream` until an event of the name meets the condition. Waits for the same URL share one
    /// connection.
    public static func stream(
        _ url: String, event: String? = nil, where condition: JSONCondition? = nil,
        headers: [String: HTTPHeaderValue] = [:], proxy: String? = nil, ca: String? = nil
    ) -> StreamTrigger {
        StreamTrigger(url: url, event: event, where: condition, headers: headers, proxy: proxy, ca: ca)
    }
}
