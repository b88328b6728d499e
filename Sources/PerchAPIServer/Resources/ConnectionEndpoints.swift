// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension Snapshot {
    /// A connection that is there.
    func knownConnection(_ id: String) throws -> ConnectionRow {
        if let row = try connection(id) { return row }
        throw PerchError(.notFound, "there is no connection '\(id.shown())'")
    }
}

extension JSONValue {
    /// The connection that a body describes: by its address, or by its parts.
    /// - Throws: `Refusal` that names the field and repeats no value.
    fileprivate func connection() throws -> Connection {
        if case .object(let members) = self, case .string(let uri)? = members["uri"] {
            let others = Set(members.filter { $0.value != .null }.keys).subtracting(["uri", "description"])
            if let other = others.sorted().first {
                throw Refusal.field("/\(other)", "a connection is given by 'uri' or by its parts, and not by both")
            }
            do throws(PerchError) {
                return try Connection(parsing: uri)
            } catch {
                throw Refusal.field("/uri", error.message)
            }
        }
        guard case .object(let given) = self, case .string? = given["conn_type"] else {
            throw Refusal.field("/conn_type", "a connection has 'conn_type' with its parts, or 'uri'")
        }
        let members = given.filter { $0.value != .null && $0.key != "description" }
        do throws(PerchError) {
            return try Connection(json: .object(members))
        } catch {
            throw Refusal(.badRequest, "invalid_field", error.message)
        }
    }
}

extension ServerCall {
    /// Sets a connection, and seals it.
    ///
    /// - Parameters:
    ///   - old: What is sealed of it, where the new one was made from that: it must still be so.
    ///   - description: nil: as it was.
    func setConnection(
        _ id: String, _ connection: Connection, over old: SealedValue? = nil, isNew: Bool = false, description: String?
    ) async throws -> ConnectionRow {
        if let problem = StoredName.problem(id, "the id of the connection") { throw PerchError(.invalid, problem) }
        guard let seal = surroundings.seal else {
            throw PerchError(.unavailable, "there is no key here with which a connection could be sealed")
        }
        let sealed = try seal(connection.json.text, SecretName(.connection, id))
        return try await write { transaction in
            if isNew, try transaction.connection(id) != nil {
                throw PerchError(.conflict, "there is a connection '\(id)' already: change it on its page")
            }
            if let old, try transaction.knownConnection(id).value != old {
                throw PerchError(
                    .conflict, "the connection '\(id)' has just been changed: look at it, and set it again")
            }
            try transaction.setConnection(id, type: connection.type, sealed, description: description)
            return try transaction.knownConnection(id)
        }
    }
}

extension Endpoint {
    private static func part(_ name: String, _ schema: Schema, _ about: String) -> Schema.Field {
        Schema.Field(name: name, schema: .optional(schema), about: about, isRequired: false)
    }

    /// By its address or by its parts, and not by both.
    private static let oneWay: [String: JSONValue] = {
        let none: JSONValue = ["type": "null"]
        let parts = ["conn_type", "host", "port", "login", "password", "schema", "extra"]
        var address = Dictionary(uniqueKeysWithValues: parts.map { ($0, none) })
        address["uri"] = ["type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+_.-]*://"]
        return [
            "anyOf": [
                ["required": ["uri"], "properties": .object(address)],
                [
                    "required": ["conn_type"],
                    "properties": ["conn_type": ["type": "string", "minLength": 1], "uri": none],
                ],
            ]
        ]
    }()

    static let connections: [Endpoint] = [
        .list(
            "connections", "Connections that are set, by id, without what is sealed of them.",
            of: ConnectionRow.resource, as: "connections"
        ) { call in
            try await call.read { try Page(of: $0.connections(), call) { $0.connID } }
        },
        .one(
            "connections/{connection_id}", "One connection, without what is sealed of it.", of: ConnectionRow.resource
        ) { call in
            try await call.read { try $0.knownConnection(call.name("connection_id")) }
        },
        .change(
            .put, "connections/{connection_id}", .admin,
            "Sets a connection, whole. All of it is sealed, and none of it is told again.", of: ConnectionRow.resource,
            body: [
                part("uri", .text, "Its address, instead of its parts: postgres://login:password@host:5432/database."),
                part("conn_type", .text, "What is reached: postgres, http, smtp, …"),
                part("host", .text, "A name or address."),
                part("port", .integer(1...65_535), "Its port."),
                part("login", .text, "As whom."),
                part("password", .text, "By which password."),
                part("schema", .text, "The database, or the first part of a path."),
                part("extra", .map, "What else it takes, by name."),
                part("description", .text, "What it is for; else as it was."),
            ]
        ) { call in
            try await call.setConnection(
                call.name("connection_id"), try call.body.connection(), description: call.body.text("description"))
        }.ruled(oneWay),
        .removal("connections/{connection_id}", "Removes a connection.") { call in
            try await call.write { transaction in
                _ = try transaction.knownConnection(call.name("connection_id"))
                _ = try transaction.deleteConnection(call.name("connection_id"))
            }
        },
    ]
}
