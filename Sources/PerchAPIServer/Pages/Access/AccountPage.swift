// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What somebody who has logged in may, and does to their own account.
struct AccountPage {
    private let call: PageCall
    /// Nil where whoever asks has not logged in, but is known by a token or by nothing.
    private let user: AccessUserRow?
    private let sessions: [AccessSessionRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let name = call.caller.way == .session ? call.caller.name : nil
        (user, sessions, now) = try await call.read { snapshot in
            guard let name else { return (nil, [], snapshot.now) }
            let user = try snapshot.knownUser(name)
            return (user, try snapshot.sessions(of: user.userID, idle: SessionTerms.idle), snapshot.now)
        }
    }

    /// The session by which this is asked.
    private var own: String? { call.cookies[SessionTerms.cookie].map { AccessSecret.digest($0) } }

    // MARK: changing

    private func known() throws(Refusal) -> AccessUserRow {
        guard let user else {
            throw Refusal(.badRequest, "invalid_request", "only who has logged in by a password has an account here")
        }
        return user
    }

    /// Another password, for whoever knows the one that there is. It ends all other sessions.
    func changePassword() async throws -> PageReply {
        let user = try known()
        var faults: FormFaults = [:]
        let attempt = LoginLimit.Try(name: user.name, address: "account of \(user.name)")
        if let pause = call.access.limit.pause(attempt, now: now) {
            return content(["current_password": "too many were wrong: try again in \(pause) seconds"]).refused
        }
        guard try await call.access.passwords.fits(call.form["current_password"] ?? "", user.password) else {
            call.access.limit.failed(attempt, now: now)
            let entry = AuditEntry(
                who: user.name, how: call.caller.how, action: "password_failed", subject: "account")
            try await call.metastore.write { try $0.audit(entry) }
            return content(["current_password": "it is not your password"]).refused
        }
        call.access.limit.succeeded(attempt)
        guard let hash = try await call.hash(of: "password", again: "password_again", &faults) else {
            return content(faults).refused
        }
        let own = own
        try await call.changeAccess { try $0.setPassword(of: user.name, hash, keeping: own) }
        return .redirect(to: "/account", words: "You have another password, and your other sessions have ended.")
    }

    func endSessions() async throws -> PageReply {
        let (user, own) = (try known(), own)
        try await call.changeAccess { try $0.endSessions(of: user.name, but: own) }
        return .redirect(to: "/account", words: "Your other sessions have ended.")
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        guard let user else {
            let how =
                call.caller.way == .open
                ? "Everybody on this machine may do everything here, as long as nobody is named: nobody has an account yet."
                : "You are known by a token: only who has logged in by a password has an account here."
            return PageContent(title: "Account", section: .account, body: "<p>\(how)</p>")
        }
        return PageContent(
            title: "Account of \(user.name)", section: .account,
            aside: call.form("/logout", "<button>Log out</button>"),
            body: HTML.alert(faults) + facts(user) + password(faults) + others)
    }

    private func facts(_ user: AccessUserRow) -> HTML {
        HTML.facts([
            ("Role", "\(user.rights.role.rawValue): \(user.rights.role.words)"),
            ("For some DAGs", UsersPage.shown(user.rights.grants)),
        ])
    }

    private func password(_ faults: FormFaults) -> HTML {
        let current = FormField(
            name: "current_password", words: "Your password", hint: "The one that there is now.",
            fault: faults["current_password"])
        return HTML.section(
            "another", "Another password",
            call.form(
                "/account/password", class: "box",
                """
                <div class="fields">\(current.password(isNew: false))\(FormField.newPassword(faults))</div>\
                <button class="main">Change the password</button> \
                <span class="soft">It ends your other sessions.</span>
                """))
    }

    private var others: HTML {
        let rows = sessions.sorted { $0.seenAt > $1.seenAt }.prefix(50).map { session -> HTML in
            let mark: HTML = session.digest == own ? "this one" : "another"
            return """
                <tr><th scope="row" class="tight">\(mark)</th><td class="tight">\(HTML.ago(session.createdAt, now: now))</td>\
                <td class="tight">\(HTML.ago(session.seenAt, now: now))</td>\
                <td class="tight mid">\(HTML.ago(session.expiresAt, now: now))</td></tr>
                """
        }
        let table = HTML.table(
            "Where you are logged in",
            [
                PageColumn("Session"), PageColumn("Since", "tight"), PageColumn("Last seen", "tight"),
                PageColumn("Ends", "tight mid"),
            ], Array(rows), empty: "You are not logged in.")
        let button: HTML = .when(sessions.count > 1, call.button("End all others", "/account/sessions", kind: "risk"))
        return HTML.section("sessions", "Sessions", table + button)
    }
}
