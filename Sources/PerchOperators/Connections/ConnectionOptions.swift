// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// What stands in the `extra` of a connection, by name. A name that nobody knows is refused, for it may be a misspelt one
/// that was to make the connection safe. Values are never repeated.
struct ConnectionOptions {
    private let extra: [String: JSONValue]
    private let id: String

    /// - Throws: `NonRetryable` that names what is unknown.
    init(_ connection: Connection, id: String, known: [String]) throws(NonRetryable) {
        extra = connection.extra
        self.id = id
        for name in extra.keys.sorted() where !known.contains(name) {
            let hint = NearestName.of(name, among: known).map { "did you mean '\($0)'?" }
            throw NonRetryable(
                "the connection '\(id.shown(80))' has '\(name.shown(40))' in its extra, which \(connection.type.shown(40)) does "
                    + "not know; \(hint ?? "there are \(known.joined(separator: ", "))")")
        }
    }

    /// A text; numbers and flags are as good as their texts.
    func text(_ name: String) throws(NonRetryable) -> String? {
        switch extra[name] {
        case nil, .null: return nil
        case .string(let text) where text.utf8.contains(0): throw fault(name, "a text without zero bytes")
        case .string(let text): return text
        case .integer(let number): return "\(number)"
        case .bool(let flag): return "\(flag)"
        case .number, .array, .object: throw fault(name, "a text")
        }
    }

    /// Whether it is set: `yes`, `true` or `1`; false where it is left out.
    func flag(_ name: String) throws(NonRetryable) -> Bool {
        switch try text(name) {
        case nil, "no", "false", "0": false
        case "yes", "true", "1": true
        default: throw fault(name, "yes or no")
        }
    }

    /// One of some words; nil where it is left out.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type
    ) throws(NonRetryable) -> Choice? where Choice.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw fault(name, "one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }

    /// A length of time above 0, `30s`; a number alone is of seconds.
    func duration(_ name: String) throws(NonRetryable) -> Duration? {
        guard let text = try text(name) else { return nil }
        let span: TimeSpan
        do {
            span = try TimeSpan(parsing: Int64(text) == nil ? text : text + "s")
        } catch {
            throw fault(name, "a duration such as 30s")
        }
        guard span.microseconds > 0 else { throw fault(name, "a duration above 0") }
        return span.duration
    }

    /// The absolute path of a file.
    func path(_ name: String) throws(NonRetryable) -> String? {
        guard let path = try text(name) else { return nil }
        guard path.hasPrefix("/") else { throw fault(name, "the absolute path of a file") }
        return path
    }

    func fault(_ name: String, _ wanted: String) -> NonRetryable {
        NonRetryable("'\(name)' in the extra of the connection '\(id.shown(80))' is \(wanted)")
    }
}
