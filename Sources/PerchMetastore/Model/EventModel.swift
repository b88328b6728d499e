// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// An external event on its way into the inbox.
public struct NewEvent: Sendable, Hashable {
    public var name: String
    public var key: String?
    public var payload: JSONValue
    /// The sender's id: a second event of the same name and id is the same event. Nil: one is made.
    public var eventID: String?

    /// An event from its parts.
    public init(name: String, key: String? = nil, payload: JSONValue = .null, eventID: String? = nil) {
        self.name = name
        self.key = key
        self.payload = payload
        self.eventID = eventID
    }
}

/// What became of an event.
public struct AcceptedEvent: Sendable, Hashable {
    public var seq: Int64
    public var eventID: String
    /// Whether it was in the inbox already.
    public var isDuplicate: Bool
}
