// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// What a DAG says of itself: its schedule, its params, its assets, its versions and what they changed, its definition.
struct DetailsPage {
    private static let mostVersions = 30
    private static let mostChanges = 200
    private static let mostText = 40_000

    private let call: PageCall
    private let head: DAGHead
    private let versions: [DAGVersionRow]
    /// What led from one version to another.
    private let difference: (from: Int, to: Int, changes: [DAGDifference.Change])?

    init(_ call: PageCall) async throws {
        let dagID = call.name("dag_id")
        let wanted = call.query.number("version", in: 2...Int(Int32.max))
        (head, versions, difference) = try await call.read { snapshot in
            let head = try DAGHead(dagID, snapshot)
            let versions = try snapshot.versions(dagID: dagID)
            var difference: (from: Int, to: Int, changes: [DAGDifference.Change])?
            let number = wanted ?? versions.first?.number ?? 1
            if let new = versions.first(where: { $0.number == number }),
                let old = versions.first(where: { $0.number < number })
            {
                let changes = DAGDifference(
                    from: try snapshot.definition(ofVersion: old.versionID),
                    to: try snapshot.definition(ofVersion: new.versionID)
                ).changes
                difference = (old.number, new.number, changes)
            }
            return (head, versions, difference)
        }
        self.call = call
    }

    var content: PageContent {
        head.content(call, view: "details", facts + params + tasks + versionTable + changes + definition)
    }

    private var facts: HTML {
        let definition = head.definition
        let none: HTML = "<span class=\"soft\">none</span>"
        let tags = definition.tags.map { tag -> HTML in
            "<a class=\"tag\" href=\"\(exact: "/dags" + PagePath.query([("tag", tag)]))\">\(tag)</a>"
        }
        let outlets = Set(definition.tasks.flatMap(\.outlets)).sorted()
        return HTML.facts([
            ("Schedule", definition.schedule.summary.map { "<code>\($0)</code>" } ?? none),
            ("Time zone", "\(definition.schedule.timeZone)"),
            ("Next run", HTML.time(head.row.nextRunAt)), ("Last scheduled", HTML.time(head.row.lastScheduled)),
            ("First date", HTML.time(definition.start)), ("Last date", HTML.time(definition.end)),
            ("Missed runs", "\(definition.catchup ? "all are created" : "only the latest is created")"),
            ("Runs at a time", "\(definition.maxActiveRuns)"),
            ("A run may take", definition.runTimeout.map { "\($0.brief)" } ?? "any time"),
            ("Tags", tags.isEmpty ? none : tags.joined(by: " ")),
            ("Assets it updates", outlets.isEmpty ? none : "\(outlets.joined(separator: ", "))"),
            ("Version", "\(head.row.versionNumber), of the bundle \(head.row.bundleVersion)"),
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

    private var versionTable: HTML {
        let rows = versions.prefix(Self.mostVersions).map { version -> HTML in
            let link: HTML =
                version.number > 1
                ? "<a href=\"\(exact: call.link(["version": "\(version.number)"]))#changes\">what changed</a>"
                : "<span class=\"soft\">the first</span>"
            return """
                <tr><th scope="row">\(version.number)</th><td>\(HTML.time(version.createdAt))</td>\
                <td class="mid wrap">\(version.bundleVersion)</td><td class="num">\(version.runs.grouped)</td><td>\(link)</td></tr>
                """
        }
        return "<h2>Versions</h2>"
            + HTML.table(
                "Versions of the DAG, the newest first",
                [
                    PageColumn("Version"), PageColumn("Since"), PageColumn("Bundle", "mid"), PageColumn("Runs", "num"),
                    PageColumn("Changes", isHidden: true),
                ], rows, empty: "There are none.")
    }

    private var changes: HTML {
        guard let difference else { return .empty }
        let rows = difference.changes.prefix(Self.mostChanges).map { change -> HTML in
            let what = [change.taskID, change.upstreamID.map { "after \($0)" }, change.field].compactMap(\.self)
            func value(_ value: JSONValue?) -> HTML {
                value.map { "<code>\(String($0.text.shown(300)))</code>" } ?? .empty
            }
            return """
                <tr><td>\(change.kind.rawValue)</td><th scope="row" class="wrap">\(what.joined(separator: ", "))</th>\
                <td class="wrap">\(value(change.old))</td><td class="wrap">\(value(change.new))</td></tr>
                """
        }
        let more: HTML = .when(
            difference.changes.count > Self.mostChanges,
            "<p class=\"soft\">The first \(Self.mostChanges) of \(difference.changes.count).</p>")
        return "<h2 id=\"changes\">From version \(difference.from) to \(difference.to)</h2>"
            + HTML.table(
                "What changed",
                [PageColumn("Change"), PageColumn("Of what"), PageColumn("Before"), PageColumn("After")], rows,
                empty: "Nothing that runs go by.") + more
    }

    /// As the bundle described it: the source itself is not kept.
    private var definition: HTML {
        let text = head.definition.json.text
        let shown = text.utf8.count <= Self.mostText ? text : String(text.prefix(Self.mostText)) + "…"
        return "<details><summary>The definition as the bundle described it</summary><pre>\(shown)</pre></details>"
    }
}
