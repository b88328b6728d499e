// SPDX-License-Identifier: Apache-2.0

/// A trigger as stored data: what a wait row, a journal entry and a sensor's definition hold.
public struct TriggerSpec: Hashable, Sendable {
    /// The stable name of the kind of wait: `time`, `file`, `http`, `event`, ….
    public var kind: String
    /// What is waited for, in words for people and as the key by which waits share a probe: a path, a URL, an event's
    /// name and key. May hold templates until rendered.
    public var target: String
    /// When a time wait is due. Nil for every other kind.
    public var due: DueInstant?
    /// The trigger's own coded fields. May hold templates until rendered.
    public var definition: JSONValue

    /// A trigger from its parts.
    public init(kind: String, target: String, due: DueInstant? = nil, definition: JSONValue = .object([:])) {
        self.kind = kind
        self.target = target
        self.due = due
        self.definition = definition
    }
}

/// A kind of wait: Codable data with a typed event.
///
/// A trigger does nothing by itself; the engine's source for its `kind` watches for it. Conforming types stand in the
/// trigger families; write `extension Trigger where Self == MyTrigger { static func mine(…) -> MyTrigger }` so that
/// `.mine(…)` works wherever a trigger is taken.
public protocol Trigger: Codable, Hashable, Sendable {
    /// What a task receives when the wait fires.
    associatedtype Event: Codable & Sendable
    /// The stable, persisted name of this kind.
    static var kind: String { get }
    /// What is waited for; see `TriggerSpec.target`.
    var target: String { get }
    /// When a time wait is due; nil, the default, for every other kind.
    var due: DueInstant? { get }
    /// What is wrong with this value, in sentences. Asked where a sensor is declared and where a task waits; strings with
    /// templates are not filled in yet.
    var problems: [String] { get }
}

extension Trigger {
    /// No due instant: the wait depends on something else than time.
    public var due: DueInstant? { nil }
    /// Nothing is wrong.
    public var problems: [String] { [] }
}
