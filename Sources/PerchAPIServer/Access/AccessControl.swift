// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchMetastore
import PerchSDK

/// Decides who may do what: by token or session before the body is read, by signature once it is there. Everything secret is
/// compared in a time that does not depend on it.
///
/// It decides by what `register` has read last, without waiting for anything; whoever asks has that refreshed first.
struct AccessControl: Sendable {
    let tokens: [(digest: SHA256Digest, right: APIRight)]
    let keys: [SymmetricKey]
    let signatureTime: TimeSpan
    private let isReachable: Bool
    /// Whether it may be open to everybody on this machine, as long as nobody was named.
    private let mayBeOpen: Bool
    /// Who is named in the metastore; nil where there is none.
    let register: AccessRegister?
    let passwords: PasswordDesk
    /// Slows down whoever guesses them, wherever that is.
    let limit = LoginLimit()

    /// - Parameter isReachable: Whether other machines can reach the server.
    init(
        _ credentials: Credentials, signatureTime: TimeSpan, isReachable: Bool = false, mayBeOpen: Bool = true,
        register: AccessRegister? = nil, passwordCost: Int = APILimits().passwordCost
    ) {
        passwords = PasswordDesk(cost: passwordCost)
        self.isReachable = isReachable
        self.mayBeOpen = mayBeOpen
        self.register = register
        tokens = credentials.tokens.map { (SHA256.hash(data: Array($0.text.utf8)), $0.right) }
        keys = credentials.secrets.map { SymmetricKey(data: Array($0.utf8)) }
        self.signatureTime = signatureTime
    }

    /// Whether it is open to everybody on this machine: nobody is named in the settings, nor ever was in the metastore.
    private var isOpen: Bool {
        guard tokens.isEmpty, keys.isEmpty, mayBeOpen else { return false }
        guard let register else { return true }
        return register.book?.version == 0
    }

    /// Looks at the head of a request that sends events.
    /// - Throws: `Refusal`: 401 where neither a right token nor a signature came, 403 for a page in a browser.
    func admit(_ fields: HTTPFields, host: String? = nil) throws(Refusal) {
        if isOpen {
            // Whoever is on this machine may send, but not the pages that his browser shows.
            guard fields[.origin] == nil else {
                throw Refusal(
                    .forbidden, "forbidden", "a page of a browser sends nothing here while the API has no token")
            }
            return
        }
        if let caller = try known(fields) {
            try check(caller, fields, .post, host)
            return try require(.events, of: caller)
        }
        guard !keys.isEmpty, Self.signature(in: fields) != nil else { throw refusal("there is no token") }
    }

    /// Looks at the head of a request that only reads, where there is no body to be signed.
    /// - Throws: `Refusal`: 401 without a right token, 403 for a page in a browser.
    func admitReader(_ fields: HTTPFields) throws(Refusal) {
        if isOpen {
            guard !isReachable else {
                throw Refusal(
                    .forbidden, "forbidden",
                    "other machines can reach this address, and what is read needs a token then: set api.token_file")
            }
            return try admit(fields)
        }
        try require(.events, of: try caller(fields))
    }

    /// Looks at the head of a request that reads or steers. A signature is none of its keys: it signs a body, and not what is to
    /// be done with it.
    /// - Parameters:
    ///   - needed: What the caller has to be allowed to do.
    ///   - reach: With what.
    ///   - host: What the sender calls this server.
    ///   - method: Anything but a look has to show that no other site's page sends it.
    ///   - takesForms: Whether the body may be a form, and `check(csrf:of:)` is asked about it later.
    /// - Returns: Who asks.
    /// - Throws: `Refusal`: 401 without a token, 403 where it lets do less; 403 for a page in a browser, also where it has this
    ///   machine's address pass for its own.
    func admitOwner(
        _ fields: HTTPFields, to needed: APIRight, of reach: Endpoint.Reach = .everything, host: String?,
        method: HTTPRequest.Method = .get, takesForms: Bool = false
    ) throws(Refusal) -> Caller {
        if isOpen {
            try checkOpen(fields, host)
            // Where there is no token, everybody on this machine may do everything.
            return Caller(name: "api", right: .admin)
        }
        let caller = try caller(fields)
        try check(caller, fields, method, host, takesForms: takesForms)
        try require(needed, reach, of: caller)
        return caller
    }

    // MARK: who it is

    /// - Throws: `Refusal` (401) where nobody is known.
    private func caller(_ fields: HTTPFields) throws(Refusal) -> Caller {
        if let caller = try known(fields) { return caller }
        throw refusal(
            Self.signature(in: fields) != nil && tokens.isEmpty && !keys.isEmpty
                ? "a signature is for what is sent, and what is read needs a token: set api.token" : "there is no token"
        )
    }

    /// Nil where nothing is shown at all.
    /// - Throws: `Refusal` (401) where what is shown is wrong, or over.
    private func known(_ fields: HTTPFields) throws(Refusal) -> Caller? {
        if let shown = fields[.authorization] {
            guard let caller = try bearer(shown) else { throw refusal("the token is wrong") }
            return caller
        }
        guard let shown = Self.cookie(SessionTerms.cookie, in: fields) else { return nil }
        guard let (user, session) = session(shown) else { throw refusal("the session has ended: log in again") }
        var caller = Caller(name: user.name, right: user.rights.role, grants: user.rights.grants)
        caller.csrf = session.csrf
        caller.way = .session
        return caller
    }

    /// Whether something is shown that is neither of the settings nor known of the metastore.
    func isUnknown(_ fields: HTTPFields) -> Bool {
        guard let book = register?.book else { return false }
        if let shown = fields[.authorization] {
            let parts = shown.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
            let text = String(parts[1])
            return book.tokens[AccessSecret.digest(text)] == nil && !isOfSettings(text)
        }
        guard let shown = Self.cookie(SessionTerms.cookie, in: fields) else { return false }
        return book.sessions[AccessSecret.digest(shown)] == nil
    }

    private func isOfSettings(_ text: String) -> Bool {
        let given = SHA256.hash(data: Array(text.utf8))
        return tokens.reduce(false) { isOne, token in token.digest == given || isOne }
    }

    private func bearer(_ shown: String) throws(Refusal) -> Caller? {
        let parts = shown.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let given = SHA256.hash(data: Array(parts[1].utf8))
        // Digests are compared, which takes the same time wherever they differ, and whatever the lengths of the tokens.
        let right: APIRight? = tokens.reduce(nil) { right, token in
            token.digest == given ? max(right ?? .events, token.right) : right
        }
        if let right {
            var caller = Caller(name: "api", right: right)
            caller.way = .token
            return caller
        }
        guard let register, let token = register.book?.tokens[AccessSecret.digest(String(parts[1]))] else { return nil }
        guard token.revokedAt == nil else { throw refusal("the token was revoked") }
        if let end = token.expiresAt, end <= register.metastore.clock.now { throw refusal("the token has expired") }
        var caller = Caller(name: token.name, right: token.rights.role, grants: token.rights.grants)
        caller.way = .token
        caller.token = token.name
        if let userID = token.userID {
            guard let user = register.book?.users[userID], !user.isDisabled else {
                throw refusal("the token is of a user who is disabled")
            }
            caller.name = user.name
            caller.bound = user.rights
        }
        return caller
    }

    private func session(_ shown: String) -> (user: AccessUserRow, session: AccessSessionRow)? {
        guard let register, let book = register.book, let session = book.sessions[AccessSecret.digest(shown)],
            let user = book.users[session.userID], !user.isDisabled
        else { return nil }
        let now = register.metastore.clock.now
        guard session.expiresAt > now, session.seenAt + SessionTerms.idle + AccessRegister.age > now else { return nil }
        return (user, session)
    }

    /// Records that what was shown was used.
    func note(_ fields: HTTPFields) async {
        guard let register, let book = register.book else { return }
        if let shown = fields[.authorization] {
            let text = shown.split(separator: " ", maxSplits: 1).last.map(String.init) ?? ""
            if let token = book.tokens[AccessSecret.digest(text)] { await register.note(.token(token)) }
        } else if let shown = Self.cookie(SessionTerms.cookie, in: fields), let (_, session) = session(shown) {
            await register.note(.session(session))
        }
    }

    // MARK: what they may

    private func require(
        _ needed: APIRight, _ reach: Endpoint.Reach = .everything, of caller: Caller
    ) throws(Refusal) {
        let (has, what): (APIRight, String) =
            switch reach {
            case .everything: (caller.everywhere, "")
            case .something: (caller.highest, "")
            case .dag(let id): (caller.right(for: id), " with the DAG '\(id.shown(60))'")
            }
        guard has < needed else { return }
        throw Self.forbidden(has, needed, what)
    }

    /// Somebody may less than something asks for.
    static func forbidden(_ has: APIRight, _ needed: APIRight, _ what: String = "") -> Refusal {
        Refusal(
            .forbidden, "forbidden",
            "who asks may \(has.words)\(what), and would have to be allowed to \(needed.words): the role '\(needed.rawValue)'"
        )
    }

    // MARK: browsers

    private func checkOpen(_ fields: HTTPFields, _ host: String?) throws(Refusal) {
        guard !isReachable else {
            throw Refusal(
                .forbidden, "forbidden",
                "other machines can reach this address, and what is read needs a token then: set api.token_file")
        }
        guard ListenAddress.isAddress(host ?? "") else {
            throw Refusal(
                .forbidden, "forbidden",
                "while the API has no token it is asked by an IP address or as localhost, not as '\((host ?? "").shown(60))'"
            )
        }
        guard Self.isOwnPage(fields, host) else {
            throw Refusal(
                .forbidden, "forbidden", "a page of another site asks nothing here while the API has no token")
        }
    }

    /// What is known by a cookie is sent by browsers, whoever's page asks them to: it has to show that the page is ours.
    private func check(
        _ caller: Caller, _ fields: HTTPFields, _ method: HTTPRequest.Method, _ host: String?, takesForms: Bool = false
    ) throws(Refusal) {
        guard let csrf = caller.csrf, method != .get, method != .head else { return }
        guard Self.isOwnPage(fields, host) else {
            throw Refusal(.forbidden, "forbidden", "a page of another site changes nothing here")
        }
        if takesForms, fields[.csrfToken] == nil { return }
        guard let given = fields[.csrfToken], AccessSecret.areSame(given, csrf) else {
            throw Refusal(
                .forbidden, "csrf",
                "what a session changes carries its token in X-CSRF-Token, or in the field 'csrf' of a form")
        }
    }

    /// Looks at the field `csrf` of a form, where the caller needs one and has not sent it in a header.
    /// - Throws: `Refusal` (403) where it is not that of the session.
    static func check(csrf given: String?, of caller: Caller, _ fields: HTTPFields) throws(Refusal) {
        guard let csrf = caller.csrf, fields[.csrfToken] == nil else { return }
        guard let given, AccessSecret.areSame(given, csrf) else {
            throw Refusal(.forbidden, "csrf", "the form is not of this session: load the page again")
        }
    }

    /// Whether a browser says that it asks for a page of this server, or nothing at all.
    static func isOwnPage(_ fields: HTTPFields, _ host: String?) -> Bool {
        guard let origin = fields[.origin] else { return true }
        guard let host, !host.isEmpty else { return false }
        return ["http://", "https://"].contains { origin.lowercased() == $0 + host.lowercased() }
    }

    /// The value of a cookie.
    static func cookie(_ name: String, in fields: HTTPFields) -> String? {
        for header in fields[values: .cookie] {
            for pair in header.split(separator: ";") {
                let sides = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1)
                if sides.count == 2, sides[0] == name { return String(sides[1]) }
            }
        }
        return nil
    }
}
