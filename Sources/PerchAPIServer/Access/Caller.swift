// SPDX-License-Identifier: Apache-2.0

import PerchMetastore

/// Who asks, and what they may do.
struct Caller: Sendable {
    /// By what somebody is known.
    enum Way: String, Sendable {
        /// As one who is on this machine, while nobody was ever named.
        case open
        case token, session
    }

    /// Whom what is done is recorded of.
    var name: String
    /// What they may do everywhere.
    var right: APIRight
    /// What they may do beyond that with some DAGs.
    var grants: [AccessGrant] = []
    /// What they may not go beyond: that of the token's owner.
    var bound: AccessRights?
    /// What a form that they send has to carry; nil where they are known by something that no browser sends by itself.
    var csrf: String?
    var way = Way.open
    /// Which token, for the record.
    var token: String?

    /// What they may do with one DAG.
    func right(for dagID: String) -> APIRight {
        let own = AccessRights(right, grants: grants).role(for: dagID)
        return bound.map { min(own, $0.role(for: dagID)) } ?? own
    }

    /// What they may do with everything.
    var everywhere: APIRight { bound.map { min(right, $0.role) } ?? right }

    /// What they may do with some DAG at most.
    var highest: APIRight {
        let own = AccessRights(right, grants: grants).highest
        return bound.map { min(own, $0.highest) } ?? own
    }

    /// As the record of what was done has it.
    var how: String { token.map { "token \($0)" } ?? way.rawValue }
}
