// SPDX-License-Identifier: Apache-2.0

extension TriggerSpec {
    /// A trigger as stored data; of one with a body, what that comes to, with the name of the type beside it.
    /// - Throws: `PerchError` (`invalid`) where the trigger cannot be coded.
    public init<T: Trigger>(_ trigger: T) throws {
        try self.init(watching: trigger.watched)
        if let name = trigger.composedName, case .object(var members) = definition {
            members[Self.composedKey] = .string(name)
            definition = .object(members)
        }
    }

    private init<T: Trigger>(watching trigger: T) throws {
        self.init(
            kind: T.kind, target: trigger.target, due: trigger.due, definition: try JSONValue(encoding: trigger))
    }

    /// Where the definition of a wait that a user's own type is made of names that type.
    package static let composedKey = "$composed_by"

    /// The trigger that this was made from.
    /// - Throws: `PerchError` (`invalid`) where this is of another kind, or its fields are not those of the type.
    public func trigger<T: Trigger>(as type: T.Type) throws -> T {
        guard kind == T.kind else {
            throw PerchError(
                .invalid, "a wait of the kind '\(kind.shown())' cannot be read as \(type), which is '\(T.kind)'")
        }
        do {
            return try definition.decode(type)
        } catch {
            throw PerchError(
                .invalid, "the definition of the '\(kind.shown())' wait for \(target.shown()) cannot be read: \(error)")
        }
    }

    /// A wait for time alone: what a sleep is.
    public static func time(_ due: DueInstant) -> TriggerSpec {
        TriggerSpec(kind: "time", target: due.description, due: due)
    }

    /// Every string that may hold templates, each once.
    var strings: [String] {
        var found = [target]
        if let due { found += due.strings }
        Self.collect(definition, into: &found)
        var seen: Set<String> = []
        return found.filter { seen.insert($0).inserted }
    }

    private static func collect(_ value: JSONValue, into found: inout [String]) {
        switch value {
        case .string(let text): found.append(text)
        case .array(let elements): for element in elements { collect(element, into: &found) }
        case .object(let members):
            for (_, member) in members.sorted(by: { $0.key < $1.key }) { collect(member, into: &found) }
        case .null, .bool, .integer, .number: break
        }
    }
}
