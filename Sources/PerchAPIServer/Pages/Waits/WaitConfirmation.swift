// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Asks once more before something is done with waits: with how many, and with which.
struct WaitConfirmation {
    private static let mostShown = 20

    private let call: PageCall
    private let deed: WaitDeed
    private let targets: WaitTargets
    private let shown: [WaitRow]

    init(_ call: PageCall) async throws {
        self.call = call
        deed = try WaitDeed(call.form)
        targets = try await WaitTargets(call)
        let first = targets.ids.prefix(Self.mostShown)
        shown = try await call.read { snapshot in
            try first.compactMap { try snapshot.wait($0) }.filter { call.sees($0.key.dagID) }
        }
    }

    var content: PageContent {
        let count = targets.ids.count
        let waits = count == 1 ? "1 wait" : "\(count.grouped) waits"
        guard count > 0 else {
            return page(
                "Nothing waits like that", "<p class=\"empty\">Nothing that waits now matches the filter.</p>\(back)")
        }
        return page("\(deed.question(waits))?", "<p class=\"lead\">\(deed.meaning)</p>\(bound)\(table)\(form(waits))")
    }

    private func page(_ title: String, _ body: HTML) -> PageContent {
        PageContent(title: title, section: .deferred, trail: [("Deferred", "/deferred")], body: body)
    }

    private var bound: HTML {
        guard targets.isMatching else { return .empty }
        let more: HTML = .when(
            targets.hasMore,
            """
            <p class="box">More than \(WaitTargets.mostMatching.grouped) match, and that many are taken at once, those that \
            were registered first.</p>
            """)
        return """
            \(more)<p class="soft">These match at \(HTML.time(targets.began)). What begins to wait after that is left alone. They \
            are changed in groups: if the engine stops in between, some are left as they are.</p>
            """
    }

    private var table: HTML {
        let rows = shown.map { wait -> HTML in
            """
            <tr><th scope="row" class="tight"><a href="/deferred/\(wait.waitID)">\(wait.waitID)</a></th>\
            <td class="wrap">\(wait.key.dagID) · \(wait.key.runID) · \(wait.key.shownTask)</td>\
            <td class="tight">\(wait.kind)</td><td class="wrap">\(String(wait.target.shown(200)))</td></tr>
            """
        }
        let more: HTML = .when(
            targets.ids.count > shown.count,
            "<p class=\"soft\">The first \(shown.count) of \(targets.ids.count.grouped).</p>")
        return HTML.table(
            "The waits",
            [PageColumn("Wait", "tight"), PageColumn("Task"), PageColumn("Kind", "tight"), PageColumn("Target")], rows,
            empty: "They have ended by now.") + more
    }

    private var back: HTML {
        "<a class=\"button\" href=\"\(exact: call.wayBack(or: "/deferred"))\">No, go back</a>"
    }

    private func form(_ waits: String) -> HTML {
        func hidden(_ name: String, _ value: String) -> HTML {
            "<input type=\"hidden\" name=\"\(name)\" value=\"\(exact: value)\">"
        }
        var fields: [HTML] = []
        for name in ["do", "payload", "by", "back"] {
            if let value = call.form[name] { fields.append(hidden(name, value)) }
        }
        if targets.isMatching {
            fields += [
                hidden("scope", "matching"), hidden("filter", call.form["filter"] ?? ""),
                hidden("began", "\(targets.began.microseconds)"),
            ]
        } else {
            fields += targets.ids.map { hidden("wait", "\($0)") }
        }
        var kind = "main"
        if case .cancel = deed { kind = "risk" }
        return call.form(
            "/deferred/act",
            "\(fields)<p><button class=\"\(kind)\">Yes: \(deed.question(waits).lowercasedFirst)</button> \(back)</p>")
    }
}

extension String {
    fileprivate var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
}
