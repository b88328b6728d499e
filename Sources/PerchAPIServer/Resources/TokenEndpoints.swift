// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension TokenView {
    private static let members: [Resource<TokenView>.Member] = [
        .text("name", "Its name.") { $0.row.name },
        .textOrNull("user", "Whose it is, and that it may no more than they; null: a service's.") { $0.user },
        .choice("role", AccessRole.names, "What it lets do everywhere.") { $0.row.rights.role.rawValue },
        .list("grants", of: AccessGrant.resource, "What it lets do beyond that with some DAGs.") {
            $0.row.rights.grants
        },
        .choice("state", State.allCases.map(\.rawValue), "Whether it lets in.") { $0.state.rawValue },
        .instant("created_at", "When it was made.") { $0.row.createdAt },
        .instantOrNull("expires_at", "When it ends; null: never.") { $0.row.expiresAt },
        .instantOrNull("last_used_at", "When it was used last, to a minute.") { $0.row.lastUsedAt },
    ]

    /// Without what is shown.
    static let resource = Resource("Token", members)
}

/// A token that was made just now.
private struct MadeToken: Sendable {
    var name: String
    var secret: String
    var end: Timestamp?

    static let resource = Resource<MadeToken>(
        "MadeToken",
        [
            .text("name", "Its name.") { $0.name },
            .text("token", "What goes into Authorization: Bearer. It is told this once.") { $0.secret },
            .instantOrNull("expires_at", "When it ends; null: never.") { $0.end },
        ])
}

extension Endpoint {
    static let tokens: [Endpoint] = [
        .list(
            "tokens", "Every token that was made, by name, without what is shown.", of: TokenView.resource, as: "tokens"
        ) {
            call in
            try await call.read { try Page(of: $0.tokenViews(), call) { $0.row.name } }
        }.asking(.admin),
        .change(
            .post, "tokens", .admin, "Makes a token, and tells it this once.", of: MadeToken.resource,
            body: [
                Schema.Field(name: "name", schema: .formed(.storedName), about: "Its name."),
                Schema.Field(name: "role", schema: .choice(AccessRole.names), about: "What it lets do."),
                Schema.Field(
                    name: "dags", schema: .list(.formed(.namePattern), most: 100),
                    about: "Only with the DAGs whose ids one of these fits, with * for any characters and ? for one.",
                    isRequired: false),
                Schema.Field(
                    name: "user", schema: .optional(.formed(.storedName)),
                    about: "Whose it is: it may no more than they, and goes with them; null: a service's.",
                    isRequired: false),
                Schema.Field(
                    name: "expires", schema: .optional(.positiveSpan), about: "For how long; null: for ever.",
                    isRequired: false
                ),
            ]
        ) { call in
            let (name, body) = (call.body.text("name") ?? "", call.body)
            let dags = (body.list("dags") ?? []).compactMap { if case .string(let text) = $0 { text } else { nil } }
            let made = try await call.makeToken(
                name, body.text("role").flatMap(AccessRole.init(rawValue:)) ?? .nothing, dags: dags,
                user: body.text("user"), expires: try body.text("expires").map { try TimeSpan(parsing: $0) })
            return MadeToken(name: name, secret: made.secret, end: made.end)
        }.created.repeated(.refused("what it shows is told once, and kept nowhere")),
        .one("tokens/{token_name}", "One token, without what is shown.", of: TokenView.resource) { call in
            try await call.read { try $0.tokenView(call.name("token_name")) }
        }.asking(.admin),
        .removal("tokens/{token_name}", "Revokes a token, for ever; that it was there stays.") { call in
            try await call.changeAccess { try $0.revokeToken(call.name("token_name")) }
        },
    ]
}
