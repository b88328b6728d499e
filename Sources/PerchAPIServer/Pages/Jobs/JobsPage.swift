// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let jobs: [PageRoute] = [.page("/jobs") { call in try await JobsPage(call).content }]
}

/// Every process that takes part: what it holds, and until when.
private struct JobsPage {
    private let schedulers: [ProcessRow]
    private let triggerers: [TriggererRow]
    private let workers: [WorkerRow]
    private let apiServers: [APIServerRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        (schedulers, triggerers, workers, apiServers, now) = try await call.read { snapshot in
            (
                try snapshot.processes(role: SchedulerRow.role), try snapshot.triggerers(), try snapshot.workers(),
                try snapshot.apiServers(), snapshot.now
            )
        }
    }

    var content: PageContent {
        PageContent(
            title: "Triggerers and workers", section: .jobs,
            body: triggererTable + workerTable + schedulerTable + apiServerTable, isLive: true)
    }

    private func state(_ words: String) -> HTML {
        switch words {
        case "active": "<span class=\"st success\"><i aria-hidden=\"true\">✓</i>active</span>"
        case "dead": "<span class=\"st failed\"><i aria-hidden=\"true\">✕</i>dead</span>"
        default: "<span class=\"st queued\"><i aria-hidden=\"true\">≡</i>\(words)</span>"
        }
    }

    private func life(_ process: ProcessRow, _ words: String? = nil) -> HTML {
        """
        <th scope="row" class="wrap">\(process.name)</th>\
        <td class="tight">\(state(words ?? (process.leaseUntil > now ? "active" : "dead")))</td>
        """
    }

    private func times(_ process: ProcessRow) -> HTML {
        """
        <td class="tight mid">\(HTML.ago(process.startedAt, now: now))</td>\
        <td class="tight wide">\(HTML.ago(process.leaseUntil, now: now))</td>
        """
    }

    private static let first = [PageColumn("Process"), PageColumn("State", "tight")]
    private static let last = [PageColumn("Since", "tight mid"), PageColumn("Lease ends", "tight wide")]

    private func section(_ id: String, _ title: String, _ columns: [PageColumn], _ rows: [HTML]) -> HTML {
        let table = HTML.table(
            "\(title) that have signed on", Self.first + columns + Self.last, rows, empty: "There is none.")
        return "<section aria-labelledby=\"\(id)\"><h2 id=\"\(id)\">\(title)</h2>\(table)</section>"
    }

    private func queues(_ names: [String]?) -> String { names.map { $0.joined(separator: ", ") } ?? "all" }

    private var triggererTable: HTML {
        let rows = triggerers.map { row -> HTML in
            let link = "/deferred" + PagePath.query([("owner", row.process.name)])
            return """
                <tr>\(life(row.process, row.state(at: now)))\
                <td class="tight num"><a href="\(exact: link)">\(row.waits.grouped)</a></td>\
                <td class="tight num mid">\(row.terms.capacity.grouped)</td><td class="tight num">\(row.shards.grouped)</td>\
                <td class="wrap mid">\(queues(row.terms.queues))</td>\(times(row.process))</tr>
                """
        }
        return section(
            "triggerers", "Triggerers",
            [
                PageColumn("Waits", "tight num"), PageColumn("Meant for", "tight num mid"),
                PageColumn("Shards", "tight num"), PageColumn("Queues", "mid"),
            ], rows)
    }

    private var workerTable: HTML {
        let rows = workers.map { row -> HTML in
            """
            <tr>\(life(row.process))<td class="tight num">\(row.running.grouped)</td>\
            <td class="tight num">\(row.terms.slots.grouped)</td>\
            <td class="wrap mid">\(queues(row.terms.queues))</td>\(times(row.process))</tr>
            """
        }
        return section(
            "workers", "Workers",
            [PageColumn("Holds", "tight num"), PageColumn("Slots", "tight num"), PageColumn("Queues", "mid")], rows)
    }

    private var schedulerTable: HTML {
        section("schedulers", "Schedulers", [], schedulers.map { row in "<tr>\(life(row))\(times(row))</tr>" })
    }

    private var apiServerTable: HTML {
        let rows = apiServers.map { row -> HTML in
            "<tr>\(life(row.process))<td class=\"tight\">\(row.version ?? "")</td>\(times(row.process))</tr>"
        }
        return section("api-servers", "API servers", [PageColumn("Version", "tight")], rows)
    }
}
