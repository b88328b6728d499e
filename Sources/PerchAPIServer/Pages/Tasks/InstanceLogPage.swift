// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The log of a try, with what is searched for in it.
struct InstanceLogPage {
    private static let size = 250
    /// So many lines are looked through for what is searched for before the page ends.
    private static let mostLookedAt = 20_000
    /// So many lines are passed over on the way to the newest ones.
    private static let mostPassed = 100_000

    private let call: PageCall
    private let head: InstanceHead
    /// With their numbers, from 1.
    private let lines: [(number: Int, text: AttemptLogText)]
    /// After how many lines the next page begins; nil: there is none.
    private let next: Int?
    private let hasLog: Bool

    init(_ call: PageCall) async throws {
        self.call = call
        let head = try await call.read { try InstanceHead(call, $0) }
        self.head = head
        let search = call.query.text("search")?.lowercased()
        var place = call.query.number("after", in: 0...Int(Int32.max)) ?? 0
        if call.query["newest"] != nil, search == nil {
            let end = try await Self.end(head, call.surroundings)
            place = max(0, end - Self.size)
        }
        let first = place
        var found: [(number: Int, text: AttemptLogText)] = []
        var hasMore = head.tryNumber > 0
        var hasLog = false
        while hasMore, found.count < Self.size, place - first < Self.mostLookedAt {
            let wanted = search == nil ? Self.size - found.count : 1_000
            guard let page = try await call.surroundings.log(head.key, head.tryNumber, place, wanted) else {
                hasMore = false
                break
            }
            hasLog = true
            hasMore = page.hasMore
            for (index, line) in page.lines.enumerated() {
                place += 1
                guard search.map({ line.lowercased().contains($0) }) ?? true else { continue }
                found.append((place, AttemptLogText(line)))
                guard found.count < Self.size else {
                    hasMore = hasMore || index + 1 < page.lines.count
                    break
                }
            }
            if page.lines.isEmpty { break }
        }
        (lines, next, self.hasLog) = (found, hasMore ? place : nil, hasLog)
    }

    /// How many lines there are, as far as it goes on.
    private static func end(_ head: InstanceHead, _ surroundings: APISurroundings) async throws -> Int {
        var (place, hasMore) = (0, head.tryNumber > 0)
        while hasMore, place < mostPassed {
            guard let page = try await surroundings.log(head.key, head.tryNumber, place, 10_000) else { break }
            place += page.lines.count
            hasMore = page.hasMore && !page.lines.isEmpty
        }
        return place
    }

    var content: PageContent { head.content(.log, head.tries(.log) + search + log) }

    /// Whether a line tells of a wait, as the engine writes it.
    private static func isOfWait(_ message: String) -> Bool {
        ["waits for ", "sleeps ", "the wait '", "fired: ", "timed out"].contains { message.hasPrefix($0) }
    }

    private var search: HTML {
        let hidden = [("map_index", call.query["map_index"]), ("try", call.query["try"])].map { name, value -> HTML in
            value.map { "<input type=\"hidden\" name=\"\(name)\" value=\"\(exact: $0)\">" } ?? .empty
        }
        return """
            <form class="row" role="search" action="\(exact: call.path)"><label class="vh" for="search">Search the log</label>\
            <input class="grow" type="search" id="search" name="search" placeholder="Search the log" \
            value="\(exact: call.query["search"] ?? "")">\(hidden)<button>Search</button> <a class="button" \
            href="\(exact: call.link(["search": nil, "after": nil, "newest": "1"]))">Newest lines</a></form>
            """
    }

    private var log: HTML {
        guard hasLog else {
            let words = head.tryNumber == 0 ? "It has not been tried yet." : "The try \(head.tryNumber) has no log."
            return "<p class=\"empty\">\(words)</p>"
        }
        let rows = lines.map { line -> HTML in
            let level = line.text.level?.rawValue
            let kind: HTML =
                switch level {
                case "error": "<span class=\"st failed\">error</span>"
                case "warning": "<span class=\"st up_for_retry\">warning</span>"
                case "info" where Self.isOfWait(line.text.message):
                    "<span class=\"st deferred\"><i aria-hidden=\"true\">\(TaskState.deferred.symbol)</i>wait</span>"
                default: "<span class=\"soft\">\(level ?? "")</span>"
                }
            return """
                <tr id="l\(line.number)"><td class="tight num soft">\(line.number)</td>\
                <td class="tight mid soft">\(line.text.timestamp?.pageText ?? "")</td><td class="tight">\(kind)</td>\
                <td class="wrap"><code>\(String(line.text.message.shown(2_000)))</code></td></tr>
                """
        }
        let table = HTML.table(
            "The log of the try \(head.tryNumber)",
            [
                PageColumn("Line", "tight num"), PageColumn("When", "tight mid"), PageColumn("Level", "tight"),
                PageColumn("What"),
            ], rows,
            empty: call.query.text("search") == nil ? "The log is empty." : "None of these lines has that in it.")
        let isFirst =
            call.query["newest"] == nil && (call.query.number("after", in: 0...Int(Int32.max)) ?? 0) == 0
        return table
            + HTML.pager(
                "\(lines.count) lines", before: isFirst ? nil : call.link(["after": nil, "newest": nil]),
                after: next.map { call.link(["after": "\($0)", "newest": nil]) })
    }
}
