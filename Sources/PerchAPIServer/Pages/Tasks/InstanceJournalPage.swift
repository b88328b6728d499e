// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The steps and waits of a try, with what they gave.
struct InstanceJournalPage {
    private static let size = 50

    private let call: PageCall
    private let head: InstanceHead
    private let entries: [JournalEntry]
    private let hasMore: Bool

    init(_ call: PageCall) async throws {
        self.call = call
        let after = call.query.number("after", in: 0...Int(Int32.max)) ?? -1
        (head, entries, hasMore) = try await call.read { snapshot in
            let head = try InstanceHead(call, snapshot)
            let page = try snapshot.journal(
                taskInstanceID: head.row.taskInstanceID, tryNumber: head.tryNumber, after: Int64(after),
                limit: Self.size, bytes: 64 << 10)
            return (head, page.entries, page.hasMore)
        }
    }

    var content: PageContent {
        let rows = entries.map { entry -> HTML in
            let payload: HTML =
                "<details><summary>\(entry.kind == .wait ? "Trigger" : "Result")</summary>\(HTML.json(entry.payload, most: 8_192))</details>"
            let outcome: HTML =
                entry.outcome.map { "<details><summary>Outcome</summary>\(HTML.json($0, most: 8_192))</details>" }
                ?? .empty
            let end: HTML = entry.kind == .wait ? HTML.time(entry.firedAt) : .empty
            return """
                <tr><td class="tight num">\(entry.position)</td><th scope="row" class="wrap"><code>\(entry.key)</code></th>\
                <td class="tight">\(entry.kind.rawValue)</td><td class="tight">\(HTML.time(entry.recordedAt))</td>\
                <td class="tight mid">\(end)</td><td class="wrap">\(payload)\(outcome)</td></tr>
                """
        }
        let table = HTML.table(
            "Steps and waits of the try \(head.tryNumber)",
            [
                PageColumn("Place", "tight num"), PageColumn("Name"), PageColumn("What", "tight"),
                PageColumn("Recorded", "tight"), PageColumn("Wait ended", "tight mid"), PageColumn("Content"),
            ], rows, empty: "Nothing was recorded of this try.")
        let next = hasMore ? entries.last.map { call.link(["after": "\($0.position)"]) } : nil
        let pager = HTML.pager(
            "\(entries.count) shown", before: call.query["after"] == nil ? nil : call.link(["after": nil]), after: next)
        return head.content(.journal, head.tries(.journal) + table + pager)
    }
}

/// What a task gave to those after it.
struct InstanceOutputPage {
    private static let most = 96 << 10

    private let head: InstanceHead
    private let text: String?

    init(_ call: PageCall) async throws {
        (head, text) = try await call.read { snapshot in
            let head = try InstanceHead(call, snapshot)
            guard head.row.state == .success, let stored = head.row.output else { return (head, nil) }
            return (head, try snapshot.value(ofOutput: stored))
        }
    }

    var content: PageContent {
        let body: HTML =
            text.map { HTML.json($0, most: Self.most) }
            ?? "<p class=\"empty\">It has no output: it is \(head.row.state.rawValue).</p>"
        return head.content(
            .output, "<section aria-labelledby=\"out\"><h2 id=\"out\">return_value</h2>\(body)</section>")
    }
}
