// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The tries of a task instance: when each was queued, began and ended, how long it waited, and why it ended. Of the latest its row
/// tells; of those before, what their journals and logs keep.
struct InstanceTries: Sendable {
    /// So many are told of, the latest.
    static let most = 10
    /// So much of a log is looked at for the end of a try.
    private static let mostLines = 400

    private struct Entry: Sendable {
        var number: Int
        var queued: Timestamp?
        var began: Timestamp?
        var ended: Timestamp?
        var state: TaskState?
        var words: String?
        var recorded: RecordedTry?
    }

    private let head: InstanceHead
    private var entries: [Entry] = []

    init(_ head: InstanceHead, _ recorded: [RecordedTry], _ surroundings: APISurroundings) async {
        self.head = head
        let row = head.row
        for number in (max(1, row.tryNumber - Self.most + 1)..<max(1, row.tryNumber + 1)).reversed() {
            var entry = Entry(number: number, recorded: recorded.first { $0.tryNumber == number })
            if number == row.tryNumber {
                (entry.queued, entry.began, entry.ended) = (row.queuedAt, row.startDate, row.endDate)
                (entry.state, entry.words) = (row.state, row.message)
            } else {
                await Self.look(at: &entry, head.key, surroundings)
            }
            entries.append(entry)
        }
    }

    /// Reads when an earlier try began and ended, and what it said last that was no good.
    private static func look(at entry: inout Entry, _ key: TaskInstanceKey, _ surroundings: APISurroundings) async {
        let page: APISurroundings.LogPage?
        do {
            page = try await surroundings.log(key, entry.number, .behind(.init(line: 0)), mostLines)
        } catch {
            page = nil  // because a log that cannot be read tells nothing here, and its own page says why
        }
        let lines = (page?.lines ?? []).map { AttemptLogText($0) }
        entry.began = lines.first { $0.timestamp != nil }?.timestamp ?? entry.recorded?.first
        // Of a long log the end is not looked for.
        guard page?.hasMore == false else { return }
        entry.ended = lines.last { $0.timestamp != nil }?.timestamp
        entry.words = lines.last { $0.level == .error }?.message ?? lines.last { $0.level == .warning }?.message
    }

    var html: HTML {
        guard !entries.isEmpty else { return .empty }
        let rows = entries.map(row)
        let table = HTML.table(
            "Tries, the latest first",
            [
                PageColumn("Try", "tight num"), PageColumn("State", "tight"), PageColumn("Queued", "tight wide"),
                PageColumn("Began", "tight"), PageColumn("Ended", "tight mid"), PageColumn("Took", "tight num"),
                PageColumn("Waits", "tight num mid"), PageColumn("Waited", "tight num wide"),
                PageColumn("Why it ended"),
            ], rows, empty: "")
        let note: HTML = .when(
            entries.count > 1,
            "<p class=\"soft\">Of tries before the latest one is told what their journals and logs keep.</p>")
        let more: HTML = .when(
            head.row.tryNumber > entries.count,
            "<p class=\"soft\">The latest \(entries.count) of \(head.row.tryNumber).</p>")
        return "<section aria-labelledby=\"tries\"><h2 id=\"tries\">Tries</h2>\(table)\(note)\(more)</section>"
    }

    private func row(_ entry: Entry) -> HTML {
        let state: HTML = entry.state.map { HTML.state($0) } ?? "<span class=\"soft\">over</span>"
        let isNow = entry.number == head.row.tryNumber
        let took: HTML =
            isNow || entry.ended != nil
            ? HTML.duration(from: entry.began, to: entry.ended, now: head.now) : "<span class=\"soft\">–</span>"
        let waits = entry.recorded?.waits ?? 0
        let waited: HTML = waits == 0 ? .empty : "\((entry.recorded?.waited ?? TimeSpan(microseconds: 0)).brief)"
        let log = PagePath.instance(head.key, "log", try: entry.number)
        let words: HTML =
            entry.words.map { "\(String($0.shown(400)))" }
            ?? (isNow ? .empty : "<span class=\"soft\">its log tells</span>")
        return """
            <tr><th scope="row" class="tight num"><a href="\(exact: log)" aria-label="The log of the try \(entry.number)">\
            \(entry.number)</a></th><td class="tight">\(state)</td><td class="tight wide">\(HTML.time(entry.queued))</td>\
            <td class="tight">\(HTML.time(entry.began))</td><td class="tight mid">\(HTML.time(entry.ended))</td>\
            <td class="tight num">\(took)</td><td class="tight num mid">\(waits)</td>\
            <td class="tight num wide">\(waited)</td><td class="wrap">\(words)</td></tr>
            """
    }
}
