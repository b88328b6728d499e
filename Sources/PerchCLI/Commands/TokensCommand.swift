// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchAPIServer
internal import PerchMetastore
internal import PerchSDK

struct TokensCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokens", abstract: "Show, make and revoke what programs show to the API server.",
        discussion: "They go into a header, Authorization: Bearer TOKEN. `users` tells what roles there are.",
        subcommands: [TokensListCommand.self, TokensCreateCommand.self, TokensRevokeCommand.self])
}

struct TokensListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Every token that was made, without what is shown.")

    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (tokens, users, now) = try await home.withMetastore { _, metastore in
            try await metastore.read { (try $0.accessTokens(), try $0.accessUsers(), $0.now) }
        }
        let names = Dictionary(users.map { ($0.userID, $0.name) }) { first, _ in first }
        var listing = Listing(output.format)
        try listing.add(
            tokens.map { token in
                let isOver = token.expiresAt.map { $0 <= now } ?? false
                return [
                    "name": .text(token.name), "user": .text(token.userID.flatMap { names[$0] }),
                    "role": .text(token.rights.role.rawValue), "grants": AccessChange.shown(token.rights.grants),
                    "state": .text(token.revokedAt != nil ? "revoked" : isOver ? "expired" : "valid"),
                    "expires_at": .instant(token.expiresAt), "last_used_at": .instant(token.lastUsedAt),
                    "created_at": .instant(token.createdAt),
                ]
            })
        try listing.finish(empty: "no tokens")
    }
}

struct TokensCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token, and show it, once.",
        discussion: "With --user it may no more than that user, and goes with them. Without, it is a service's.")

    @Argument(help: "The token's name.") var name: String
    @Option(name: .long, help: "What it lets do: events, viewer, user, operator or admin.") var role: String
    @Option(
        name: .long,
        help: ArgumentHelp(
            "Only with the DAGs of this id, with * for any characters and ? for one. May be given often.",
            valueName: "pattern")) var dag: [String] = []
    @Option(name: .long, help: ArgumentHelp("For how long, as 90d. Default: for ever.", valueName: "span"))
    var expires: String?
    @Option(name: .long, help: "Whose it is.") var user: String?
    @Flag(name: .long, help: "It is a service's and no user's, which is so anyway without --user.") var service = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        _ = try rights()
        if let expires { _ = try TimeSpan.option("--expires", expires) }
        if service, user != nil { throw ValidationError("--user and --service: it is a user's token, or a service's") }
    }

    /// With DAGs its role is for these alone.
    private func rights() throws -> AccessRights {
        let role = try AccessChange.role(self.role)
        if dag.isEmpty { return AccessRights(role) }
        return AccessRights(.nothing, grants: try dag.map { try AccessChange.grant(self.role, $0) })
    }

    func run() async throws {
        let (name, user, rights) = (name, user, try rights())
        let span = try expires.map { try TimeSpan.option("--expires", $0) }
        let secret = AccessSecret.make(AccessSecret.tokenPrefix)
        let dags = dag.map { JSONValue.string($0) }
        let details: JSONValue = [
            "role": .string(role), "dags": .array(dags), "expires": expires.map { JSONValue.string($0) } ?? .null,
            "user": user.map { JSONValue.string($0) } ?? .null,
        ]
        let end = try await AccessChange.perform(home, "tokens create", name, details) { transaction in
            let end = span.map { transaction.now + $0 }
            _ = try transaction.createToken(
                NewAccessToken(
                    name: name, digest: AccessSecret.digest(secret), rights: rights, user: user, expiresAt: end))
            return end
        }
        if output.format == .table {
            Console.shared.say("the token is shown this once:")
            return try AccessChange.tell(secret)
        }
        try Listing.show(["name": .text(name), "token": .text(secret), "expires_at": .instant(end)], output.format)
    }
}

struct TokensRevokeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Let a token in no more, within seconds and for ever.")

    @Argument(help: "The token's name.") var name: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let name = name
        try await AccessChange.perform(home, "tokens revoke", name) { try $0.revokeToken(name) }
        try AccessChange.tell("\(name) is revoked")
    }
}
