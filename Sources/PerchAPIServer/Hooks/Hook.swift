// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
package import PerchSDK

/// Where deliveries of another service come in, and what events they become: `POST /hooks/{name}`.
package struct Hook: Sendable {
    /// What a sender signs with.
    enum Secret: Sendable {
        /// Any of these.
        case given([String])
        /// Looked up at each delivery.
        case reference(SecretReference)
    }

    /// A part of the event's name.
    enum NamePart: Sendable {
        case text(String)
        /// What stands at a place of the body.
        case body(JSONPath)
        /// What stands in a header.
        case header(String)
    }

    let name: String
    let form: HookForm
    let secret: Secret
    let event: [NamePart]
    /// Where in the body the event's key stands.
    let key: JSONPath?
    /// Where its payload stands; nil: it is the body.
    let payload: JSONPath?
    /// Where the delivery's id stands; nil: where the form has it.
    let id: JSONPath?
    /// How far the time of a delivery may be from the clock.
    let window: TimeSpan

    private static let fields = ["event", "form", "id", "key", "payload", "secret", "secret_file", "window"]

    /// Reads the hooks of a document: `{"NAME": {"form": "github", "secret": "conn:github.password", "event": "push"}}`.
    ///
    /// - Parameter file: The secrets in a file, one a line.
    /// - Throws: `PerchError` (`invalid`) that names the hook and the field, never a secret.
    package static func all(in document: JSONValue, file: (String) throws -> [String]) throws -> [Hook] {
        guard case .object(let members) = document else {
            throw PerchError(.invalid, "no object; hooks are written {\"NAME\": {\"form\": \"github\", …}}")
        }
        return try members.sorted { $0.key < $1.key }.map { name, value in
            do {
                return try Hook(name, value, file: file)
            } catch let error as PerchError {
                throw PerchError(error.code, "the hook '\(name.shown(60))': \(error.message)")
            }
        }
    }

    private init(_ name: String, _ value: JSONValue, file: (String) throws -> [String]) throws {
        if let problem = StoredName.problem(name, "its name") { throw PerchError(.invalid, problem) }
        guard case .object(let members) = value else { throw PerchError(.invalid, "it is no object") }
        if let stray = members.keys.sorted().first(where: { !Self.fields.contains($0) }) {
            throw PerchError(.invalid, "there is no field '\(stray.shown(40))'; \(NearName.hint(stray, Self.fields))")
        }
        func text(_ field: String) throws -> String? {
            switch members[field] {
            case nil: return nil
            case .string(let text) where !text.isEmpty: return text
            default: throw PerchError(.invalid, "its \(field) is no text")
            }
        }
        func path(_ field: String) throws -> JSONPath? {
            guard let path = try text(field).map({ JSONPath($0) }) else { return nil }
            if let problem = path.problem { throw PerchError(.invalid, "its \(field): \(problem)") }
            return path
        }
        self.name = name
        guard let form = try text("form").flatMap(HookForm.init(rawValue:)) else {
            let names = HookForm.allCases.map(\.rawValue).joined(separator: ", ")
            throw PerchError(.invalid, "its form is one of \(names)")
        }
        self.form = form
        switch (try text("secret"), try text("secret_file")) {
        case (let reference?, nil): secret = .reference(try SecretReference(parsing: reference))
        case (nil, let path?): secret = .given(try file(path))
        default:
            throw PerchError(
                .invalid,
                "it has one of secret (a reference as conn:ID.password, var:KEY or NAME) and secret_file (a path)")
        }
        guard let event = try text("event") else {
            throw PerchError(.invalid, "it has no event: the name of the events that its deliveries become")
        }
        self.event = try Self.parts(event)
        (key, payload, id) = (try path("key"), try path("payload"), try path("id"))
        window = try text("window").map { try TimeSpan(parsing: $0) } ?? .seconds(300)
        guard window.microseconds > 0 else { throw PerchError(.invalid, "its window is no length of time above zero") }
    }

    /// `stripe.{$.type}` and `github.{header:X-GitHub-Event}`, taken apart.
    private static func parts(_ text: String) throws -> [NamePart] {
        var parts: [NamePart] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            if open > rest.startIndex { parts.append(.text(String(rest[..<open]))) }
            guard let close = rest[open...].firstIndex(of: "}") else {
                throw PerchError(.invalid, "its event has a '{' without a '}'")
            }
            let inner = String(rest[rest.index(after: open)..<close])
            if inner.hasPrefix("header:") {
                parts.append(.header(String(inner.dropFirst(7)).lowercased()))
            } else {
                let path = JSONPath(inner)
                if let problem = path.problem {
                    throw PerchError(.invalid, "its event: {\(inner.shown(60))}: \(problem), or header:NAME")
                }
                parts.append(.body(path))
            }
            rest = rest[rest.index(after: close)...]
        }
        if !rest.isEmpty { parts.append(.text(String(rest))) }
        return parts
    }
}
