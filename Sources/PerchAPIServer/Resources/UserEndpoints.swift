// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension AccessRole {
    static let names = allCases.map(\.rawValue)
}

extension AccessGrant {
    static let resource = Resource<AccessGrant>(
        "Grant",
        [
            .choice("role", AccessRole.names, "The role.") { $0.role.rawValue },
            .text("dags", "For the DAGs whose ids this fits: * stands for any characters, ? for one.") { $0.pattern },
        ])
}

extension AccessUserRow {
    static let resource = Resource<AccessUserRow>(
        "User",
        [
            .text("name", "The name under which they log in.") { $0.name },
            .choice("role", AccessRole.names, "What they may do everywhere.") { $0.rights.role.rawValue },
            .list("grants", of: AccessGrant.resource, "What they may do beyond that with some DAGs.") {
                $0.rights.grants
            },
            .flag("is_disabled", "Whether they, and their tokens, are let in no more.") { $0.isDisabled },
            .flag("has_password", "Whether they can log in at all.") { $0.password != nil },
            .instant("created_at", "When they were made.") { $0.createdAt },
        ])
}

extension RESTCall {
    /// The hash of the password that the body has; nil: it has none.
    fileprivate func passwordHash() async throws -> String? {
        guard let password = body.text("password") else { return nil }
        do {
            return try await access.passwords.hash(password)
        } catch let error as PerchError where error.code == .invalid {
            throw Refusal.field("/password", error.message)
        }
    }

    /// A role that the body has, which was held against the schema.
    fileprivate func role() -> AccessRole? { body.text("role").flatMap(AccessRole.init(rawValue:)) }
}

extension Endpoint {
    private static let roleField = Schema.Field(
        name: "role", schema: .choice(AccessRole.names), about: "What they may do everywhere.")
    private static let passwordField = Schema.Field(
        name: "password", schema: .formed(.password), about: "Of at least \(PasswordHash.shortest) characters.",
        isRequired: false)

    static let users: [Endpoint] = [
        .list("users", "Everybody who can log in, or could, by name.", of: AccessUserRow.resource, as: "users") {
            call in
            try await call.read { try Page(of: $0.accessUsers(), call) { $0.name } }
        }.asking(.admin),
        .change(
            .post, "users", .admin, "Makes a user; without a password nobody logs in under the name.",
            of: AccessUserRow.resource,
            body: [
                Schema.Field(name: "name", schema: .formed(.storedName), about: "The name under which they log in."),
                roleField,
                passwordField,
            ]
        ) { call in
            let (name, role, hash) = (
                call.body.text("name") ?? "", call.role() ?? .nothing, try await call.passwordHash()
            )
            return try await call.changeAccess { transaction in
                try transaction.createUser(name, password: hash, role: role)
                return try transaction.knownUser(name)
            }
        }.created,
        .one("users/{user_name}", "One user.", of: AccessUserRow.resource) { call in
            try await call.read { try $0.knownUser(call.name("user_name")) }
        }.asking(.admin),
        .change(
            .patch, "users/{user_name}", .admin,
            "Gives a user another role or password, or lets them in no more; another password ends their sessions.",
            of: AccessUserRow.resource,
            body: [
                Schema.Field(
                    name: "role", schema: .choice(AccessRole.names), about: "What they may do everywhere.",
                    isRequired: false),
                Schema.Field(
                    name: "is_disabled", schema: .flag, about: "Whether they, and their tokens, are let in no more.",
                    isRequired: false),
                passwordField,
            ]
        ) { call in
            let (name, role, isDisabled) = (call.name("user_name"), call.role(), call.body.flag("is_disabled"))
            _ = try await call.read { try $0.knownUser(name) }
            let hash = try await call.passwordHash()
            guard role != nil || isDisabled != nil || hash != nil else {
                throw Refusal.field("", "say what is to be changed: 'role', 'is_disabled' or 'password'")
            }
            return try await call.changeAccess { transaction in
                if let role { try transaction.setRole(of: name, role) }
                if let isDisabled { try transaction.setDisabled(name, isDisabled) }
                if let hash { try transaction.setPassword(of: name, hash) }
                return try transaction.knownUser(name)
            }
        }.ruled(["minProperties": 1]),
        .removal("users/{user_name}", "Removes a user, with their tokens and sessions.") { call in
            try await call.changeAccess { try $0.deleteUser(call.name("user_name")) }
        },
        .change(
            .put, "users/{user_name}/grants/{pattern}", .admin,
            "Gives a user a role for the DAGs that a pattern fits, over what they had for the same pattern.",
            of: AccessUserRow.resource, body: [roleField]
        ) { call in
            let (name, grant) = (
                call.name("user_name"), try AccessGrant(call.role() ?? .nothing, of: call.name("pattern"))
            )
            return try await call.changeAccess { transaction in
                try transaction.grant(grant, to: name)
                return try transaction.knownUser(name)
            }
        },
        .removal("users/{user_name}/grants/{pattern}", "Takes back what a user was given for a pattern.") { call in
            try await call.changeAccess {
                try $0.revokeGrant(of: call.name("pattern"), from: call.name("user_name"))
            }
        },
    ]

    /// The same, which makes something.
    var created: Endpoint {
        var endpoint = self
        endpoint.status = .created
        return endpoint
    }
}
