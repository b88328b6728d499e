// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let inbox: [PageRoute] = [.page(PageSection.events.path) { call in try await EventsPage(call).content }]
}

/// Events that are kept, the newest first, and who took them for himself.
private struct EventsPage {
    private static let size = 50
    /// A page ends behind so many bytes of payloads.
    private static let mostBytes = 48 << 10

    private let call: PageCall
    private let rows: [(event: InboxEvent, consumer: String?)]
    private let hasMore: Bool
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let before = call.query.text("before").flatMap { Int64($0) } ?? .max
        (rows, hasMore, now) = try await call.read { snapshot in
            let (name, key) = (call.query.text("name"), call.query.text("key"))
            var (found, size, hasMore): ([(event: InboxEvent, consumer: String?)], Int, Bool) = ([], 0, false)
            // A few at a time, for each may be long.
            while found.count < Self.size, size < Self.mostBytes {
                let more = try snapshot.latestEvents(
                    name: name, key: key, before: found.last?.event.seq ?? before, limit: 10)
                for event in more {
                    found.append((event, try snapshot.consumer(ofEvent: event.seq)))
                    size += min(event.payload.text.utf8.count, 4_096)
                }
                hasMore = more.count == 10
                if !hasMore { break }
            }
            return (found, hasMore, snapshot.now)
        }
    }

    var content: PageContent {
        PageContent(
            title: "Events", section: .events, body: filters + table, isLive: call.query.text("before") == nil)
    }

    private var filters: HTML {
        func field(_ name: String, _ words: String) -> HTML {
            "<label>\(words) <input type=\"text\" name=\"\(name)\" value=\"\(exact: call.query[name] ?? "")\"></label>"
        }
        return """
            <form class="row" role="search" action="\(exact: PageSection.events.path)">\(field("name", "Name"))\
            \(field("key", "Key"))<button class="main">Show</button> \
            <a class="button" href="\(exact: PageSection.events.path)">All</a></form>
            """
    }

    private var table: HTML {
        let rows = rows.map { event, consumer -> HTML in
            let payload = HTML.json(event.payload.text, most: 4_096)
            let taken: HTML = consumer.map { "\($0)" } ?? "<span class=\"soft\">everybody who waits</span>"
            return """
                <tr><td class="tight num">\(event.seq)</td><th scope="row" class="wrap">\(event.name)\
                <div class="soft">\(String(event.eventID.shown(120)))</div></th><td class="wrap">\(event.key ?? "")</td>\
                <td class="tight">\(HTML.ago(event.receivedAt, now: now))</td><td class="mid wrap">\(taken)</td>\
                <td><details><summary>Payload</summary>\(payload)</details></td></tr>
                """
        }
        let table = HTML.table(
            "Events",
            [
                PageColumn("No.", "tight num"), PageColumn("Name and id"), PageColumn("Key"),
                PageColumn("Came", "tight"), PageColumn("Taken by", "mid"), PageColumn("Payload"),
            ], rows, empty: "There are no such events.")
        let next = hasMore ? self.rows.last.map { call.link(["before": "\($0.event.seq)"]) } : nil
        let back = call.query.text("before") == nil ? nil : call.link(["before": nil])
        return table + HTML.pager("\(rows.count) shown", before: back, after: next)
    }
}
