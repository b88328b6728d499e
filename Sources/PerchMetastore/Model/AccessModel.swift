// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What somebody may do. Each role may what those before it may.
package enum AccessRole: String, Sendable, CaseIterable, Comparable {
    /// Nothing: for who has other roles for some DAGs.
    case nothing = "none"
    /// Send events, and read figures.
    case events
    /// Look at everything but secrets.
    case viewer
    /// Start runs, pause DAGs, answer approvals.
    case user
    /// Start, end and repeat all work.
    case `operator`
    /// Change what all work goes by, and who may do what.
    case admin

    package static func < (left: AccessRole, right: AccessRole) -> Bool { left.rank < right.rank }

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension AccessRole: SQLConvertible {
    package var sqlValue: SQLValue { .text(rawValue) }
}

/// A role for the DAGs whose ids a pattern fits.
package struct AccessGrant: Sendable, Hashable {
    package var role: AccessRole
    /// `*` stands for any characters, `?` for one.
    package var pattern: String

    /// - Throws: `PerchError` (`invalid`) for a pattern that no DAG's id could fit.
    package init(_ role: AccessRole, of pattern: String) throws(PerchError) {
        let plain = pattern.filter { $0 != "*" && $0 != "?" }
        let problem = plain.isEmpty ? nil : StoredName.problem(plain, "what stands beside '*' and '?' in the pattern")
        guard !pattern.isEmpty, pattern.utf8.count <= 250, problem == nil else {
            throw PerchError(
                .invalid,
                problem ?? "the pattern is a DAG's id, with '*' and '?' for what may be there, such as orders_*")
        }
        self.role = role
        self.pattern = pattern
    }

    init(stored role: AccessRole, _ pattern: String) {
        self.role = role
        self.pattern = pattern
    }

    /// Whether a DAG is one of these.
    package func fits(_ dagID: String) -> Bool {
        let (pattern, name) = (Array(pattern.unicodeScalars), Array(dagID.unicodeScalars))
        var (place, other) = (0, 0)
        // The last star, and what of the name it stands for so far.
        var star: (place: Int, end: Int)?
        while other < name.count {
            if place < pattern.count, pattern[place] == "*" {
                star = (place, other)
                place += 1
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == name[other] {
                place += 1
                other += 1
            } else if let last = star {
                star = (last.place, last.end + 1)
                (place, other) = (last.place + 1, last.end + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}

/// A role, and the roles for some DAGs that go beyond it.
package struct AccessRights: Sendable, Hashable {
    package var role: AccessRole
    package var grants: [AccessGrant]

    package init(_ role: AccessRole, grants: [AccessGrant] = []) {
        self.role = role
        self.grants = grants
    }

    /// The role for one DAG.
    package func role(for dagID: String) -> AccessRole {
        grants.reduce(role) { $1.fits(dagID) ? max($0, $1.role) : $0 }
    }

    /// The highest role that there is for any DAG.
    package var highest: AccessRole { grants.reduce(role) { max($0, $1.role) } }
}

/// Somebody who logs in.
package struct AccessUserRow: Sendable, Hashable {
    package var userID: Int64
    package var name: String
    /// The hash, with how it was made; nil: nobody logs in by it.
    package var password: String?
    package var rights: AccessRights
    package var isDisabled: Bool
    package var createdAt: Timestamp
}

/// What a program shows, without what it shows.
package struct AccessTokenRow: Sendable, Hashable {
    package var tokenID: Int64
    package var name: String
    /// Whose it is, and that it may no more than he; nil: a service's.
    package var userID: Int64?
    package var digest: String
    package var rights: AccessRights
    package var createdAt: Timestamp
    package var expiresAt: Timestamp?
    package var lastUsedAt: Timestamp?
    package var revokedAt: Timestamp?
}

/// Somebody who is logged in.
package struct AccessSessionRow: Sendable, Hashable {
    package var digest: String
    package var userID: Int64
    package var csrf: String
    package var createdAt: Timestamp
    package var seenAt: Timestamp
    package var expiresAt: Timestamp

    package init(
        digest: String, userID: Int64, csrf: String, createdAt: Timestamp, seenAt: Timestamp, expiresAt: Timestamp
    ) {
        self.digest = digest
        self.userID = userID
        self.csrf = csrf
        self.createdAt = createdAt
        self.seenAt = seenAt
        self.expiresAt = expiresAt
    }
}

/// Everybody who may do something, at a moment.
package struct AccessBook: Sendable {
    /// Counts changes; 0: nobody was ever named.
    package var version: Int64 = 0
    package var users: [Int64: AccessUserRow] = [:]
    package var tokens: [String: AccessTokenRow] = [:]
    package var sessions: [String: AccessSessionRow] = [:]

    package init() {}
}

/// Something that somebody has done.
package struct AuditEntry: Sendable, Hashable {
    package var who: String
    /// By what he was known: `token`, `session`, `command`, …
    package var how: String
    package var action: String
    /// What it was done to.
    package var subject: String
    /// Never anything secret.
    package var details: JSONValue

    package init(who: String, how: String, action: String, subject: String, details: JSONValue = .object([:])) {
        self.who = who
        self.how = how
        self.action = action
        self.subject = subject
        self.details = details
    }
}

/// Such an entry as it is stored.
package struct AuditRow: Sendable, Hashable {
    package var auditID: Int64
    package var at: Timestamp
    package var entry: AuditEntry
}
