// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension VariableRow {
    static let resource = Resource<VariableRow>(
        "Variable",
        [
            .text("key", "Its key.") { $0.key },
            .textOrNull("value", "Its value; null: it is secret.") { row in
                if !row.isSecret, case .plain(let text) = row.value { text } else { nil }
            },
            .flag("is_secret", "Whether it is never shown.") { $0.isSecret },
            .text("description", "What it is for.") { $0.description },
            .instant("updated_at", "When it was set last.") { $0.updatedAt },
        ])
}

extension ConnectionRow {
    /// What is sealed of a connection is not told here at all.
    static let resource = Resource<ConnectionRow>(
        "Connection",
        [
            .text("connection_id", "Its id.") { $0.connID },
            .text("conn_type", "What it connects to.") { $0.type },
            .text("description", "What it is for.") { $0.description },
            .instant("updated_at", "When it was set last.") { $0.updatedAt },
        ])
}

extension Snapshot {
    /// A variable that is there.
    func knownVariable(_ key: String) throws -> VariableRow {
        if let row = try variable(key) { return row }
        throw PerchError(.notFound, "there is no variable '\(key.shown())'")
    }
}

extension ServerCall {
    /// Sets a variable, and seals what is secret of it.
    /// - Parameters:
    ///   - wanted: Whether it is secret; nil: as it was, or as its key says of itself.
    ///   - description: nil: as it was.
    func setVariable(
        _ key: String, _ value: String, isSecret wanted: Bool?, description: String?
    ) async throws -> VariableRow {
        if let problem = StoredName.problem(key, "the key of the variable") { throw PerchError(.invalid, problem) }
        let known = try await read { try $0.variable(key)?.isSecret }
        let isSecret = wanted ?? known ?? SensitiveName.holds(key)
        let stored: StoredText
        if isSecret {
            guard let seal = surroundings.seal else {
                throw PerchError(.unavailable, "there is no key here with which a secret could be sealed")
            }
            stored = .sealed(try seal(value, SecretName(.variable, key)))
        } else {
            stored = .plain(value)
        }
        return try await write { transaction in
            // One that has become secret since it was read is not stored in the open.
            if !isSecret, wanted == nil, try transaction.variable(key)?.isSecret == true {
                throw PerchError(.conflict, "the variable '\(key)' has just become secret: set it again")
            }
            try transaction.setVariable(key, stored, isSecret: isSecret, description: description)
            return try transaction.knownVariable(key)
        }
    }
}

extension Endpoint {
    static let variables: [Endpoint] = [
        .list(
            "variables", "Variables that are set, by key; secret ones without their values.", of: VariableRow.resource,
            as: "variables"
        ) { call in
            try await call.read { try Page(of: $0.variables(), call) { $0.key } }
        },
        .one("variables/{variable_key}", "One variable.", of: VariableRow.resource) { call in
            try await call.read { try $0.knownVariable(call.name("variable_key")) }
        },
        .change(
            .put, "variables/{variable_key}", .admin, "Sets a variable.", of: VariableRow.resource,
            body: [
                Schema.Field(name: "value", schema: .text, about: "Its value."),
                Schema.Field(
                    name: "is_secret", schema: .flag,
                    about: "Whether it is sealed and never shown; else as its key says of itself, or as it was.",
                    isRequired: false),
                Schema.Field(
                    name: "description", schema: .text, about: "What it is for; else as it was.", isRequired: false),
            ]
        ) { call in
            try await call.setVariable(
                call.name("variable_key"), call.body.text("value") ?? "", isSecret: call.body.flag("is_secret"),
                description: call.body.text("description"))
        },
        .removal("variables/{variable_key}", "Removes a variable.") { call in
            try await call.write { transaction in
                _ = try transaction.knownVariable(call.name("variable_key"))
                _ = try transaction.deleteVariable(call.name("variable_key"))
            }
        },
    ]
}
