// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

extension PageRoute {
    static let pools: [PageRoute] = [
        PageRoute.page("/pools") { call in try await PoolsPage(call).content },
        PageRoute.action("/pools", .admin) { call in try await PoolsPage(call).create() },
        PageRoute.page("/pools/{pool_name}") { call in try await PoolPage(call).content },
        PageRoute.action("/pools/{pool_name}", .admin) { call in try await PoolPage(call).change() },
    ]
}

/// Every pool, with who holds what.
private struct PoolsPage {
    /// So many pools that there are not are told.
    private static let mostMissing = 20

    private let call: PageCall
    private let list: KeyedList<PoolRow>
    /// Pools that tasks wait for though there is none.
    private let missing: [(name: String, count: Int)]

    init(_ call: PageCall) async throws {
        self.call = call
        let (pools, waiting) = try await call.read { (try $0.pools(), try $0.poolsWaitedFor()) }
        list = KeyedList(pools, call) { $0.name }
        missing = waiting.filter { name, _ in !pools.contains { $0.name == name } }
            .map { ($0.key, $0.value) }.sorted { $0.name < $1.name }
    }

    func create() async throws -> PageReply {
        let name = call.form["name"] ?? ""
        let found = PoolForm.read(call.form)
        var faults = found.faults
        if let problem = TaskDefinition.problem(ofPool: name) { faults["name"] = problem }
        guard faults.isEmpty else { return content(faults).refused }
        let fault = try await call.fault {
            try await call.write { transaction in
                guard try transaction.pool(name) == nil else {
                    throw PerchError(.conflict, "there is a pool '\(name.shown(60))' already")
                }
                try found.store(name, transaction)
            }
        }
        if let fault { return content(["": fault]).refused }
        return .redirect(to: PagePath.path(["pools", name]), words: "\(name.shown(60)) is made.")
    }

    var content: PageContent { content([:]) }

    private func content(_ faults: FormFaults) -> PageContent {
        PageContent(
            title: "Pools", section: .pools,
            body: HTML.alert(faults) + notes + list.search("pools") + table + list.pager + form(faults),
            isLive: faults.isEmpty)
    }

    private var notes: HTML {
        let items = missing.prefix(Self.mostMissing).map { entry -> HTML in
            let tasks = entry.count == 1 ? "1 task waits" : "\(entry.count.grouped) tasks wait"
            return "<li>\(tasks) for the pool <code>\(String(entry.name.shown(80)))</code>, which does not exist.</li>"
        }
        return .when(!items.isEmpty, "<ul class=\"box\">\(items)</ul>")
    }

    private var table: HTML {
        HTML.table(
            "Pools",
            [
                PageColumn("Pool"), PageColumn("Slots", "tight num"), PageColumn("Used", "tight num"),
                PageColumn("Running", "tight num mid"), PageColumn("Queued", "tight num"),
                PageColumn("Deferred", "tight num mid"), PageColumn("Wait for room", "tight num"),
                PageColumn("What it is for", "wide"),
            ], list.rows.map(row), empty: "There is no such pool.")
    }

    private func row(_ pool: PoolRow) -> HTML {
        """
        <tr><th scope="row" class="wrap"><a href="\(exact: PagePath.path(["pools", pool.name]))">\
        \(String(pool.name.shown(120)))</a></th>\
        <td class="tight num">\(pool.slots.grouped)</td><td class="tight num">\(pool.used.grouped)</td>\
        <td class="tight num mid">\(pool.running.grouped)</td><td class="tight num">\(pool.queued.grouped)</td>\
        <td class="tight num mid">\(pool.deferred.grouped)</td><td class="tight num">\(pool.waiting.grouped)</td>\
        <td class="wide wrap">\(String(pool.description.shown(200)))</td></tr>
        """
    }

    private func form(_ faults: FormFaults) -> HTML {
        guard call.may(.admin) else { return .empty }
        let name = FormField(name: "name", words: "Name", hint: "Without a colon.", fault: faults["name"])
        return HTML.folded(
            "Make a pool…", isOpen: !faults.isEmpty,
            call.form(
                "/pools",
                """
                <div class="fields">\(name.line(call.form["name"] ?? "", " required"))\
                \(PoolForm.fields(call.form, nil, faults))</div><button class="main">Make the pool</button>
                """))
    }
}

/// What a form says of a pool.
struct PoolForm: Sendable {
    var slots = 0
    var description = ""
    var includesDeferred = false
    var mostDeferred = PoolRow.MostDeferred.unlimited
    var faults: FormFaults = [:]

    private static let range = 0...1_000_000_000

    static func read(_ form: FormFields) -> PoolForm {
        var read = PoolForm()
        if let slots = form.number("slots", in: range) {
            read.slots = slots
        } else {
            read.faults["slots"] = "a whole number from 0 to \(range.upperBound)"
        }
        read.description = form["description"] ?? ""
        read.includesDeferred = form["include_deferred"] == "true"
        if form.text("max_deferred") != nil {
            if let most = form.number("max_deferred", in: range) {
                read.mostDeferred = .at(most)
            } else {
                read.faults["max_deferred"] = "a whole number from 0 to \(range.upperBound), or nothing"
            }
        }
        return read
    }

    func store(_ name: String, _ transaction: Transaction) throws {
        try transaction.setPool(
            name, slots: slots, description: description, includeDeferred: includesDeferred, maxDeferred: mostDeferred)
    }

    /// - Parameter pool: As it stands; nil: it is to be made.
    static func fields(_ form: FormFields, _ pool: PoolRow?, _ faults: FormFaults) -> HTML {
        let slots = FormField(
            name: "slots", words: "Slots", hint: "One that shrinks takes nothing away from what runs.",
            fault: faults["slots"])
        let about = FormField(name: "description", words: "What it is for", hint: "")
        let deferred = FormField(
            name: "include_deferred", words: "Do tasks that wait hold slots?", hint: "For waits that begin after this.")
        let most = FormField(
            name: "max_deferred", words: "How many of its tasks may wait at a time", hint: "Left empty, any number.",
            fault: faults["max_deferred"])
        let isIncluded = form["include_deferred"] ?? (pool?.includesDeferred == true ? "true" : "false")
        return slots.line(
            form["slots"] ?? pool.map { "\($0.slots)" } ?? "", type: "number", " min=\"0\" step=\"1\" required")
            + about.line(form["description"] ?? pool?.description ?? "")
            + deferred.select([FormField.Choice("false", "no"), FormField.Choice("true", "yes")], isIncluded)
            + most.line(
                form["max_deferred"] ?? pool?.maxDeferred.map { "\($0)" } ?? "", type: "number", " min=\"0\" step=\"1\""
            )
    }
}
