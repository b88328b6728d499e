// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// One pool: who holds its slots, and which DAGs name it.
struct PoolPage {
    private static let mostHolders = 50
    private static let mostUsers = 50
    /// A description of more bytes is not for a form.
    private static let mostBytes = 6_144

    private let call: PageCall
    private let pool: PoolRow
    private let holders: [PoolHolder]
    private let dagIDs: [String]

    init(_ call: PageCall) async throws {
        self.call = call
        let name = call.name("pool_name")
        (pool, holders, dagIDs) = try await call.read { snapshot in
            let pool = try snapshot.knownPool(name)
            return (
                pool, try snapshot.poolHolders(name, limit: Self.mostHolders + 1),
                try snapshot.users(ofPool: name).map(\.dagID)
            )
        }
    }

    private var path: String { PagePath.path(["pools", pool.name]) }

    func change() async throws -> PageReply {
        let name = pool.name
        switch call.form["do"] {
        case "set":
            let found = PoolForm.read(call.form)
            guard found.faults.isEmpty else { return content(found.faults).refused }
            try await call.write { transaction in
                _ = try transaction.knownPool(name)
                try found.store(name, transaction)
            }
            return .redirect(to: path, words: "\(name.shown(60)) has \(found.slots.grouped) slots.")
        case "delete":
            if let fault = try await call.fault(in: { try await call.write { try $0.deletePool(name) } }) {
                return content(["": fault]).refused
            }
            return .redirect(to: "/pools", words: "\(name.shown(60)) is deleted.")
        default: return content(["": "What is to be done? 'do' is set or delete."]).refused
        }
    }

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Pool \(pool.name.shown(120))", section: .pools, trail: [("Pools", "/pools")],
            body: HTML.alert(faults) + facts + holderTable + form(faults))
    }

    private var facts: HTML {
        let dags = dagIDs.prefix(Self.mostUsers).map { id -> HTML in
            "<a href=\"\(exact: PagePath.dag(id))\">\(id)</a>"
        }
        let more: HTML = .when(dagIDs.count > Self.mostUsers, " and \(dagIDs.count - Self.mostUsers) others")
        return HTML.facts(
            [
                ("Slots", "\(pool.slots.grouped)"), ("Used", "\(pool.used.grouped)"), ("Free", "\(pool.free.grouped)"),
                ("Running", "\(pool.running.grouped)"), ("Queued", "\(pool.queued.grouped)"),
                ("Deferred in it", "\(pool.deferred.grouped)"), ("Wait for room", "\(pool.waiting.grouped)"),
                ("Tasks that wait", pool.includesDeferred ? "hold slots" : "hold no slots"),
                ("May wait at a time", "\(pool.maxDeferred.map(\.grouped) ?? "any number")"),
                ("What it is for", "\(String(pool.description.shown(1_000)))"),
                ("DAGs that name it", dags.isEmpty ? HTML.soft("none") : dags.joined(by: ", ") + more),
            ], inPairs: true)
    }

    private var holderTable: HTML {
        let rows = holders.prefix(Self.mostHolders).map { holder -> HTML in
            let key = holder.key
            return """
                <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.instance(key))">\(key.shownTask)</a></th>\
                <td class="wrap"><a href="\(exact: PagePath.run(key.dagID, key.runID))">\(key.dagID) · \(key.runID)</a></td>\
                <td class="tight">\(HTML.state(holder.state))</td><td class="tight num">\(holder.slots.grouped)</td></tr>
                """
        }
        let more: HTML = .when(holders.count > Self.mostHolders, "<p class=\"soft\">Those that hold most.</p>")
        let table = HTML.table(
            "Who holds its slots",
            [PageColumn("Task"), PageColumn("Run"), PageColumn("State", "tight"), PageColumn("Slots", "tight num")],
            rows,
            empty: "Nobody holds a slot of it.")
        return HTML.section("holders", "Who holds its slots", table + more)
    }

    private func form(_ faults: FormFaults) -> HTML {
        guard call.may(.admin) else { return .empty }
        let isLong = pool.description.utf8.count > Self.mostBytes
        let set: HTML =
            isLong
            ? "<p class=\"soft\">What it is for is too long for a form: the command line and the API set it.</p>"
            : call.form(
                path, class: "box",
                """
                <input type="hidden" name="do" value="set"><div class="fields">\(PoolForm.fields(call.form, pool, faults))</div>\
                <button class="main">Set</button>
                """)
        let delete = call.form(
            path,
            """
            <input type="hidden" name="do" value="delete"><p>One that is held, waited for or named by a DAG stays.</p>\
            <button class="risk">Delete the pool</button>
            """)
        return HTML.section("set", "What it has", set + HTML.folded("Delete…", isOpen: false, delete))
    }
}
