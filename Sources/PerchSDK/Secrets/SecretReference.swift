// SPDX-License-Identifier: Apache-2.0

/// A reference to a secret as a trigger holds it: `API_TOKEN`, `conn:orders.password`, `conn:orders.extra.token`,
/// `conn:orders.basic`, `var:api_key`. What it stands for is looked up when the wait is armed, and never stored.
package struct SecretReference: Hashable, Sendable {
    /// What has to be looked up.
    package let name: SecretName
    /// Of a connection: which part of it.
    private let part: [String]

    private static let parts = ["host", "port", "login", "password", "schema", "conn_type", "uri", "basic"]

    /// Reads a reference.
    /// - Throws: `PerchError` (`invalid`) that says what would be right.
    package init(parsing text: String) throws(PerchError) {
        if text.hasPrefix("conn:") {
            let rest = String(text.dropFirst(5))
            let id: String
            if let extra = rest.firstRange(of: ".extra.") {
                id = String(rest[..<extra.lowerBound])
                part = ["extra", String(rest[extra.upperBound...])]
            } else if let simple = Self.parts.first(where: { rest.hasSuffix(".\($0)") }) {
                id = String(rest.dropLast(simple.utf8.count + 1))
                part = [simple]
            } else {
                throw PerchError(
                    .invalid,
                    "a reference to a connection names a part of it: conn:ID.password, .extra.NAME or one of "
                        + Self.parts.joined(separator: ", ") + "; not '\(text.shown(60))'")
            }
            if let problem = StoredName.problem(id, "the id of the connection") { throw PerchError(.invalid, problem) }
            name = SecretName(.connection, id)
        } else if text.hasPrefix("var:") {
            name = SecretName(.variable, String(text.dropFirst(4)))
            part = []
            if let problem = StoredName.problem(name.name, "the key of the variable") {
                throw PerchError(.invalid, problem)
            }
        } else {
            guard !text.isEmpty, text.utf8.allSatisfy(Self.isNameByte) else {
                throw PerchError(
                    .invalid,
                    "the name of a secret is of letters, digits and '_', or conn:ID.PART, or var:KEY, not "
                        + "'\(text.shown(40))'")
            }
            name = SecretName(.secret, text)
            part = []
        }
    }

    /// What is wrong with a reference; nil where nothing is.
    package static func problem(_ text: String) -> String? {
        do throws(PerchError) {
            _ = try SecretReference(parsing: text)
            return nil
        } catch {
            return error.message
        }
    }

    /// The text that it stands for, where `found` is what stands behind its name; nil where there is no such part.
    package func text(in found: FoundSecret) -> String? {
        switch found {
        case .secret(let text): text
        case .variable(let variable): variable.value
        case .connection(let connection):
            if part == ["basic"] {
                Self.base64(Array("\(connection.login ?? ""):\(connection.password ?? "")".utf8))
            } else {
                part.first.flatMap { connection.part($0, part.dropFirst()) }.map { value in
                    if case .string(let text) = value { text } else { value.text }
                }
            }
        }
    }

    /// The references in a trigger's definition: what stands under `secret`, anywhere in it.
    package static func all(in definition: JSONValue) -> Set<SecretReference> {
        var found: Set<SecretReference> = []
        collect(definition, &found)
        return found
    }

    private static func collect(_ value: JSONValue, _ found: inout Set<SecretReference>) {
        switch value {
        case .null, .bool, .integer, .number, .string: break
        case .array(let elements): for element in elements { collect(element, &found) }
        case .object(let members):
            if case .string(let text)? = members["secret"] {
                do throws(PerchError) {
                    found.insert(try SecretReference(parsing: text))
                } catch {
                    // The trigger's own check says so.
                }
            }
            for member in members.values { collect(member, &found) }
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): true
        default: false
        }
    }

    private static func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let number = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 {
                text.append(place <= group.count ? digits[number >> (18 - 6 * place) & 63] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Connection {
    /// The names of its parts, as references and templates have them.
    static let partNames = ["host", "port", "login", "password", "schema", "conn_type", "extra", "uri"]
    /// Those of which nothing is shown.
    static let secretParts = ["password", "extra", "extra_dejson", "uri"]

    /// One of its parts; nil where it has none. `rest` leads into `extra`.
    func part(_ name: String, _ rest: ArraySlice<String> = []) -> JSONValue? {
        switch name {
        case "host": return host.map(JSONValue.string)
        case "port": return port.map { .integer(Int64($0)) }
        case "login": return login.map(JSONValue.string)
        case "password": return password.map(JSONValue.string)
        case "schema": return schema.map(JSONValue.string)
        case "conn_type": return .string(type)
        case "uri": return .string(uri)
        case "extra", "extra_dejson":
            guard let key = rest.first else { return .object(extra) }
            return extra[key]
        default: return nil
        }
    }
}
