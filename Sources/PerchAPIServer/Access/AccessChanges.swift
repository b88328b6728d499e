// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension ServerCall {
    /// Changes who may, and never so that nobody is left who could change it back: of those who log in the last administrator
    /// stays one, and where there is none, somebody else who may everything does. On the machine itself commands may do that.
    ///
    /// - Throws: `PerchError` (`conflict`) where nobody would be left.
    func changeAccess<Result: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Result
    ) async throws -> Result {
        let isInSettings = access.tokens.contains { $0.right == .admin }
        let result = try await write { transaction in
            let (before, isFirst) = (try transaction.administrators(), try transaction.accessVersion() == 0)
            let result = try body(transaction)
            let after = try transaction.administrators()
            if let last = before.users.first, after.users.isEmpty {
                throw PerchError(
                    .conflict,
                    "'\(last)' is the last administrator who can log in: make another one first, or use the command line"
                )
            }
            // Where there was nobody before, nobody is taken away.
            let isAboutSomebody = isFirst || !before.users.isEmpty || !before.tokens.isEmpty
            guard !isAboutSomebody || !after.users.isEmpty || !after.tokens.isEmpty || isInSettings else {
                throw PerchError(
                    .conflict,
                    "nobody would be left who may change this: the first one is to be an administrator who can log in, "
                        + "or a token with the role 'admin'")
            }
            return result
        }
        // It holds at once, for those who ask this server.
        access.register?.forget()
        return result
    }

    /// Makes a token.
    /// - Parameters:
    ///   - dags: With these its role is for them alone.
    ///   - user: Whose it is; nil: a service's.
    /// - Returns: What is to be shown, this once, and when it ends.
    func makeToken(
        _ name: String, _ role: AccessRole, dags: [String], user: String?, expires: TimeSpan?
    ) async throws -> (secret: String, end: Timestamp?) {
        let rights =
            dags.isEmpty
            ? AccessRights(role) : AccessRights(.nothing, grants: try dags.map { try AccessGrant(role, of: $0) })
        let secret = AccessSecret.make(AccessSecret.tokenPrefix)
        let end = try await changeAccess { transaction in
            let end = expires.map { transaction.now + $0 }
            _ = try transaction.createToken(
                NewAccessToken(
                    name: name, digest: AccessSecret.digest(secret), rights: rights, user: user, expiresAt: end))
            return end
        }
        return (secret, end)
    }
}

/// A token with whose it is, as it stands.
struct TokenView: Sendable {
    var row: AccessTokenRow
    /// The name of whose it is; nil: a service's.
    var user: String?
    var state: State

    /// Whether it lets in.
    enum State: String, Sendable, CaseIterable {
        case valid, expired, revoked
    }
}

extension Snapshot {
    /// Every token that was made, by name.
    func tokenViews() throws -> [TokenView] {
        let names = Dictionary(try accessUsers().map { ($0.userID, $0.name) }) { first, _ in first }
        return try accessTokens().map { token in
            let isOver = token.expiresAt.map { $0 <= now } ?? false
            return TokenView(
                row: token, user: token.userID.flatMap { names[$0] },
                state: token.revokedAt != nil ? .revoked : isOver ? .expired : .valid)
        }
    }

    /// A token of this name.
    func tokenView(_ name: String) throws -> TokenView {
        let token = try knownToken(name)
        guard let view = try tokenViews().first(where: { $0.row.tokenID == token.tokenID }) else {
            throw PerchError(.notFound, "there is no token '\(name.shown(60))'")
        }
        return view
    }
}
