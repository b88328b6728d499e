// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An external event on its way into the inbox.
public struct NewEvent: Sendable, Hashable {
    public var name: String
    public var key: String?
    public var payload: JSONValue
    /// The sender's id: a second event of the same name and id is the same event. Nil: one is made.
    public var eventID: String?
    /// The trace that it belongs to, as W3C `traceparent`, and the runs that it starts; what is none counts as nil.
    public var traceparent: String?

    /// An event from its parts.
    public init(name: String, key: String? = nil, payload: JSONValue = .null, eventID: String? = nil) {
        self.name = name
        self.key = key
        self.payload = payload
        self.eventID = eventID
    }

    /// A name, key or id has as many bytes at most.
    package static let mostBytes = 500

    /// What an event may look like; the same for every way in.
    /// - Throws: `PerchError` (`invalid`) that names the field.
    package func check() throws {
        for (field, text) in [("name", name), ("key", key ?? "-"), ("id", eventID ?? "-")] {
            guard !text.isEmpty, text.utf8.count <= Self.mostBytes,
                text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
            else {
                throw PerchError(
                    .invalid,
                    "the \(field) of an event is 1 to \(Self.mostBytes) bytes without control characters, not '\(text.shown())'"
                )
            }
        }
    }
}

/// What became of an event.
public struct AcceptedEvent: Sendable, Hashable {
    public var seq: Int64
    public var eventID: String
    /// Whether it was in the inbox already.
    public var isDuplicate: Bool
}
