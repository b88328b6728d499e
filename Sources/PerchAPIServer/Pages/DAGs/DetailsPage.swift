// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What a DAG says of itself: its schedule, its params, its tasks, its assets.
struct DetailsPage {
    private let call: PageCall
    private let head: DAGHead

    init(_ call: PageCall) async throws {
        let dagID = call.name("dag_id")
        head = try await call.read { try DAGHead(dagID, $0) }
        self.call = call
    }

    var content: PageContent {
        head.content(call, view: "details", facts + params + tasks + assets)
    }

    private var facts: HTML {
        let definition = head.definition
        let none: HTML = "<span class=\"soft\">none</span>"
        let tags = definition.tags.map { tag -> HTML in
            "<a class=\"tag\" href=\"\(exact: "/dags" + PagePath.query([("tag", tag)]))\">\(tag)</a>"
        }
        return HTML.facts([
            ("Schedule", definition.schedule.summary.map { "<code>\($0)</code>" } ?? none),
            ("Time zone", "\(definition.schedule.timeZone)"),
            ("Next run", HTML.time(head.row.nextRunAt)), ("Last scheduled", HTML.time(head.row.lastScheduled)),
            ("First date", HTML.time(definition.start)), ("Last date", HTML.time(definition.end)),
            ("Missed runs", "\(definition.catchup ? "all are created" : "only the latest is created")"),
            ("Runs at a time", "\(definition.maxActiveRuns)"),
            ("A run may take", definition.runTimeout.map { "\($0.brief)" } ?? "any time"),
            ("Tags", tags.isEmpty ? none : tags.joined(by: " ")),
            (
                "Version",
                """
                <a href="\(exact: PagePath.dag(head.row.dagID, "versions"))">\(head.row.versionNumber)</a>, of the bundle \
                \(head.row.bundleVersion)
                """
            ),
            ("Tasks", "\(definition.tasks.count)"),
        ])
    }

    private var params: HTML {
        let definition = head.definition
        let names = Set(definition.params.keys).union(definition.paramSchemas.keys).sorted()
        guard !names.isEmpty else { return .empty }
        let rows = names.prefix(200).map { name -> HTML in
            let schema = definition.paramSchemas[name]
            let value: HTML = definition.params[name].map { "<code>\($0.text)</code>" } ?? "needed"
            return """
                <tr><th scope="row" class="wrap">\(name)</th><td>\(schema?.kind.rawValue ?? "any")</td>\
                <td class="wrap">\(value)</td><td class="wide">\(schema?.description)</td></tr>
                """
        }
        return "<h2>Params</h2>"
            + HTML.table(
                "Params of a run",
                [PageColumn("Name"), PageColumn("Type"), PageColumn("Default"), PageColumn("Meaning", "wide")], rows,
                empty: "")
    }

    private var tasks: HTML {
        let all = head.definition.tasks
        let rows = all.prefix(100).map { task -> HTML in
            let before = task.upstream.prefix(8).map { all[$0].taskID }.joined(separator: ", ")
            let more = task.upstream.count > 8 ? " and \(task.upstream.count - 8) others" : ""
            return """
                <tr><th scope="row" class="wrap">\(task.taskID)</th><td>\(task.kindName)</td>\
                <td class="mid wrap">\(before + more)</td><td class="wide">\(task.triggerRule.rawValue)</td>\
                <td class="wide num">\(task.retries)</td><td class="mid wrap"><code>\(task.location)</code></td></tr>
                """
        }
        let more: HTML = .when(all.count > 100, "<p class=\"soft\">The first 100 of \(all.count).</p>")
        return "<h2>Tasks</h2>"
            + HTML.table(
                "Tasks, in an order in which they can run",
                [
                    PageColumn("Task"), PageColumn("Operator"), PageColumn("After", "mid"), PageColumn("Rule", "wide"),
                    PageColumn("Retries", "wide num"), PageColumn("Declared at", "mid"),
                ], rows, empty: "There are none.") + more
    }

    private var assets: HTML {
        let uses = head.definition.assetUses
        guard !uses.isEmpty else { return .empty }
        let rows = uses.prefix(100).map { use -> HTML in
            let words: HTML =
                switch use.kind {
                case .starts: "its updates start runs"
                case .updates: "<code>\(use.taskID)</code> updates it"
                case .waits: "<code>\(use.taskID)</code> waits for its updates"
                }
            // The page of an asset is for those who see all DAGs.
            let name: HTML =
                call.caller.everywhere >= .viewer
                ? "<a href=\"\(exact: PagePath.asset(use.name))\">\(use.name)</a>" : "\(use.name)"
            return "<tr><th scope=\"row\" class=\"wrap\">\(name)</th><td class=\"wrap\">\(words)</td></tr>"
        }
        let more: HTML = .when(uses.count > 100, "<p class=\"soft\">The first 100 of \(uses.count).</p>")
        return "<h2 id=\"assets\">Assets</h2>"
            + HTML.table(
                "Assets that the DAG has to do with", [PageColumn("Asset"), PageColumn("What they have in common")],
                rows, empty: "") + more
    }
}
