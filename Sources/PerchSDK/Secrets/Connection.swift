// SPDX-License-Identifier: Apache-2.0

/// How to reach another system, and as whom: what stands behind the id that tasks and triggers name.
///
/// It is written as an address, `postgres://perch:secret@db.example:5432/orders?sslmode=require`, or as an object with the
/// members `conn_type`, `host`, `port`, `login`, `password`, `schema` and `extra`. Its description never shows the
/// password or what stands in `extra`.
public struct Connection: Hashable, Sendable {
    /// What is reached: `postgres`, `sqlite`, `http`, `smtp`, …; in addresses `-` stands for `_`.
    public var type: String
    /// A name, an address, or the absolute path of a file or of a folder with a Unix socket.
    public var host: String?
    public var port: Int?
    public var login: String?
    public var password: String?
    /// The database, or the first part of a path.
    public var schema: String?
    /// What else it takes, by name.
    public var extra: [String: JSONValue]

    /// A connection from its parts.
    public init(
        type: String, host: String? = nil, port: Int? = nil, login: String? = nil, password: String? = nil,
        schema: String? = nil, extra: [String: JSONValue] = [:]
    ) {
        self.type = type
        self.host = host
        self.port = port
        self.login = login
        self.password = password
        self.schema = schema
        self.extra = extra
    }

    /// Everything in it that must not be shown, longest first: the password and every text in `extra`.
    package var secrets: [String] {
        var found: Set<String> = []
        if let password { found.insert(password) }
        for value in extra.values { Self.collect(value, &found) }
        found.remove("")
        return found.sorted { ($0.utf8.count, $0) > ($1.utf8.count, $1) }
    }

    private static func collect(_ value: JSONValue, _ found: inout Set<String>) {
        switch value {
        case .null, .bool, .integer, .number: break
        case .string(let text): found.insert(text)
        case .array(let elements): for element in elements { collect(element, &found) }
        case .object(let members): for member in members.values { collect(member, &found) }
        }
    }
}

extension Connection: CustomStringConvertible, CustomDebugStringConvertible {
    /// `postgres://perch:***@db.example:5432/orders?sslmode=***`.
    public var description: String {
        var shown = self
        shown.password = password.map { _ in "***" }
        shown.extra = extra.mapValues { _ in "***" }
        return shown.uri.replacing("%2A%2A%2A", with: "***")
    }

    /// The description: a debugger's output is read by people, too.
    public var debugDescription: String { description }
}
