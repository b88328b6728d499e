// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Which members of a composite have come.
public struct CompositeEvent: Codable, Hashable, Sendable {
    /// One member that has come.
    public struct Member: Codable, Hashable, Sendable {
        /// The place of the member among its siblings, from 0.
        public var member: Int
        /// When it came, as far as the engine knows.
        public var at: Timestamp
        /// Its event, as coded. That of a nested composite is a `CompositeEvent`.
        public var event: JSONValue

        /// A member from its parts.
        public init(member: Int, at: Timestamp, event: JSONValue) {
            self.member = member
            self.at = at
            self.event = event
        }
    }

    /// The members that had come when the composite was met, in the order in which they were written. Empty for what
    /// did not come within its time.
    public var met: [Member]

    /// An event from its members.
    public init(met: [Member]) {
        self.met = met
    }

    /// The event of a member; nil where it has not come.
    /// - Throws: `PerchError` (`invalid`) where its event is of another type.
    public func event<Event: Decodable>(of member: Int, as type: Event.Type) throws -> Event? {
        try met.first { $0.member == member }?.event.decode(type)
    }
}

extension CompositeEvent {
    /// The event of a member as its trigger reads it: one with a body makes its own. Nil where it has not come.
    /// - Throws: `PerchError` (`invalid`) where it is not an event of that trigger.
    public func event<Member: Trigger>(of member: Int, from trigger: Member) throws -> Member.Event? {
        try met.first { $0.member == member }.map { try trigger.event(stored: $0.event) }
    }
}

/// Which of two came: the event of `a.or(b)`.
public enum EitherEvent<First: Codable & Sendable, Second: Codable & Sendable>: Codable, Sendable {
    case first(First)
    case second(Second)

    /// Reads the event of the composite.
    public init(from decoder: any Decoder) throws {
        let event = try CompositeEvent(from: decoder)
        if let first = try event.event(of: 0, as: First.self) {
            self = .first(first)
        } else if let second = try event.event(of: 1, as: Second.self) {
            self = .second(second)
        } else {
            throw PerchError(.invalid, "neither of the two has come")
        }
    }

    /// Writes the event of the composite.
    public func encode(to encoder: any Encoder) throws {
        let (place, event) =
            switch self {
            case .first(let first): (0, try JSONValue(encoding: first))
            case .second(let second): (1, try JSONValue(encoding: second))
            }
        let member = CompositeEvent.Member(member: place, at: Timestamp(microseconds: 0), event: event)
        try CompositeEvent(met: [member]).encode(to: encoder)
    }
}

/// The events of `a.and(b)`.
public struct BothEvents<First: Codable & Sendable, Second: Codable & Sendable>: Codable, Sendable {
    public var first: First
    public var second: Second

    /// Both events.
    public init(first: First, second: Second) {
        self.first = first
        self.second = second
    }

    /// Reads the event of the composite.
    public init(from decoder: any Decoder) throws {
        let event = try CompositeEvent(from: decoder)
        guard let first = try event.event(of: 0, as: First.self), let second = try event.event(of: 1, as: Second.self)
        else { throw PerchError(.invalid, "one of the two has not come") }
        self.init(first: first, second: second)
    }

    /// Writes the event of the composite.
    public func encode(to encoder: any Encoder) throws {
        let epoch = Timestamp(microseconds: 0)
        try CompositeEvent(met: [
            .init(member: 0, at: epoch, event: try JSONValue(encoding: first)),
            .init(member: 1, at: epoch, event: try JSONValue(encoding: second)),
        ]).encode(to: encoder)
    }
}
