// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PageRoute {
    static let connections: [PageRoute] = [
        PageRoute.page("/connections") { call in try await ConnectionsPage(call).content },
        PageRoute.action("/connections", .admin) { call in try await ConnectionsPage(call).create() },
        PageRoute.page("/connections/{connection_id}") { call in try await ConnectionPage(call).content },
        PageRoute.action("/connections/{connection_id}", .admin) { call in try await ConnectionPage(call).change() },
    ]
}

/// Connections that are set: all that is sealed of them, where and as whom they connect among it, is not told here.
private struct ConnectionsPage {
    private let call: PageCall
    private let list: KeyedList<ConnectionRow>
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let rows: [ConnectionRow]
        (rows, now) = try await call.read { (try $0.connections(), $0.now) }
        list = KeyedList(rows, call) { $0.connID }
    }

    func create() async throws -> PageReply {
        let id = call.form.text("connection_id") ?? ""
        let found = ConnectionForm.read(call.form, isNew: true)
        var faults = found.faults
        if let problem = StoredName.problem(id, "the id") { faults["connection_id"] = problem }
        guard faults.isEmpty else { return content(faults).refused }
        let fault = try await call.fault {
            try await found.store(call, id, over: nil)
        }
        if let fault { return content(["": fault]).refused }
        return .redirect(to: PagePath.path(["connections", id]), words: "\(id) is set.")
    }

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Connections", section: .connections,
            body: HTML.alert(faults) + list.search("connections") + table + list.pager + form(faults))
    }

    private var table: HTML {
        HTML.table(
            "Connections",
            [
                PageColumn("Connection"), PageColumn("Type", "tight"), PageColumn("What it is for", "mid"),
                PageColumn("Set", "tight mid"),
            ], list.rows.map(row), empty: "There is no such connection.")
    }

    private func row(_ connection: ConnectionRow) -> HTML {
        """
        <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.path(["connections", connection.connID]))">\
        \(connection.connID)</a></th><td class="tight">\(String(connection.type.shown(60)))</td>\
        <td class="mid wrap">\(String(connection.description.shown(200)))</td>\
        <td class="tight mid">\(HTML.ago(connection.updatedAt, now: now))</td></tr>
        """
    }

    private func form(_ faults: FormFaults) -> HTML {
        guard call.may(.admin) else { return .empty }
        let id = FormField(
            name: "connection_id", words: "Id", hint: "Letters, digits, '_', '-' and '.'.",
            fault: faults["connection_id"])
        return HTML.folded(
            "Make a connection…", isOpen: !faults.isEmpty,
            call.form(
                "/connections",
                """
                <div class="fields">\(id.line(call.form["connection_id"] ?? "", " autocomplete=\"off\" required"))\
                \(ConnectionForm.fields(call.form, nil, faults))</div><button class="main">Make the connection</button>
                """))
    }
}
