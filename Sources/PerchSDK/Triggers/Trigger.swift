// SPDX-License-Identifier: Apache-2.0

/// A wait: Codable data with a typed event.
///
/// A trigger does nothing by itself. One of your own is most often **made of others**: it has a `body`, the engine
/// watches for that, and nothing of yours runs while it waits.
///
/// ```swift
/// struct OrderPaid: Trigger {
///     let id: String
///     var body: some Trigger<EitherEvent<ExternalEvent, FileEvent>> {
///         EventTrigger.event("orders.paid", key: id).or(.file("/paid/\(id)"))
///     }
/// }
/// ```
///
/// Its event is that of the body, as `some Trigger<…>` names it, unless `event(from:)` makes another of it.
///
/// Where nothing that there is can watch for it, it is an `AsyncTrigger`. The kinds that the engine watches itself
/// have a `kind` and a `target` and no body. Write `extension Trigger where Self == MyTrigger { static func mine(…) ->
/// MyTrigger }` so that `.mine(…)` works wherever a trigger is taken.
public protocol Trigger<Event>: TriggerBody, Codable, Hashable, Sendable {
    /// What a task receives when the wait fires. For a trigger with a body: the event of the body, unless it says
    /// otherwise.
    associatedtype Event
    /// What the trigger is made of; `Never` for the kinds that the engine watches itself.
    associatedtype Body: TriggerBody = Never
    /// The trigger that is waited for in its place. Asked where a sensor is declared and where a task waits; what the
    /// strings of a sensor's trigger hold may still be templates then.
    var body: Body { get }
    /// The event of this trigger, made of the one of its body. Runs in the bundle process, where the task resumes or
    /// takes the event as an input: again each time, so it gives the same for the same.
    func event(from event: Body.Event) throws -> Event
    /// The stable, persisted name of this kind. That of the body where there is one.
    static var kind: String { get }
    /// What is waited for; see `TriggerSpec.target`. That of the body where there is one.
    var target: String { get }
    /// When a time wait is due; nil, the default, for every other kind.
    var due: DueInstant? { get }
    /// What is wrong with this value, in sentences. Asked where a sensor is declared and where a task waits; strings
    /// with templates are not filled in yet. What is wrong with the body is said besides.
    var problems: [String] { get }
    /// Reads the event from the JSON that the engine stored. There is no need to write it: it decodes the event, or
    /// maps that of the body.
    func event(stored payload: JSONValue) throws -> Event
}

/// What a trigger may be made of: another trigger, or nothing.
public protocol TriggerBody {
    /// What a task receives.
    associatedtype Event: Codable & Sendable
}

extension Never: TriggerBody {
    /// Nothing comes of nothing.
    public typealias Event = Never
}

extension Trigger {
    /// No due instant: the wait depends on something else than time.
    public var due: DueInstant? { nil }
    /// Nothing is wrong.
    public var problems: [String] { [] }
}

extension Trigger where Body == Never {
    /// There is none, and nobody asks for it.
    public var body: Never { preconditionFailure("\(Self.self) has no body") }
    /// Never called.
    public func event(from event: Never) -> Event {}
    /// Decodes it.
    public func event(stored payload: JSONValue) throws -> Event { try payload.decode(Event.self) }
}

extension Trigger where Body: Trigger {
    /// The kind of the body.
    public static var kind: String { Body.kind }
    /// The target of the body.
    public var target: String { body.target }
    /// That of the body.
    public var due: DueInstant? { body.due }
    /// Makes it of the body's.
    public func event(stored payload: JSONValue) throws -> Event {
        try event(from: try body.event(stored: payload))
    }
}

extension Trigger where Body: Trigger, Event == Body.Event {
    /// The event of the body as it is.
    public func event(from event: Event) -> Event { event }
}

extension Trigger {
    /// What the engine is to watch for: the trigger itself, or what its body comes to in the end.
    package var watched: any Trigger {
        guard Body.self != Never.self, let inner = body as? any Trigger else { return self }
        return inner.watched
    }

    /// What is wrong with it and with what it is made of.
    package var everyProblem: [String] {
        guard Body.self != Never.self, let inner = body as? any Trigger else { return problems }
        return problems + inner.everyProblem
    }

    /// What a user called it, where it is made of others.
    package var composedName: String? { Body.self == Never.self ? nil : "\(Self.self)" }
}
