// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The definition of a version of a DAG, as the bundle described it: what runs go by. The text of its file is not kept.
struct DefinitionPage {
    private static let size = 15
    /// Of one task, and of the DAG's own fields, so many bytes are shown.
    private static let most = 3_000

    private let call: PageCall
    private let head: DAGHead
    private let version: DAGVersionRow
    private let definition: DAGDefinition
    private let number: Int

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.name("dag_id")
        let wanted = call.query.number("version", in: 1...Int(Int32.max))
        (head, version, definition) = try await call.read { snapshot in
            let version = try snapshot.knownVersion(dagID, wanted)
            return (try DAGHead(dagID, snapshot), version, try snapshot.definition(ofVersion: version.versionID))
        }
        number = call.query.number("page", in: 1...100_000) ?? 1
    }

    var content: PageContent { head.content(call, view: "definition", about + own + tasks) }

    private var about: HTML {
        let places = definition.tasks.lazy.map { "\($0.location)" }.filter { !$0.isEmpty }
        let place: HTML = places.first.map { "; its first task is declared at <code>\($0)</code>" } ?? .empty
        return """
            <p class="soft">Version \(version.number), since \(HTML.time(version.createdAt)), of the bundle \
            \(version.bundleVersion). This is what the bundle described, and what runs go by. The text of the file, Swift or \
            YAML, is not kept: it stands in the project\(place).</p>
            """
    }

    private var own: HTML {
        guard case .object(var members) = definition.json else { return .empty }
        members["tasks"] = nil
        return "<h2>The DAG</h2>\(HTML.json(JSONValue.object(members).text, most: Self.most))"
    }

    private var tasks: HTML {
        let all = definition.tasks
        let first = (number - 1) * Self.size
        let shown = all.dropFirst(first).prefix(Self.size)
        let items = shown.map { task -> HTML in
            """
            <details><summary><code>\(task.taskID)</code> <span class="soft">\(task.kindName)</span></summary>\
            \(HTML.json(task.json.text, most: Self.most))</details>
            """
        }
        let words = shown.isEmpty ? "None" : "\(first + 1)–\(first + shown.count) of \(all.count.grouped)"
        let pager = HTML.pager(
            words, before: number > 1 ? call.link(["page": number == 2 ? nil : "\(number - 1)"]) : nil,
            after: first + shown.count < all.count ? call.link(["page": "\(number + 1)"]) : nil)
        return "<h2>Tasks</h2><div class=\"box\">\(items)</div>\(pager)"
    }
}
