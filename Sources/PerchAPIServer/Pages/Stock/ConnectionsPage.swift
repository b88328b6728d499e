// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PageRoute {
    static let connections: [PageRoute] = [
        PageRoute.page("/connections") { call in try await ConnectionsPage(call).content },
        PageRoute.action("/connections/{connection_id}/delete", .admin) { call in
            let id = call.name("connection_id")
            try await call.write { transaction in
                guard try transaction.deleteConnection(id) else {
                    throw PerchError(
                        .notFound,
                        "there is no connection '\(id.shown(60))'; \(NearName.hint(id, try transaction.connections().map(\.connID)))"
                    )
                }
            }
            return .redirect(to: "/connections", words: "\(id.shown(60)) is deleted.")
        },
    ]
}

/// Connections that are set: all that is sealed of them, where and as whom they connect among it, is not opened here.
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

    var content: PageContent {
        let more = call.may(.admin) ? [PageColumn("What can be done", "tight", isHidden: true)] : []
        let table = HTML.table(
            "Connections",
            [
                PageColumn("Connection"), PageColumn("Type", "tight"), PageColumn("What it is for", "mid"),
                PageColumn("Set", "tight mid"),
            ] + more, list.rows.map(row), empty: "There is no such connection.")
        let how: HTML = """
            <p class="soft">What is sealed of them is never shown. <code>connections add</code> on the command line makes and \
            changes them.</p>
            """
        return PageContent(
            title: "Connections", section: .connections, body: list.search("connections") + table + list.pager + how)
    }

    private func row(_ connection: ConnectionRow) -> HTML {
        let delete = call.button(
            "Delete \(connection.connID)", PagePath.path(["connections", connection.connID, "delete"]), kind: "risk")
        let cell: HTML = .when(
            call.may(.admin), "<td class=\"tight\"><details><summary>Delete…</summary>\(delete)</details></td>")
        return """
            <tr><th scope="row" class="wrap">\(connection.connID)</th><td class="tight">\(String(connection.type.shown(60)))</td>\
            <td class="mid wrap">\(String(connection.description.shown(200)))</td>\
            <td class="tight mid">\(HTML.ago(connection.updatedAt, now: now))</td>\(cell)</tr>
            """
    }
}
