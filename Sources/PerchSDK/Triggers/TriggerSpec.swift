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
