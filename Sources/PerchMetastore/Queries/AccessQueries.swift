// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

extension Snapshot {
    /// How often who may was changed; 0: nobody was ever named.
    package func accessVersion() throws -> Int64 {
        try number("SELECT value FROM counter WHERE name = 'access_version'") ?? 0
    }

    /// Everybody who may do something; sessions that are over are left out.
    /// - Parameter idle: After so long without a sign a session is over.
    package func accessBook(idle: TimeSpan) throws -> AccessBook {
        var book = AccessBook()
        book.version = try accessVersion()
        for user in try accessUsers() { book.users[user.userID] = user }
        for token in try accessTokens() { book.tokens[token.digest] = token }
        for session in try sessions(of: nil, idle: idle) { book.sessions[session.digest] = session }
        return book
    }

    /// Sessions that are not over; nil: of everybody.
    /// - Parameter idle: After so long without a sign a session is over.
    package func sessions(of userID: Int64?, idle: TimeSpan) throws -> [AccessSessionRow] {
        try rows(
            """
            SELECT digest, user_id, csrf, created_at, seen_at, expires_at FROM access_session
            WHERE expires_at > :1 AND seen_at > :2 AND (CAST(:3 AS BIGINT) IS NULL OR user_id = :3)
            """, now, now + TimeSpan(microseconds: -idle.microseconds), userID
        ) {
            AccessSessionRow(
                digest: $0.text(0), userID: $0.int64(1), csrf: $0.text(2), createdAt: $0.time(3), seenAt: $0.time(4),
                expiresAt: $0.time(5))
        }
    }

    /// Who may everything: people who can log in, and tokens that let in, by name.
    package func administrators() throws -> (users: [String], tokens: [String]) {
        let all = try accessUsers().filter { $0.rights.role == .admin && !$0.isDisabled }
        let owners = Set(all.map(\.userID))
        let tokens = try accessTokens().filter { token in
            token.rights.role == .admin && token.revokedAt == nil && (token.expiresAt.map { $0 > now } ?? true)
                && (token.userID.map(owners.contains) ?? true)
        }
        return (all.filter { $0.password != nil }.map(\.name), tokens.map(\.name))
    }

    /// Everybody who can log in, or could, by name.
    package func accessUsers() throws -> [AccessUserRow] {
        let grants = try accessGrants()
        return try rows(
            "SELECT user_id, name, password, role, is_disabled, created_at FROM access_user ORDER BY name"
        ) { row in
            AccessUserRow(
                userID: row.int64(0), name: row.text(1), password: row.optionalText(2),
                rights: AccessRights(try row.name(3), grants: grants[row.int64(0)] ?? []), isDisabled: row.bool(4),
                createdAt: row.time(5))
        }
    }

    /// Every token that was made, by name.
    package func accessTokens() throws -> [AccessTokenRow] {
        let grants = try accessGrants()
        return try rows(
            """
            SELECT token_id, name, user_id, digest, role, created_at, expires_at, last_used_at, revoked_at
            FROM access_token ORDER BY name
            """
        ) { row in
            AccessTokenRow(
                tokenID: row.int64(0), name: row.text(1), userID: row.optionalInt64(2), digest: row.text(3),
                rights: AccessRights(try row.name(4), grants: grants[row.int64(0)] ?? []), createdAt: row.time(5),
                expiresAt: row.optionalTime(6), lastUsedAt: row.optionalTime(7), revokedAt: row.optionalTime(8))
        }
    }

    private func accessGrants() throws -> [Int64: [AccessGrant]] {
        var grants: [Int64: [AccessGrant]] = [:]
        try each("SELECT holder_id, role, pattern FROM access_grant ORDER BY holder_id, pattern") { row in
            grants[row.int64(0), default: []].append(AccessGrant(stored: try row.name(1), row.text(2)))
        }
        return grants
    }

    /// Somebody of this name.
    /// - Throws: `PerchError` (`notFound`) that says who there is.
    package func knownUser(_ name: String) throws -> AccessUserRow {
        let users = try accessUsers()
        if let user = users.first(where: { $0.name == name }) { return user }
        throw Self.unknown("user", name, users.map(\.name))
    }

    /// A token of this name, or this id.
    /// - Throws: `PerchError` (`notFound`) that says which there are.
    package func knownToken(_ name: String) throws -> AccessTokenRow {
        let tokens = try accessTokens()
        // A name may be a number, too.
        let found = tokens.first { $0.name == name } ?? tokens.first { String($0.tokenID) == name }
        if let found { return found }
        throw Self.unknown("token", name, tokens.map(\.name))
    }

    private static func unknown(_ what: String, _ name: String, _ known: [String]) -> PerchError {
        PerchError(
            .notFound,
            known.isEmpty
                ? "there is no \(what) '\(name.shown(60))', nor any other"
                : "there is no \(what) '\(name.shown(60))'; \(NearName.hint(name, known))")
    }
}
