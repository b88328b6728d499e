// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One connection, but for all that is sealed of it: where and as whom it connects among that.
struct ConnectionPage {
    /// A description of more bytes is not for a form.
    private static let mostBytes = 6_144

    private let call: PageCall
    private let row: ConnectionRow
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let id = call.name("connection_id")
        (row, now) = try await call.read { (try $0.knownConnection(id), $0.now) }
    }

    private var path: String { PagePath.path(["connections", row.connID]) }

    // MARK: changing

    func change() async throws -> PageReply {
        let (id, row) = (row.connID, row)
        switch call.form["do"] {
        case "set":
            let found = ConnectionForm.read(call.form, isNew: false)
            guard found.faults.isEmpty else { return content(found.faults).refused }
            if let fault = try await call.fault(in: { try await found.store(call, id, over: row) }) {
                return content(["": fault]).refused
            }
            return .redirect(to: path, words: "\(id) is set.")
        case "delete":
            try await call.write { transaction in
                _ = try transaction.knownConnection(id)
                _ = try transaction.deleteConnection(id)
            }
            return .redirect(to: "/connections", words: "\(id) is deleted.")
        default: return content(["": "What is to be done? 'do' is set or delete."]).refused
        }
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Connection \(row.connID)", section: .connections, trail: [("Connections", "/connections")],
            body: HTML.alert(faults) + facts + form(faults))
    }

    private var facts: HTML {
        HTML.facts([
            ("Type", "\(String(row.type.shown(60)))"),
            ("What it is for", "\(String(row.description.shown(1_000)))"),
            ("Set", "\(HTML.time(row.updatedAt)) (\(HTML.ago(row.updatedAt, now: now)))"),
            ("All else", HTML.soft("sealed, and never shown")),
        ])
    }

    private func form(_ faults: FormFaults) -> HTML {
        guard call.may(.admin) else { return .empty }
        let isLong = max(row.type.utf8.count, row.description.utf8.count) > Self.mostBytes
        let set: HTML =
            isLong
            ? "<p class=\"soft\">What it is for is too long for a form: the command line and the API set it.</p>"
            : call.form(
                path, class: "box",
                """
                <input type="hidden" name="do" value="set"><div class="fields">\(ConnectionForm.fields(call.form, row, faults))\
                </div><button class="main">Set</button>
                """)
        let delete = call.form(
            path,
            "<input type=\"hidden\" name=\"do\" value=\"delete\"><button class=\"risk\">Delete the connection</button>")
        return HTML.section("set", "Change it", set + HTML.folded("Delete…", isOpen: false, delete))
    }
}
