// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PageRoute {
    static let variables: [PageRoute] = [
        PageRoute.page("/variables") { call in try await VariablesPage(call).content },
        PageRoute.action("/variables", .admin) { call in try await VariablesPage(call).create() },
        PageRoute.page("/variables/{variable_key}") { call in try await VariablePage(call).content },
        PageRoute.action("/variables/{variable_key}", .admin) { call in try await VariablePage(call).change() },
    ]
}

/// Variables that are set; secret ones without their values.
private struct VariablesPage {
    private let call: PageCall
    private let list: KeyedList<VariableRow>
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let rows: [VariableRow]
        (rows, now) = try await call.read { (try $0.variables(), $0.now) }
        list = KeyedList(rows, call) { $0.key }
    }

    func create() async throws -> PageReply {
        let key = call.form.text("key") ?? ""
        if let problem = StoredName.problem(key, "the key") { return content(["key": problem]).refused }
        let fault = try await call.fault {
            guard try await call.read({ try $0.variable(key) }) == nil else {
                throw PerchError(.conflict, "there is a variable '\(key)' already: change it on its page")
            }
            try await VariablePage.store(call, key)
        }
        if let fault { return content(["": fault]).refused }
        return .redirect(to: PagePath.path(["variables", key]), words: "\(key) is set.")
    }

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Variables", section: .variables,
            body: HTML.alert(faults) + list.search("variables") + table + list.pager + form(faults))
    }

    private var table: HTML {
        HTML.table(
            "Variables",
            [
                PageColumn("Key"), PageColumn("Value"), PageColumn("What it is for", "mid"),
                PageColumn("Set", "tight mid"),
            ], list.rows.map(row), empty: "There is no such variable.")
    }

    private func row(_ variable: VariableRow) -> HTML {
        let value: HTML = variable.shownValue.map { "<code>\(String($0.shown(120)))</code>" } ?? HTML.soft("sealed")
        return """
            <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.path(["variables", variable.key]))">\
            \(variable.key)</a></th><td class="wrap">\(value)</td>\
            <td class="mid wrap">\(String(variable.description.shown(200)))</td>\
            <td class="tight mid">\(HTML.ago(variable.updatedAt, now: now))</td></tr>
            """
    }

    private func form(_ faults: FormFaults) -> HTML {
        guard call.may(.admin) else { return .empty }
        let key = FormField(
            name: "key", words: "Key", hint: "Letters, digits, '_', '-' and '.'.", fault: faults["key"])
        return HTML.folded(
            "Set a variable…", isOpen: !faults.isEmpty,
            call.form(
                "/variables",
                """
                <div class="fields">\(key.line(call.form["key"] ?? "", " autocomplete=\"off\" required"))\
                \(VariablePage.fields(call.form, nil))</div><button class="main">Set the variable</button>
                """))
    }
}

extension VariableRow {
    /// The value; nil: it is never shown.
    var shownValue: String? { if !isSecret, case .plain(let text) = value { text } else { nil } }
}
