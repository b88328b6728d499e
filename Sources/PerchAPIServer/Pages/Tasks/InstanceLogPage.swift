// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The log of a try, with what is searched for in it.
struct InstanceLogPage {
    private static let size = 250
    /// So many lines are looked through for what is searched for before the page ends.
    private static let mostLookedAt = 20_000
    /// So many bytes, too.
    private static let mostBytesLookedAt = 32 << 20
    /// Of each line so many characters are shown.
    private static let mostShown = 2_000

    private let call: PageCall
    private let head: InstanceHead
    /// With their numbers, from 1, where those are known.
    private let lines: [(number: Int?, text: AttemptLogText)]
    /// Where the next page begins; nil: there is none.
    private let next: APISurroundings.LogPlace?
    private let hasLog: Bool

    init(_ call: PageCall) async throws {
        self.call = call
        let head = try await call.read { try InstanceHead(call, $0) }
        self.head = head
        let search = call.query.text("search")?.lowercased()
        var found: [(number: Int?, text: AttemptLogText)] = []
        if call.query["newest"] != nil, search == nil {
            let page =
                head.tryNumber > 0
                ? try await call.surroundings.log(head.key, head.tryNumber, .newest, Self.size) : nil
            for (index, line) in (page?.lines ?? []).enumerated() {
                found.append((page?.first.map { $0 + index }, AttemptLogText(line)))
            }
            (lines, next, hasLog) = (found, nil, page != nil)
            return
        }
        var place = Self.place(call)
        let first = place.line
        var (looked, hasMore, hasLog) = (0, head.tryNumber > 0, false)
        while hasMore, found.count < Self.size, place.line - first < Self.mostLookedAt, looked < Self.mostBytesLookedAt
        {
            let wanted = search == nil ? Self.size - found.count : 1_000
            guard let page = try await call.surroundings.log(head.key, head.tryNumber, .behind(place), wanted) else {
                hasMore = false
                break
            }
            hasLog = true
            hasMore = page.hasMore
            let begin = place.line
            place = page.next ?? APISurroundings.LogPlace(line: begin + page.lines.count)
            for (index, line) in page.lines.enumerated() {
                looked += line.utf8.count
                guard search.map({ line.lowercased().contains($0) }) ?? true else { continue }
                // No more of a long line is kept than is shown of it.
                found.append((begin + index + 1, AttemptLogText(String(line.prefix(2 * Self.mostShown)))))
                guard found.count < Self.size else {
                    guard index + 1 < page.lines.count else { break }
                    hasMore = true
                    place = APISurroundings.LogPlace(line: begin + index + 1)
                    break
                }
            }
            if page.lines.isEmpty { break }
        }
        (lines, next, self.hasLog) = (found, hasMore ? place : nil, hasLog)
    }

    /// Where the page begins that is asked for.
    private static func place(_ call: PageCall) -> APISurroundings.LogPlace {
        let line = call.query.number("after", in: 0...Int(Int32.max)) ?? 0
        let byte = call.query.number("at", in: 0...Int.max).map { Int64($0) }
        return APISurroundings.LogPlace(line: line, byte: byte)
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
            href="\(exact: call.link(["search": nil, "after": nil, "at": nil, "newest": "1"]))">Newest lines</a></form>
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
            let mark: HTML = line.number.map { " id=\"l\($0)\"" } ?? .empty
            return """
                <tr\(mark)><td class="tight num soft">\(line.number.map { "\($0)" } ?? "")</td>\
                <td class="tight mid soft">\(line.text.timestamp?.pageText ?? "")</td><td class="tight">\(kind)</td>\
                <td class="wrap"><code>\(String(line.text.message.shown(Self.mostShown)))</code></td></tr>
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
                "\(lines.count) lines", before: isFirst ? nil : call.link(["after": nil, "at": nil, "newest": nil]),
                after: next.map { next in
                    call.link(["after": "\(next.line)", "at": next.byte.map { "\($0)" }, "newest": nil])
                })
    }
}
