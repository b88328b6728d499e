// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PageRoute {
    static let access: [PageRoute] = [
        PageRoute.page("/users") { call in try await UsersPage(call).content }.asking(.admin),
        PageRoute.action("/users", .admin) { call in try await UsersPage(call).create() },
        PageRoute.page("/users/{user_name}") { call in try await UserPage(call).content }.asking(.admin),
        PageRoute.action("/users/{user_name}", .admin) { call in try await UserPage(call).change() },
        PageRoute.page("/tokens") { call in try await TokensPage(call).content }.asking(.admin),
        PageRoute.action("/tokens", .admin) { call in try await TokensPage(call).create() },
        PageRoute.action("/tokens/{token_name}/revoke", .admin) { call in try await TokensPage.revoke(call) },
        PageRoute.page("/account") { call in try await AccountPage(call).content }.asking(.nothing).ofSome,
        PageRoute.action("/account/password", .nothing) { call in try await AccountPage(call).changePassword() }.ofSome,
        PageRoute.action("/account/sessions", .nothing) { call in try await AccountPage(call).endSessions() }.ofSome,
    ]
}

/// Everybody who logs in.
struct UsersPage {
    private let call: PageCall
    private let list: KeyedList<AccessUserRow>
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let users: [AccessUserRow]
        (users, now) = try await call.read { (try $0.accessUsers(), $0.now) }
        list = KeyedList(users, call) { $0.name }
    }

    /// The two lists of who may.
    static func tabs(_ current: String) -> [PageTab] {
        [("Users", "/users"), ("Tokens", "/tokens")].map { words, path in
            PageTab(words: words, path: path, isCurrent: path == current)
        }
    }

    /// The roles as a form has them.
    static var roles: [FormField.Choice] {
        AccessRole.allCases.map { FormField.Choice($0.rawValue, "\($0.rawValue): \($0.words)") }
    }

    // MARK: making one

    func create() async throws -> PageReply {
        var faults: FormFaults = [:]
        let name = call.form.text("name") ?? ""
        if let problem = StoredName.problem(name, "the name") { faults["name"] = problem }
        let role = call.form["role"].flatMap(AccessRole.init(rawValue:))
        if role == nil { faults["role"] = "choose one" }
        let hash = try await call.hash(of: "password", again: "password_again", &faults)
        guard faults.isEmpty, let role, let hash else { return content(faults).refused }
        let fault = try await call.fault {
            try await call.changeAccess { try $0.createUser(name, password: hash, role: role) }
        }
        if let fault { return content(["": fault]).refused }
        return .redirect(to: PagePath.path(["users", name]), words: "\(name) may log in, as \(role.rawValue).")
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Users", section: .users, tabs: Self.tabs("/users"),
            body: HTML.alert(faults) + list.search("users") + table + list.pager + form(faults))
    }

    private var table: HTML {
        HTML.table(
            "Users",
            [
                PageColumn("Name"), PageColumn("Role", "tight"), PageColumn("For some DAGs", "mid"),
                PageColumn("State", "tight"), PageColumn("Made", "tight mid"),
            ], list.rows.map(row), empty: "There is nobody like that.")
    }

    private func row(_ user: AccessUserRow) -> HTML {
        let link = PagePath.path(["users", user.name])
        return """
            <tr><th scope="row" class="wrap"><a href="\(exact: link)">\(user.name)</a></th>\
            <td class="tight">\(user.rights.role.rawValue)</td><td class="mid wrap">\(Self.shown(user.rights.grants))</td>\
            <td class="tight">\(Self.state(user))</td><td class="tight mid">\(HTML.ago(user.createdAt, now: now))</td></tr>
            """
    }

    /// Roles for some DAGs; of many the first.
    static func shown(_ grants: [AccessGrant]) -> HTML {
        guard !grants.isEmpty else { return HTML.soft("–") }
        let some = grants.prefix(5).map { grant -> HTML in "\(grant.role.rawValue) <code>\(grant.pattern)</code>" }
        let more: HTML = .when(grants.count > 5, " and \(grants.count - 5) others")
        return some.joined(by: ", ") + more
    }

    static func state(_ user: AccessUserRow) -> HTML {
        if user.isDisabled { return "<span class=\"st failed\"><i aria-hidden=\"true\">✕</i>disabled</span>" }
        return user.password == nil
            ? "<span class=\"st queued\"><i aria-hidden=\"true\">≡</i>no password</span>"
            : "<span class=\"st success\"><i aria-hidden=\"true\">✓</i>may log in</span>"
    }

    private func form(_ faults: FormFaults) -> HTML {
        let name = FormField(
            name: "name", words: "Name", hint: "Letters, digits, '_', '-' and '.'.", fault: faults["name"])
        let role = FormField(
            name: "role", words: "Role", hint: "For all DAGs; more for some of them is given later.",
            fault: faults["role"])
        return HTML.folded(
            "Make a user…", isOpen: !faults.isEmpty,
            call.form(
                "/users",
                """
                <div class="fields">\(name.line(call.form["name"] ?? "", " autocomplete=\"off\" required"))\
                \(role.select(Self.roles, call.form["role"] ?? AccessRole.viewer.rawValue))\
                \(FormField.newPassword(faults))</div><button class="main">Make the user</button>
                """))
    }
}

extension FormField {
    /// A new password, twice.
    static func newPassword(_ faults: FormFaults) -> HTML {
        let password = FormField(
            name: "password", words: "New password", hint: "At least \(PasswordHash.shortest) characters.",
            fault: faults["password"])
        let again = FormField(
            name: "password_again", words: "The same once more", hint: "So that it is what was meant.",
            fault: faults["password_again"])
        return password.password(isNew: true) + again.password(isNew: true)
    }
}

extension PageCall {
    /// The hash of a password that a form has twice; nil where something is wrong with the form, be it the password.
    func hash(of name: String, again: String, _ faults: inout FormFaults) async throws -> String? {
        guard let password = form[name], !password.isEmpty else {
            faults[name] = "it is needed"
            return nil
        }
        guard password == form[again] else {
            faults[again] = "the two are not the same"
            return nil
        }
        // It takes a while: only for a form that is right else.
        guard faults.isEmpty else { return nil }
        do {
            return try await access.passwords.hash(password)
        } catch let error as PerchError where error.code == .invalid {
            faults[name] = error.message
            return nil
        }
    }
}
