// SPDX-License-Identifier: Apache-2.0

extension TriggerSpec {
    /// A trigger as stored data.
    /// - Throws: `PerchError` (`invalid`) where the trigger cannot be coded.
    public init<T: Trigger>(_ trigger: T) throws {
        self.init(
            kind: T.kind, target: trigger.target, due: trigger.due, definition: try JSONValue(encoding: trigger))
    }

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
