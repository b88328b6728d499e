// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// An external event as one line of JSON, and the line that answers it: the same at the socket in the home, at the command
/// line and over HTTP.
public enum EventLine {
    private static let fields = ["id", "key", "name", "payload"]

    /// Reads `{"name": "…", "key": "…", "payload": …, "id": "…"}`; all but the name may be left out.
    /// - Parameter name: The name of a line that names none; nil: a line without a name is refused.
    /// - Throws: `PerchError` (`invalid`) that names the field and what would be right.
    public static func parse(_ line: some Sequence<UInt8>, name: String? = nil) throws -> NewEvent {
        guard case .object(let members) = try JSONValue(parsing: line) else {
            throw PerchError(
                .invalid, "not an object; an event is written {\"name\": \"…\", \"key\": \"…\", \"payload\": …}")
        }
        if let stray = members.keys.sorted().first(where: { !fields.contains($0) }) {
            throw PerchError(
                .invalid, "there is no field '\(stray.shown(40))'; there are \(fields.joined(separator: ", "))")
        }
        guard let name = try text("name", of: members) ?? name else {
            throw PerchError(.invalid, "the field 'name' is missing")
        }
        return NewEvent(
            name: name, key: try text("key", of: members), payload: members["payload"] ?? .null,
            eventID: try text("id", of: members))
    }

    private static func text(_ field: String, of members: [String: JSONValue]) throws -> String? {
        switch members[field] {
        case .string(let text): return text
        case nil, .null: return nil
        default: throw PerchError(.invalid, "the field '\(field)' is no string")
        }
    }

    /// The line that says that an event is durable.
    public static func answer(_ event: AcceptedEvent) -> String {
        let id = JSONValue.string(event.eventID).text
        return "{\"duplicate\":\(event.isDuplicate),\"id\":\(id),\"seq\":\(event.seq)}"
    }

    /// The line that says why it is not.
    public static func answer(_ error: any Error) -> String {
        JSONValue.object(["error": .string("\(error)")]).text
    }
}
