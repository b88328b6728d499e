// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let waits: [PageRoute] = [
        .page("/deferred") { call in try await DeferredPage(call).content }.ofSome,
        .get("/deferred/choose") { _ in .redirect(to: "/deferred") }.ofSome,
        .action("/deferred/choose") { call in .page(try await WaitConfirmation(call).content) }.ofSome,
        .action("/deferred/act") { call in try await WaitActions(call).perform() }.ofSome,
        .page("/deferred/{wait_id}") { call in try await WaitPage(call).content }.ofSome,
    ]
}

/// Everything that waits, with the filters of `deferred list`, a page at a time.
struct DeferredPage {
    private static let size = 50
    static let kinds = [
        "time", "file", "http", "sse", "event", "run", "approval", "process", "socket", "certificate", "sql",
        "composite",
    ]

    private let call: PageCall
    private let rows: [WaitView]
    private let next: String?
    private let total: Int
    private let owners: [String]
    private let fault: String?
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        var place: (began: Timestamp, after: WaitPlace)?
        if let text = call.query["after"] { place = try Self.place(in: text) }
        let after = place
        do {
            let read = try await call.read { snapshot in
                let began = after?.began ?? snapshot.now
                var filter = try Self.filter(call.query, now: began)
                filter.dagIDs = try call.dags(atLeast: .viewer, snapshot)
                filter.after = after?.after
                filter.limit = Self.size + 1
                let waits = try snapshot.waits(filter)
                var book = try WaitBook(snapshot)
                let shown = try waits.prefix(Self.size).map { try book.view($0, snapshot) }
                let next = waits.count > Self.size ? shown.last.map { Self.text(of: $0.wait, began) } : nil
                return (shown, next, snapshot.now)
            }
            (rows, next, now, fault) = (read.0, read.1, read.2, nil)
        } catch let error as PerchError where error.code == .invalid {
            // A filter that cannot be is told where it stands.
            (rows, next, now, fault) = ([], nil, call.metastore.clock.now, error.message)
        }
        let metastore = call.metastore
        total = try await call.figures.figure("waits", clock: metastore.clock, age: .seconds(5)) {
            try await metastore.read { try $0.waitCount() }
        }.figure
        owners = try await call.read { try $0.triggerers().map(\.process.name) }
    }

    /// What the fields of a filter say.
    static func filter(_ fields: FormFields, now: Timestamp) throws -> WaitFilter {
        var filter = WaitFilter()
        filter.dagID = fields.text("dag_id")
        filter.runID = fields.text("dag_run_id")
        filter.taskID = fields.text("task_id")
        filter.kind = fields.text("kind")
        filter.targetContains = fields.text("target")
        filter.owner = fields.text("owner")
        filter.registeredBefore = try fields.text("older_than").map {
            now + TimeSpan(microseconds: -(try TimeSpan(parsing: $0)).microseconds)
        }
        filter.nextBy = try fields.text("due_within").map { now + (try TimeSpan(parsing: $0)) }
        filter.sort = fields.text("sort").flatMap(WaitSort.init(rawValue:)) ?? .id
        filter.isReversed = fields["reverse"] == "true"
        return filter
    }

    // MARK: places

    /// A place in every order, and the instant by which the list began.
    private static func text(of wait: WaitRow, _ began: Timestamp) -> String {
        func instant(_ instant: Timestamp?) -> JSONValue { instant.map { .integer($0.microseconds) } ?? .null }
        return Cursor.text(
            of: [
                instant(began), .integer(wait.waitID), instant(wait.since), instant(wait.due), instant(wait.deadline),
                .string(wait.target),
            ], "page")
    }

    private static func place(in text: String) throws(Refusal) -> (began: Timestamp, after: WaitPlace) {
        func instant(_ value: JSONValue) -> Timestamp? {
            if case .integer(let microseconds) = value { Timestamp(microseconds: microseconds) } else { nil }
        }
        let place = try Cursor.place(in: text, of: "page")
        guard place.count == 6, let began = instant(place[0]), case .integer(let waitID) = place[1],
            let since = instant(place[2]), case .string(let target) = place[5]
        else { throw Cursor.refusal }
        return (
            began,
            WaitPlace(
                waitID: waitID, since: since, due: instant(place[3]), deadline: instant(place[4]), target: target)
        )
    }

    // MARK: what is shown

    var content: PageContent {
        PageContent(
            title: "Deferred", section: .deferred,
            // How many there are in all is for those who see all.
            aside: .when(
                call.caller.everywhere >= .viewer, "<div class=\"soft\">\(total.grouped) waits in all</div>"),
            body: filters + table, isLive: call.query["after"] == nil)
    }

    private var filters: HTML {
        func field(_ name: String, _ words: String, _ hint: String = "") -> HTML {
            """
            <label>\(words) <input type="text" name="\(name)" placeholder="\(hint)" \
            value="\(exact: call.query[name] ?? "")"></label>
            """
        }
        typealias Choice = (value: String, words: String)
        func select(_ name: String, _ words: String, _ values: [Choice]) -> HTML {
            let chosen = call.query[name] ?? ""
            var all = values
            if !chosen.isEmpty, !values.contains(where: { $0.value == chosen }) { all.append((chosen, chosen)) }
            let options = all.map { option -> HTML in
                let mark: HTML = .when(option.value == chosen, " selected")
                return "<option value=\"\(exact: option.value)\"\(mark)>\(option.words)</option>"
            }
            return "<label>\(words) <select name=\"\(name)\">\(options)</select></label>"
        }
        let kinds: [Choice] = [("", "any")] + Self.kinds.map { Choice($0, $0) }
        let owned: [Choice] = [("", "any")] + owners.map { Choice($0, $0) }
        let sorts: [Choice] = WaitSort.allCases.map { Choice($0 == .id ? "" : $0.rawValue, $0.rawValue) }
        let wrong: HTML = fault.map { "<p class=\"flash\" role=\"alert\">\($0)</p>" } ?? .empty
        return """
            \(wrong)<form class="row" role="search" action="/deferred">\
            \(field("dag_id", "DAG"))\(field("dag_run_id", "Run"))\(field("task_id", "Task"))\
            \(select("kind", "Kind", kinds))\(field("target", "Target has"))\(select("owner", "Triggerer", owned))\
            \(field("older_than", "Waits for longer than", "2h"))\(field("due_within", "Comes due within", "30m"))\
            \(select("sort", "Order", sorts))\(select("reverse", "Turned round", [("", "no"), ("true", "yes")]))\
            <button class="main">Show</button> <a class="button" href="/deferred">All</a></form>
            """
    }

    /// Whether there is anything that the one who asks may do something with.
    private var mayChoose: Bool { rows.contains { mayChange($0) } }

    private func mayChange(_ view: WaitView) -> Bool { call.caller.right(for: view.wait.key.dagID) >= .operate }

    private var table: HTML {
        let select = mayChoose ? [PageColumn("Choose", "tight", isHidden: true)] : []
        let table = HTML.table(
            "Waits",
            select + [
                PageColumn("Wait", "tight"), PageColumn("Task"), PageColumn("Kind", "tight"), PageColumn("Target"),
                PageColumn("Since", "tight mid"), PageColumn("Next", "tight"), PageColumn("Times out", "tight mid"),
                PageColumn("Last seen", "wide"), PageColumn("Shared by", "tight num wide"),
                PageColumn("Triggerer", "tight wide"),
            ], rows.map(row), empty: "Nothing waits like that.")
        let pager = HTML.pager(
            "\(rows.count) shown", before: call.query["after"] == nil ? nil : call.link(["after": nil]),
            after: next.map { call.link(["after": $0]) })
        guard mayChoose else { return table + pager }
        let filter = call.query.replacing(["after": nil, "sort": nil, "reverse": nil]).filter { !$0.value.isEmpty }
        let isFiltered = !filter.isEmpty
        let text = String(PagePath.query(filter.map { ($0.name, $0.value) }).dropFirst())
        let bar: HTML = """
            <input type="hidden" name="back" value="\(exact: call.link([:]))">\
            <input type="hidden" name="filter" value="\(exact: text)">\
            <details class="box"><summary>What to do with several waits…</summary><fieldset><legend class="vh">With which</legend>\
            <p><label><input type="radio" name="scope" value="chosen" checked> those that are chosen above</label> \
            <label><input type="radio" name="scope" value="matching"> all that \
            \(isFiltered ? "match the filter" : "wait"), at most \(WaitTargets.mostMatching.grouped) at once</label></p></fieldset>\
            \(WaitActions.fields)<p class="soft">You are asked once more before anything is done.</p></details>
            """
        return call.form("/deferred/choose", table + bar) + pager
    }

    private func row(_ view: WaitView) -> HTML {
        let wait = view.wait
        let box: HTML = .when(
            mayChange(view),
            """
            <input type="checkbox" name="wait" value="\(wait.waitID)" aria-label="Choose the wait \(wait.waitID)">
            """)
        let choice: HTML = .when(mayChoose, "<td class=\"tight\">\(box)</td>")
        let key = wait.key
        let result: HTML = view.lastResult.map { "\(String($0.shown(120))) " } ?? .empty
        return """
            <tr>\(choice)<th scope="row" class="tight"><a href="/deferred/\(wait.waitID)">\(wait.waitID)</a></th>\
            <td class="wrap"><a href="\(exact: PagePath.instance(key))">\(key.shownTask)</a>\
            <div class="soft"><a href="\(exact: PagePath.run(key.dagID, key.runID))">\(key.dagID) · \(key.runID)</a></div></td>\
            <td class="tight">\(wait.kind)</td><td class="wrap">\(String(wait.target.shown(200)))</td>\
            <td class="tight mid">\(HTML.ago(wait.since, now: now))</td>\
            <td class="tight">\(HTML.ago(view.nextProbeAt, now: now))</td>\
            <td class="tight mid">\(HTML.ago(wait.deadline, now: now))</td>\
            <td class="wide wrap">\(result)<span class="soft">\(HTML.ago(view.probe?.state.lastProbeAt, now: now))</span></td>\
            <td class="tight num wide">\(view.sharing)</td>\
            <td class="tight wide">\(view.owner ?? "none")</td></tr>
            """
    }
}
