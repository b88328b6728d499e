// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// What programs show, without what it is.
struct TokensPage {
    private let call: PageCall
    private let list: KeyedList<TokenView>
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let tokens: [TokenView]
        (tokens, now) = try await call.read { (try $0.tokenViews(), $0.now) }
        list = KeyedList(tokens, call) { $0.row.name }
    }

    // MARK: making and revoking

    /// Makes a token, and shows it in this answer alone: a link or a cookie would be kept.
    func create() async throws -> PageReply {
        var faults: FormFaults = [:]
        let name = call.form.text("name") ?? ""
        if let problem = StoredName.problem(name, "the name") { faults["name"] = problem }
        let role = call.form["role"].flatMap(AccessRole.init(rawValue:))
        if role == nil { faults["role"] = "choose one" }
        let patterns = (call.form.text("dags") ?? "").split { $0.isWhitespace || $0 == "," }.map(String.init)
        var expires: TimeSpan?
        do throws(PerchError) {
            for pattern in patterns { _ = try AccessGrant(.viewer, of: pattern) }
        } catch {
            faults["dags"] = error.message
        }
        do throws(PerchError) {
            expires = try call.form.text("expires").map { text throws(PerchError) in try TimeSpan(parsing: text) }
        } catch {
            faults["expires"] = error.message
        }
        guard faults.isEmpty, let role else { return content(faults).refused }
        var made: (secret: String, end: Timestamp?)?
        let (user, span) = (call.form.text("user"), expires)
        let fault = try await call.fault {
            made = try await call.makeToken(name, role, dags: patterns, user: user, expires: span)
        }
        guard let made else { return content(["": fault ?? "Nothing was made."]).refused }
        return .page(Self.shown(name, made.secret, made.end))
    }

    private static func shown(_ name: String, _ secret: String, _ end: Timestamp?) -> PageContent {
        PageContent(
            title: "The token \(name)", section: .users, trail: [("Tokens", "/tokens")],
            body: """
                <p class="flash" role="status">It is made, and shown this once: copy it now.</p>\
                <pre aria-label="The token">\(secret)</pre>\
                <p>It goes into a header, <code>Authorization: Bearer</code>. It ends: \
                \(end.map { HTML.time($0) } ?? "never").</p>\
                <p><a class="button main" href="/tokens">I have copied it</a></p>
                """)
    }

    static func revoke(_ call: PageCall) async throws -> PageReply {
        let name = call.name("token_name")
        try await call.changeAccess { try $0.revokeToken(name) }
        return .redirect(to: call.wayBack(or: "/tokens"), words: "\(name.shown(60)) is revoked.")
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Tokens", section: .users, tabs: UsersPage.tabs("/tokens"),
            body: HTML.alert(faults) + list.search("tokens") + table + list.pager + form(faults))
    }

    private var table: HTML {
        HTML.table(
            "Tokens",
            [
                PageColumn("Name"), PageColumn("Of", "mid"), PageColumn("Role", "tight"),
                PageColumn("For some DAGs", "wide"), PageColumn("State", "tight"), PageColumn("Ends", "tight mid"),
                PageColumn("Last used", "tight wide"), PageColumn("What can be done", "tight", isHidden: true),
            ], list.rows.map(row), empty: "There is no such token.")
    }

    private func row(_ view: TokenView) -> HTML {
        let token = view.row
        let user: HTML =
            view.user.map { "<a href=\"\(exact: PagePath.path(["users", $0]))\">\($0)</a>" } ?? HTML.soft("a service")
        let button: HTML =
            view.state == .revoked
            ? .empty : call.button("Revoke", PagePath.path(["tokens", token.name, "revoke"]), kind: "quiet")
        return """
            <tr><th scope="row" class="wrap">\(token.name)</th><td class="mid wrap">\(user)</td>\
            <td class="tight">\(token.rights.role.rawValue)</td>\
            <td class="wide wrap">\(UsersPage.shown(token.rights.grants))</td><td class="tight">\(sign(view.state))</td>\
            <td class="tight mid">\(HTML.ago(token.expiresAt, now: now))</td>\
            <td class="tight wide">\(HTML.ago(token.lastUsedAt, now: now))</td><td class="tight">\(button)</td></tr>
            """
    }

    private func sign(_ state: TokenView.State) -> HTML {
        switch state {
        case .valid: "<span class=\"st success\"><i aria-hidden=\"true\">✓</i>valid</span>"
        case .expired: "<span class=\"st queued\"><i aria-hidden=\"true\">≡</i>expired</span>"
        case .revoked: "<span class=\"st failed\"><i aria-hidden=\"true\">✕</i>revoked</span>"
        }
    }

    private func form(_ faults: FormFaults) -> HTML {
        let name = FormField(
            name: "name", words: "Name", hint: "Letters, digits, '_', '-' and '.'.", fault: faults["name"])
        let role = FormField(name: "role", words: "Role", hint: "What it lets do.", fault: faults["role"])
        let dags = FormField(
            name: "dags", words: "Only with these DAGs",
            hint: "Ids, with * for any characters and ? for one, and blanks between them; left empty, all.",
            fault: faults["dags"])
        let user = FormField(
            name: "user", words: "Of a user",
            hint: "It may no more than they, and goes with them; left empty, it is a service's.")
        let expires = FormField(
            name: "expires", words: "Ends after", hint: "As 90d or 12h; left empty, never.", fault: faults["expires"])
        return HTML.folded(
            "Make a token…", isOpen: !faults.isEmpty,
            call.form(
                "/tokens",
                """
                <div class="fields">\(name.line(call.form["name"] ?? "", " autocomplete=\"off\" required"))\
                \(role.select(UsersPage.roles, call.form["role"] ?? AccessRole.viewer.rawValue))\
                \(dags.line(call.form["dags"] ?? ""))\(user.line(call.form["user"] ?? ""))\
                \(expires.line(call.form["expires"] ?? "90d"))</div><button class="main">Make the token</button>
                """))
    }
}
