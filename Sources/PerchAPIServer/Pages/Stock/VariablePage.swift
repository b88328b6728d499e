// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One variable; of one that is secret everything but its value.
struct VariablePage {
    /// What has more bytes than these is not for a form, and only its beginning is shown.
    private static let mostBytes = 6_144

    private let call: PageCall
    private let row: VariableRow
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let key = call.name("variable_key")
        (row, now) = try await call.read { (try $0.knownVariable(key), $0.now) }
    }

    private var path: String { PagePath.path(["variables", row.key]) }

    // MARK: changing

    func change() async throws -> PageReply {
        let key = row.key
        switch call.form["do"] {
        case "set":
            if let fault = try await call.fault(in: { try await Self.store(call, key) }) {
                return content(["": fault]).refused
            }
            return .redirect(to: path, words: "\(key) is set.")
        case "delete":
            try await call.write { transaction in
                _ = try transaction.knownVariable(key)
                _ = try transaction.deleteVariable(key)
            }
            return .redirect(to: "/variables", words: "\(key) is deleted.")
        default: return content(["": "What is to be done? 'do' is set or delete."]).refused
        }
    }

    /// Sets a variable as a form says.
    static func store(_ call: PageCall, _ key: String) async throws {
        let isSecret: Bool? =
            switch call.form["is_secret"] {
            case "true": true
            case "false": false
            default: nil
            }
        _ = try await call.setVariable(
            key, (call.form["value"] ?? "").withPlainLines, isSecret: isSecret,
            description: call.form["description"] ?? "")
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Variable \(row.key)", section: .variables, trail: [("Variables", "/variables")],
            body: HTML.alert(faults) + facts + value + form)
    }

    private var facts: HTML {
        HTML.facts([
            ("What it is for", "\(String(row.description.shown(1_000)))"),
            ("Set", "\(HTML.time(row.updatedAt)) (\(HTML.ago(row.updatedAt, now: now)))"),
            ("Shown", row.isSecret ? "never: it is sealed" : "to whoever may look"),
        ])
    }

    private var value: HTML {
        guard let text = row.shownValue else { return .empty }
        let shown =
            text.utf8.count <= Self.mostBytes
            ? text : String(decoding: text.utf8.prefix(Self.mostBytes), as: UTF8.self) + " …"
        return HTML.section("value", "Value", "<pre>\(shown)</pre>")
    }

    /// - Parameter row: As it stands; nil: it is to be made.
    static func fields(_ form: FormFields, _ row: VariableRow?) -> HTML {
        let value = FormField(
            name: "value", words: "Value",
            hint: row?.isSecret == true ? "What it was is not shown: write all of it anew." : "A text, or JSON.")
        let about = FormField(name: "description", words: "What it is for", hint: "")
        let secret = FormField(
            name: "is_secret", words: "May it be shown?", hint: "What is sealed is masked in logs, too.")
        var choices = [
            FormField.Choice("false", "whoever may look sees it"),
            FormField.Choice("true", "it is sealed, and never shown"),
        ]
        if row == nil { choices.insert(FormField.Choice("", "as its key says of itself"), at: 0) }
        // What was given for a secret is not sent back.
        let isOpen =
            switch form["is_secret"] {
            case "false": true
            case "true": false
            default: row.map { !$0.isSecret } ?? !SensitiveName.holds(form["key"] ?? "")
            }
        let given = isOpen ? form["value"] ?? row?.shownValue ?? "" : ""
        let chosen = form["is_secret"] ?? row.map { $0.isSecret ? "true" : "false" } ?? ""
        return value.area(given, " autocomplete=\"off\"") + about.line(form["description"] ?? row?.description ?? "")
            + secret.select(choices, chosen)
    }

    private var form: HTML {
        guard call.may(.admin) else { return .empty }
        let delete = call.form(
            path,
            "<input type=\"hidden\" name=\"do\" value=\"delete\"><button class=\"risk\">Delete the variable</button>")
        let isLong = max(row.shownValue?.utf8.count ?? 0, row.description.utf8.count) > Self.mostBytes
        let set: HTML =
            isLong
            ? "<p class=\"soft\">It is too long for a form: the command line and the API set it.</p>"
            : call.form(
                path, class: "box",
                """
                <input type="hidden" name="do" value="set"><div class="fields">\(Self.fields(call.form, row))</div>\
                <button class="main">Set</button>
                """)
        return HTML.section("set", "Another value", set + HTML.folded("Delete…", isOpen: false, delete))
    }
}
