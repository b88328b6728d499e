// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// A token that is to be made.
package struct NewAccessToken: Sendable {
    package var name: String
    /// SHA-256 of what is shown, in hexadecimal digits.
    package var digest: String
    package var rights: AccessRights
    /// The name of whose it is; nil: a service's.
    package var user: String?
    package var expiresAt: Timestamp?

    package init(
        name: String, digest: String, rights: AccessRights, user: String? = nil, expiresAt: Timestamp? = nil
    ) {
        self.name = name
        self.digest = digest
        self.rights = rights
        self.user = user
        self.expiresAt = expiresAt
    }
}

extension Transaction {
    /// Makes a user.
    /// - Parameter password: Its hash; nil: nobody logs in by it.
    /// - Throws: `invalid` for a name that none may have, `conflict` for one that is taken.
    package func createUser(_ name: String, password: String?, role: AccessRole) throws {
        if let problem = StoredName.problem(name, "the name of the user") { throw PerchError(.invalid, problem) }
        let count = try run(
            """
            INSERT INTO access_user (user_id, name, password, role, is_disabled, created_at)
            VALUES (:1, :2, :3, :4, 0, :5) ON CONFLICT DO NOTHING
            """, try nextID(), name, password, role, now)
        guard count == 1 else { throw PerchError(.conflict, "there is a user '\(name)' already") }
        try accessHasChanged()
    }

    /// Gives a user another password; who is logged in under the name has to log in anew.
    /// - Parameter session: The digest of a session that goes on: that of the one who does it himself.
    package func setPassword(of name: String, _ password: String, keeping session: String? = nil) throws {
        let user = try knownUser(name)
        try run("UPDATE access_user SET password = :2 WHERE user_id = :1", user.userID, password)
        try endSessions(of: user.userID, but: session)
    }

    /// Ends the sessions of a user.
    /// - Parameter session: The digest of one that goes on; nil: all end.
    package func endSessions(of name: String, but session: String?) throws {
        try endSessions(of: try knownUser(name).userID, but: session)
    }

    /// Gives a user another role, from the next look at it on.
    package func setRole(of name: String, _ role: AccessRole) throws {
        try run("UPDATE access_user SET role = :2 WHERE user_id = :1", try knownUser(name).userID, role)
        try accessHasChanged()
    }

    /// Lets a user in no more, nor his tokens; or lets him in again.
    package func setDisabled(_ name: String, _ isDisabled: Bool) throws {
        let user = try knownUser(name)
        try run("UPDATE access_user SET is_disabled = :2 WHERE user_id = :1", user.userID, isDisabled)
        try endSessions(of: user.userID)
    }

    /// Removes a user, with his tokens.
    package func deleteUser(_ name: String) throws {
        let user = try knownUser(name)
        try run(
            """
            DELETE FROM access_grant WHERE holder_id = :1
                OR holder_id IN (SELECT token_id FROM access_token WHERE user_id = :1)
            """, user.userID)
        try run("DELETE FROM access_token WHERE user_id = :1", user.userID)
        try run("DELETE FROM access_user WHERE user_id = :1", user.userID)
        try endSessions(of: user.userID)
    }

    /// Gives a user a role for some DAGs, over what he had for the same pattern.
    package func grant(_ grant: AccessGrant, to name: String) throws {
        try store(grant, of: try knownUser(name).userID)
        try accessHasChanged()
    }

    /// Takes back what a user was given for a pattern.
    /// - Throws: `notFound` where that is nothing.
    package func revokeGrant(of pattern: String, from name: String) throws {
        let user = try knownUser(name)
        let count = try run(
            "DELETE FROM access_grant WHERE holder_id = :1 AND pattern = :2", user.userID, pattern)
        guard count == 1 else {
            let known = user.rights.grants.map(\.pattern)
            throw PerchError(
                .notFound,
                known.isEmpty
                    ? "'\(name)' has no role for some DAGs alone"
                    : "'\(name)' has no role for '\(pattern.shown(60))'; \(NearName.hint(pattern, known))")
        }
        try accessHasChanged()
    }

    private func store(_ grant: AccessGrant, of holderID: Int64) throws {
        try run(
            """
            INSERT INTO access_grant (holder_id, pattern, role) VALUES (:1, :2, :3)
            ON CONFLICT (holder_id, pattern) DO UPDATE SET role = :3
            """, holderID, grant.pattern, grant.role)
    }

    /// Makes a token; gives its id.
    /// - Throws: `invalid` for a name that none may have, `conflict` for one that is taken.
    package func createToken(_ token: NewAccessToken) throws -> Int64 {
        if let problem = StoredName.problem(token.name, "the name of the token") { throw PerchError(.invalid, problem) }
        if let end = token.expiresAt, end <= now {
            throw PerchError(.invalid, "the token would end at \(end), which has passed")
        }
        let userID = try token.user.map { try knownUser($0).userID }
        let tokenID = try nextID()
        let count = try run(
            """
            INSERT INTO access_token (token_id, name, user_id, digest, role, created_at, expires_at)
            VALUES (:1, :2, :3, :4, :5, :6, :7) ON CONFLICT DO NOTHING
            """, tokenID, token.name, userID, token.digest, token.rights.role, now, token.expiresAt)
        guard count == 1 else { throw PerchError(.conflict, "there is a token '\(token.name)' already") }
        for grant in token.rights.grants { try store(grant, of: tokenID) }
        try accessHasChanged()
        return tokenID
    }

    /// Lets a token in no more. Its row stays, as that it was there.
    /// - Throws: `conflict` where it was revoked before.
    package func revokeToken(_ name: String) throws {
        let token = try knownToken(name)
        guard token.revokedAt == nil else {
            throw PerchError(.conflict, "the token '\(token.name)' was revoked before")
        }
        try run("UPDATE access_token SET revoked_at = :2 WHERE token_id = :1", token.tokenID, now)
        try accessHasChanged()
    }

    /// Records that a token was used. Nobody who has read it before need read it anew.
    package func touchToken(_ tokenID: Int64) throws {
        try run("UPDATE access_token SET last_used_at = :2 WHERE token_id = :1", tokenID, now)
    }

    /// Begins a session, and forgets those that are over.
    package func createSession(_ session: AccessSessionRow) throws {
        try run("DELETE FROM access_session WHERE expires_at <= :1", now)
        try run(
            """
            INSERT INTO access_session (digest, user_id, csrf, created_at, seen_at, expires_at)
            VALUES (:1, :2, :3, :4, :5, :6)
            """, session.digest, session.userID, session.csrf, session.createdAt, session.seenAt, session.expiresAt)
        try accessHasChanged()
    }

    /// Records that a session shows a sign of life.
    package func touchSession(_ digest: String) throws {
        try run("UPDATE access_session SET seen_at = :2 WHERE digest = :1", digest, now)
    }

    /// Ends a session.
    package func deleteSession(_ digest: String) throws {
        try run("DELETE FROM access_session WHERE digest = :1", digest)
        try accessHasChanged()
    }

    private func endSessions(of userID: Int64, but session: String? = nil) throws {
        try run("DELETE FROM access_session WHERE user_id = :1 AND digest <> :2", userID, session ?? "")
        try accessHasChanged()
    }

    private func accessHasChanged() throws { _ = try advanceCounter("access_version", by: 1) }

    /// Records what somebody does in this transaction.
    package func audit(_ entry: AuditEntry) throws {
        try run(
            """
            INSERT INTO audit_log (audit_id, at, who, how, action, subject, details)
            VALUES (:1, :2, :3, :4, :5, :6, :7)
            """, try advanceCounter("audit", by: 1), now, entry.who, entry.how, entry.action, entry.subject,
            entry.details.text)
    }
}
