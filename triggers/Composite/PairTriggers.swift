// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// One of two waits: `a.or(b)`.
public struct OrTrigger<First: Trigger, Second: Trigger>: Trigger, CompositeConvertible {
    public typealias Event = EitherEvent<First.Event, Second.Event>
    public static var kind: String { CompositeTrigger.kind }

    let composite: CompositeTrigger
    /// What reads the events; nil where this was read from its stored form.
    private var members: Pair<First, Second>?

    init(_ first: First, _ second: Second) {
        composite = CompositeTrigger(atLeast: 1, of: first, second)
        members = Pair(first: first, second: second)
    }

    public var target: String { composite.target }
    public var problems: [String] { composite.problems }

    /// Reads which of the two came, each as its trigger reads it.
    public func event(stored payload: JSONValue) throws -> Event {
        guard let members else { return try payload.decode(Event.self) }
        let event = try payload.decode(CompositeEvent.self)
        if let first = try event.event(of: 0, from: members.first) { return .first(first) }
        if let second = try event.event(of: 1, from: members.second) { return .second(second) }
        throw PerchError(.invalid, "neither of the two has come")
    }

    /// Reads the tree's JSON form.
    public init(from decoder: any Decoder) throws { composite = try CompositeTrigger(from: decoder) }
    /// Writes the tree's JSON form.
    public func encode(to encoder: any Encoder) throws { try composite.encode(to: encoder) }
}

/// Both of two waits: `a.and(b)`.
public struct AndTrigger<First: Trigger, Second: Trigger>: Trigger, CompositeConvertible {
    public typealias Event = BothEvents<First.Event, Second.Event>
    public static var kind: String { CompositeTrigger.kind }

    let composite: CompositeTrigger
    /// What reads the events; nil where this was read from its stored form.
    private var members: Pair<First, Second>?

    init(_ first: First, _ second: Second) {
        composite = CompositeTrigger(atLeast: nil, of: first, second)
        members = Pair(first: first, second: second)
    }

    public var target: String { composite.target }
    public var problems: [String] { composite.problems }

    /// Reads both events, each as its trigger reads it.
    public func event(stored payload: JSONValue) throws -> Event {
        guard let members else { return try payload.decode(Event.self) }
        let event = try payload.decode(CompositeEvent.self)
        guard let first = try event.event(of: 0, from: members.first),
            let second = try event.event(of: 1, from: members.second)
        else { throw PerchError(.invalid, "one of the two has not come") }
        return BothEvents(first: first, second: second)
    }

    /// Reads the tree's JSON form.
    public init(from decoder: any Decoder) throws { composite = try CompositeTrigger(from: decoder) }
    /// Writes the tree's JSON form.
    public func encode(to encoder: any Encoder) throws { try composite.encode(to: encoder) }
}

/// The members of a pair as they were written.
private struct Pair<First: Trigger, Second: Trigger>: Hashable, Sendable {
    var first: First
    var second: Second
}

extension Trigger {
    /// Waits for this or the other, whichever comes first; its event says which.
    public func or<Other: Trigger>(_ other: Other) -> OrTrigger<Self, Other> { OrTrigger(self, other) }

    /// Waits for this and the other, in any order; its event has both.
    public func and<Other: Trigger>(_ other: Other) -> AndTrigger<Self, Other> { AndTrigger(self, other) }
}

extension TaskContext {
    /// Waits until one of several has come: `let (file, tick) = try await context.wait(forAny: .file("/in/a"),
    /// .after(.hours(1)))`.
    ///
    /// - Returns: For each its event, nil where it has not come. More than one may have come by then.
    /// - Throws: As `wait(for:)` does.
    @discardableResult
    public func wait<each Member: Trigger>(
        forAny members: repeat each Member, timeout: Duration? = nil, as name: String = "wait"
    ) async throws -> (repeat (each Member).Event?) {
        let event = try await wait(
            for: CompositeTrigger(atLeast: 1, of: repeat each members), timeout: timeout, as: name)
        var place = -1
        func next<T: Trigger>(_ member: T) throws -> T.Event? {
            place += 1
            return try event.event(of: place, from: member)
        }
        return (repeat try next(each members))
    }

    /// Waits until all of several have come, in any order.
    ///
    /// - Returns: The event of each.
    /// - Throws: As `wait(for:)` does.
    @discardableResult
    public func wait<each Member: Trigger>(
        forAll members: repeat each Member, timeout: Duration? = nil, as name: String = "wait"
    ) async throws -> (repeat (each Member).Event) {
        let event = try await wait(
            for: CompositeTrigger(atLeast: nil, of: repeat each members), timeout: timeout, as: name)
        var place = -1
        func next<T: Trigger>(_ member: T) throws -> T.Event {
            place += 1
            guard let found = try event.event(of: place, from: member) else {
                throw PerchError(.invalid, "the wait '\(name)' ended without its member \(place), \(member.target)")
            }
            return found
        }
        return (repeat try next(each members))
    }
}
