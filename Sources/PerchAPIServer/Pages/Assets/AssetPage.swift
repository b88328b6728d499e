// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// One asset: what updates it, what its updates lead to, and those that are kept, with what each has started.
struct AssetPage {
    private static let size = 50
    private static let mostNames = 100

    private let call: PageCall
    private let asset: AssetRow
    private let updates: [(event: InboxEvent, started: [StartedRun])]
    private let hasMore: Bool
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let name = call.name("asset")
        let before = call.query.text("before").flatMap { Int64($0) } ?? .max
        (asset, updates, hasMore, now) = try await call.read { snapshot in
            let asset = try snapshot.knownAsset(name)
            let events = try snapshot.latestEvents(
                name: Asset.eventName, key: name, before: before, limit: Self.size + 1)
            let updates = try events.prefix(Self.size).map {
                (event: $0, started: try snapshot.started(byEvent: $0.seq))
            }
            return (asset, updates, events.count > Self.size, snapshot.now)
        }
    }

    var content: PageContent {
        PageContent(
            title: asset.name, section: .assets, trail: [("Assets", "/assets")],
            aside: "<div class=\"soft\">\(asset.updates.grouped) updates are kept</div>", body: uses + table,
            isLive: true)
    }

    private var uses: HTML {
        func list(_ title: String, _ count: Int, _ items: [HTML]) -> HTML {
            let more: HTML = .when(count > items.count, "<li class=\"soft\">and \(count - items.count) others</li>")
            let body: HTML = count == 0 ? "<p class=\"soft\">Nothing.</p>" : "<ul>\(items)\(more)</ul>"
            return "<section><h2>\(title)</h2>\(body)</section>"
        }
        func tasks(_ names: [AssetRow.TaskName]) -> [HTML] {
            names.prefix(Self.mostNames).map {
                "<li><a href=\"\(exact: PagePath.dag($0.dagID))\">\($0.dagID)</a>, task <code>\($0.taskID)</code></li>"
            }
        }
        let dags = asset.startedDAGs.prefix(Self.mostNames).map {
            "<li><a href=\"\(exact: PagePath.dag($0))\">\($0)</a></li>" as HTML
        }
        let around = "/assets/graph" + PagePath.query([("around", asset.name)])
        return """
            <p><a href="\(exact: around)">What is around it, as a graph</a></p><div class="two">\
            \(list("What updates it", asset.producers.count, tasks(asset.producers)))\
            \(list("What its updates start", asset.startedDAGs.count, dags))</div>\
            \(list("What waits for its updates", asset.sensors.count, tasks(asset.sensors)))
            """
    }

    private var table: HTML {
        let rows = updates.map { update -> HTML in
            let payload = update.event.payload
            func text(_ name: String) -> String? { if case .string(let text)? = payload[name] { text } else { nil } }
            var by: HTML = "<span class=\"soft\">somebody outside</span>"
            if let dagID = text("dag_id") {
                by = "<a href=\"\(exact: PagePath.dag(dagID))\">\(dagID)</a>"
                if let runID = text("run_id") {
                    by += " <a href=\"\(exact: PagePath.run(dagID, runID))\">\(runID)</a>"
                }
                if let taskID = text("task_id") { by += " <code>\(taskID)</code>" }
            }
            let started = update.started.prefix(10).map { run -> HTML in
                let dag: HTML = "<a href=\"\(exact: PagePath.dag(run.dagID))\">\(run.dagID)</a>"
                guard let runID = run.runID else {
                    return dag + " <span class=\"soft\">\(run.reason ?? "no run")</span>"
                }
                return dag + " <a href=\"\(exact: PagePath.run(run.dagID, runID))\">\(runID)</a>"
            }
            return """
                <tr><td class="tight num">\(update.event.seq)</td>\
                <td class="tight">\(HTML.time(update.event.receivedAt))</td><td class="wrap">\(by)</td>\
                <td class="wrap">\(started.joined(by: ", "))</td></tr>
                """
        }
        let table = HTML.table(
            "Updates, the newest first",
            [
                PageColumn("No.", "tight num"), PageColumn("Came", "tight"), PageColumn("By"),
                PageColumn("What it started"),
            ], rows, empty: "No update is kept.")
        let next = hasMore ? updates.last.map { call.link(["before": "\($0.event.seq)"]) } : nil
        return "<h2>Updates</h2>" + table
            + HTML.pager(
                "\(updates.count) shown", before: call.query["before"] == nil ? nil : call.link(["before": nil]),
                after: next)
    }
}
