// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// A year of a DAG's runs, a square for each day of their logical dates.
struct CalendarPage {
    private static let weeks = 53
    private static let mostRuns = 50_000

    private struct Day {
        var counts: [RunState: Int] = [:]
        var total: Int { counts.values.reduce(0, +) }

        /// The state that asks most for attention.
        var state: RunState? { [.failed, .running, .queued, .success].first { counts[$0] != nil } }

        var words: String {
            RunState.allCases.compactMap { state in counts[state].map { "\($0) \(state.rawValue)" } }.joined(
                separator: ", ")
        }
    }

    private let call: PageCall
    private let head: DAGHead
    private var days: [Int64: Day] = [:]
    /// The first day of the first week, in days since 1970.
    private let first: Int64
    private let today: Int64

    init(_ call: PageCall) async throws {
        let dagID = call.name("dag_id")
        let today = call.metastore.clock.now.microseconds / 86_400_000_000
        // Weeks begin on a Monday; 1970 began on a Thursday.
        let first = today - (today + 3) % 7 - Int64(7 * (Self.weeks - 1))
        let rows: [(day: Int64, state: RunState, count: Int)]
        (head, rows) = try await call.read { snapshot in
            (
                try DAGHead(dagID, snapshot),
                try snapshot.dailyRuns(
                    dagID: dagID, from: Timestamp(microseconds: first * 86_400_000_000), atMost: Self.mostRuns)
            )
        }
        (self.call, self.first, self.today) = (call, first, today)
        for row in rows { days[row.day, default: Day()].counts[row.state, default: 0] += row.count }
    }

    private static func text(_ day: Int64) -> String { Timestamp(microseconds: day * 86_400_000_000).dateText }

    var content: PageContent {
        let total = days.values.reduce(0) { $0 + $1.total }
        let failed = days.values.reduce(0) { $0 + ($1.counts[.failed] ?? 0) }
        let words = "\(total.grouped) runs on \(days.count) days of the last year, \(failed.grouped) of them failed"
        return head.content(
            call, view: "calendar",
            """
            <p class="soft">\(words). A square is a day of logical dates, in UTC; ✕ marks days with failed runs, ▸ days with runs \
            under way.</p>
            <div class="scroll" role="region" aria-label="Calendar" tabindex="0">\(picture(words))</div>
            \(months)
            """)
    }

    private func picture(_ words: String) -> HTML {
        var shapes: [HTML] = []
        var lastMonth = ""
        for week in 0..<Self.weeks {
            let x = 34 + 14 * week
            let month = String(Self.text(first + Int64(7 * week)).dropFirst(5).prefix(2))
            if month != lastMonth, let number = Int(month) {
                shapes.append("<text x=\"\(x)\" y=\"12\">\(Self.monthNames[number - 1])</text>")
                lastMonth = month
            }
            for weekday in 0..<7 {
                let number = first + Int64(7 * week + weekday)
                guard number <= max(today, days.keys.max() ?? 0) else { continue }
                shapes.append(square(number, x: x, y: 20 + 14 * weekday))
            }
        }
        let labels = [("Mon", 31), ("Wed", 59), ("Fri", 87)].map { name, y -> HTML in
            "<text x=\"4\" y=\"\(y)\">\(name)</text>"
        }
        return """
            <svg class="cal" viewBox="0 0 780 124" role="group" aria-label="\(words)">\(labels)
            \(shapes.joined(by: "\n"))
            </svg>
            """
    }

    private func square(_ number: Int64, x: Int, y: Int) -> HTML {
        let text = Self.text(number)
        guard let day = days[number], let state = day.state else {
            return "<rect class=\"day void\" x=\"\(x)\" y=\"\(y)\" width=\"13\" height=\"13\" rx=\"2\"/>"
        }
        let path = PagePath.dag(head.row.dagID, "runs") + PagePath.query([("day", text)])
        let sign: HTML = .when(
            state != .success,
            "<text class=\"sym\" x=\"\(x + 6)\" y=\"\(y + 10)\" text-anchor=\"middle\">\(state.symbol)</text>")
        return """
            <a href="\(exact: path)" aria-label="\(text): \(day.words)"><title>\(text): \(day.words)</title>\
            <rect class="day \(state.rawValue)" x="\(x)" y="\(y)" width="13" height="13" rx="2"/>\(sign)</a>
            """
    }

    private static let monthNames = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The same in numbers.
    private var months: HTML {
        var months: [String: Day] = [:]
        for (number, day) in days {
            months[String(Self.text(number).prefix(7)), default: Day()].counts.merge(day.counts, uniquingKeysWith: +)
        }
        let rows = months.sorted { $0.key > $1.key }.map { month, day -> HTML in
            let cells = RunState.allCases.map { "<td class=\"num\">\((day.counts[$0] ?? 0).grouped)</td>" as HTML }
            return "<tr><th scope=\"row\">\(month)</th>\(cells)</tr>"
        }
        return HTML.table(
            "Runs by month of their logical dates", isCaptionShown: true,
            [PageColumn("Month")] + RunState.allCases.map { PageColumn($0.rawValue, "num") }, rows,
            empty: "It has not run in the last year.")
    }
}
