// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let audit: [PageRoute] = [
        PageRoute.page("/audit") { call in try await AuditPage(call).content }.asking(.admin)
    ]
}

/// Who has changed what, the latest first.
private struct AuditPage {
    private static let size = 50
    /// A page ends behind so many bytes of details.
    private static let mostBytes = 20 << 10

    private let call: PageCall
    private let rows: [AuditRow]
    private let hasMore: Bool
    private let fault: String?
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let filter: AuditFilter
        do throws(PerchError) {
            filter = try Self.filter(call)
        } catch {
            // A filter that cannot be is told where it stands.
            (rows, hasMore, fault, now) = ([], false, error.message, call.metastore.clock.now)
            return
        }
        let found: [AuditRow]
        (found, now) = try await call.read { (try $0.auditLog(filter), $0.now) }
        var (shown, size): ([AuditRow], Int) = ([], 0)
        for row in found.prefix(Self.size) where size < Self.mostBytes {
            shown.append(row)
            size += row.entry.details.text.utf8.count + row.entry.subject.utf8.count
        }
        (rows, hasMore, fault) = (shown, found.count > shown.count, nil)
    }

    private static func filter(_ call: PageCall) throws(PerchError) -> AuditFilter {
        var filter = AuditFilter()
        filter.who = call.query.text("who")
        filter.action = call.query.text("action")
        filter.subject = call.query.text("subject")
        filter.since = try instant(call, "since")
        filter.until = try instant(call, "until")
        filter.before = call.query.text("before").flatMap { Int64($0) } ?? .max
        filter.limit = Self.size + 1
        return filter
    }

    /// An instant as it is written, or a span that lies behind.
    private static func instant(_ call: PageCall, _ name: String) throws(PerchError) -> Timestamp? {
        guard let text = call.query.text(name) else { return nil }
        // What is no span is to be an instant, whose fault is told.
        if let span = try? TimeSpan(parsing: text) {  // because a fault of it is one of the instant
            return call.metastore.clock.now + TimeSpan(microseconds: -span.microseconds)
        }
        return try Timestamp(parsing: text)
    }

    var content: PageContent {
        PageContent(
            title: "Audit log", section: .audit, body: filters + table, isLive: call.query.text("before") == nil)
    }

    private var filters: HTML {
        func field(_ name: String, _ words: String, _ hint: String = "") -> HTML {
            """
            <label>\(words) <input type="text" name="\(name)" placeholder="\(hint)" \
            value="\(exact: call.query[name] ?? "")"></label>
            """
        }
        let wrong: HTML = fault.map { "<p class=\"flash\" role=\"alert\">\($0)</p>" } ?? .empty
        return """
            \(wrong)<form class="row" role="search" action="/audit">\(field("who", "Who"))\
            \(field("action", "What has"))\(field("subject", "To what has"))\
            \(field("since", "From", "7d or 2026-01-31"))\(field("until", "Before", "2026-02-01"))\
            <button class="main">Show</button> <a class="button" href="/audit">All</a></form>
            """
    }

    private var table: HTML {
        let table = HTML.table(
            "Who has changed what",
            [
                PageColumn("When", "tight"), PageColumn("Who"), PageColumn("What"), PageColumn("To what"),
                PageColumn("More", "mid"),
            ], rows.map(row), empty: "Nothing like that was recorded.")
        let next = hasMore ? rows.last.map { call.link(["before": "\($0.auditID)"]) } : nil
        let back = call.query.text("before") == nil ? nil : call.link(["before": nil])
        return table + HTML.pager("\(rows.count) shown", before: back, after: next)
    }

    private func row(_ row: AuditRow) -> HTML {
        let entry = row.entry
        let details: HTML =
            entry.details == .object([:])
            ? HTML.soft("–")
            : "<details><summary>Details</summary>\(HTML.json(entry.details.text, most: 4_096))</details>"
        let who = call.link(["who": entry.who, "before": nil])
        return """
            <tr><td class="tight">\(HTML.time(row.at))</td>\
            <th scope="row" class="wrap"><a href="\(exact: who)">\(entry.who.isEmpty ? "nobody" : entry.who)</a>\
            <div class="soft">\(entry.how)</div></th><td class="wrap">\(entry.action)</td>\
            <td class="wrap">\(String(entry.subject.shown(500)))</td><td class="mid">\(details)</td></tr>
            """
    }
}
