// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One user: what they may, and what is done to that.
struct UserPage {
    private let call: PageCall
    private let user: AccessUserRow
    private let tokens: [TokenView]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let name = call.name("user_name")
        (user, tokens, now) = try await call.read { snapshot in
            let user = try snapshot.knownUser(name)
            return (user, try snapshot.tokenViews().filter { $0.row.userID == user.userID }, snapshot.now)
        }
    }

    private var path: String { PagePath.path(["users", user.name]) }

    // MARK: changing

    func change() async throws -> PageReply {
        let name = user.name
        var faults: FormFaults = [:]
        var done = ""
        switch call.form["do"] {
        case "role":
            guard let role = call.form["role"].flatMap(AccessRole.init(rawValue:)) else {
                return content(["role": "choose one"]).refused
            }
            faults[""] = try await call.fault { try await call.changeAccess { try $0.setRole(of: name, role) } }
            done = "\(name) is \(role.rawValue)."
        case "grant":
            let role = call.form["grant_role"].flatMap(AccessRole.init(rawValue:))
            if role == nil { faults["grant_role"] = "choose one" }
            var grant: AccessGrant?
            do throws(PerchError) {
                grant = try AccessGrant(role ?? .viewer, of: call.form.text("pattern") ?? "")
            } catch {
                faults["pattern"] = error.message
            }
            guard faults.isEmpty, let grant else { return content(faults).refused }
            faults[""] = try await call.fault { try await call.changeAccess { try $0.grant(grant, to: name) } }
            done = "\(name) is \(grant.role.rawValue) for \(grant.pattern)."
        case "revoke":
            let pattern = call.form["pattern"] ?? ""
            faults[""] = try await call.fault {
                try await call.changeAccess { try $0.revokeGrant(of: pattern, from: name) }
            }
            done = "\(name) has no role for \(pattern.shown(60)) alone any more."
        case "password":
            guard let hash = try await call.hash(of: "password", again: "password_again", &faults) else {
                return content(faults).refused
            }
            faults[""] = try await call.fault { try await call.changeAccess { try $0.setPassword(of: name, hash) } }
            done = "\(name) has another password, and logs in anew."
        case "disable", "enable":
            let isDisabled = call.form["do"] == "disable"
            faults[""] = try await call.fault {
                try await call.changeAccess { try $0.setDisabled(name, isDisabled) }
            }
            done = "\(name) is \(isDisabled ? "disabled" : "enabled")."
        case "delete":
            faults[""] = try await call.fault { try await call.changeAccess { try $0.deleteUser(name) } }
            guard faults.isEmpty else { return content(faults).refused }
            return .redirect(to: "/users", words: "\(name) is deleted.")
        default:
            faults[""] = "What is to be done? 'do' is role, grant, revoke, password, disable, enable or delete."
        }
        return faults.isEmpty ? .redirect(to: path, words: done) : content(faults).refused
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: user.name, section: .users, trail: [("Users", "/users")],
            aside: "<div>\(UsersPage.state(user))</div>",
            body: HTML.alert(faults) + facts + role(faults) + grants(faults) + password(faults) + end)
    }

    private var facts: HTML {
        let shown = tokens.prefix(20).map { view -> HTML in "\(view.row.name) (\(view.state.rawValue))" }
        let more: HTML = .when(tokens.count > 20, " and others")
        return HTML.facts([
            ("Role", "\(user.rights.role.rawValue): \(user.rights.role.words)"),
            ("Made", "\(HTML.time(user.createdAt)) (\(HTML.ago(user.createdAt, now: now)))"),
            ("Tokens", tokens.isEmpty ? HTML.soft("none") : shown.joined(by: ", ") + more),
        ])
    }

    /// A form that says what is to be done.
    private func form(_ action: String, _ body: HTML) -> HTML {
        call.form(path, class: "box", "<input type=\"hidden\" name=\"do\" value=\"\(exact: action)\">\(body)")
    }

    private func role(_ faults: FormFaults) -> HTML {
        let role = FormField(name: "role", words: "For all DAGs", hint: "", fault: faults["role"])
        return HTML.section(
            "role", "Role",
            form(
                "role",
                """
                <div class="fields">\(role.select(UsersPage.roles, call.form["role"] ?? user.rights.role.rawValue))</div>\
                <button class="main">Give the role</button>
                """))
    }

    private func grants(_ faults: FormFaults) -> HTML {
        let rows = user.rights.grants.map { grant -> HTML in
            let button = call.button(
                "Take back", path, fields: [("do", "revoke"), ("pattern", grant.pattern)], kind: "quiet")
            return """
                <tr><th scope="row" class="wrap"><code>\(grant.pattern)</code></th>\
                <td class="tight">\(grant.role.rawValue)</td><td class="tight">\(button)</td></tr>
                """
        }
        let table = HTML.table(
            "Roles for some DAGs",
            [PageColumn("DAGs"), PageColumn("Role", "tight"), PageColumn("What can be done", "tight", isHidden: true)],
            rows, empty: "There is none for some DAGs alone.")
        let role = FormField(
            name: "grant_role", words: "Role for some DAGs",
            hint: "It adds to the one for all, and takes nothing away.",
            fault: faults["grant_role"])
        let pattern = FormField(
            name: "pattern", words: "DAGs", hint: "The id of a DAG, with * for any characters and ? for one: orders_*.",
            fault: faults["pattern"])
        return HTML.section(
            "grants", "For some DAGs",
            table
                + form(
                    "grant",
                    """
                    <div class="fields">\(role.select(UsersPage.roles, call.form["grant_role"] ?? AccessRole.user.rawValue))\
                    \(pattern.line(call.form["pattern"] ?? ""))</div><button>Give the role for these</button>
                    """))
    }

    private func password(_ faults: FormFaults) -> HTML {
        HTML.section(
            "another", "Another password",
            form(
                "password",
                """
                <div class="fields">\(FormField.newPassword(faults))</div>\
                <button>Set the password</button> <span class="soft">It ends their sessions.</span>
                """))
    }

    private var end: HTML {
        let turn = user.isDisabled ? ("enable", "Enable") : ("disable", "Disable")
        let about =
            user.isDisabled
            ? "They may log in again." : "They, and their tokens, are let in no more until they are enabled."
        return HTML.section(
            "end", "Letting in no more",
            form(turn.0, "<button>\(turn.1)</button> <span class=\"soft\">\(about)</span>")
                + HTML.folded(
                    "Delete…", isOpen: false,
                    form(
                        "delete",
                        "<p>With their tokens and sessions. What they have done stays recorded.</p><button class=\"risk\">Delete \(user.name)</button>"
                    )))
    }
}
