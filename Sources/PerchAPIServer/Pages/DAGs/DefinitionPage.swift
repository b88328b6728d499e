// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The definition of a version of a DAG, as the bundle described it: what runs go by; and the text of the file that declares it.
struct DefinitionPage {
    private static let size = 15
    /// Of one task, and of the DAG's own fields, so many bytes are shown.
    private static let most = 3_000
    /// So many lines of the file, and about so many bytes, stand on a page.
    private static let mostLines = 300
    private static let mostBytes = 24 << 10

    private let call: PageCall
    private let head: DAGHead
    private let version: DAGVersionRow
    private let definition: DAGDefinition
    private let number: Int
    /// Nil: there is none.
    private let source: VersionSource?
    /// Whether there is one that declares DAGs, too, that the caller does not see.
    private let isHidden: Bool
    /// The first line of the file that is shown.
    private let firstLine: Int

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.name("dag_id")
        let wanted = call.query.number("version", in: 1...Int(Int32.max))
        (head, version, definition, source, isHidden) = try await call.read { snapshot in
            let version = try snapshot.knownVersion(dagID, wanted)
            let sees = try call.seesSource(ofVersion: version.versionID, snapshot)
            return (
                try DAGHead(dagID, snapshot), version, try snapshot.definition(ofVersion: version.versionID),
                sees ? try snapshot.source(ofVersion: version.versionID) : nil, !sees
            )
        }
        firstLine = call.query.number("line", in: 1...1_000_000) ?? 1
        number = call.query.number("page", in: 1...100_000) ?? 1
    }

    var content: PageContent { head.content(call, view: "definition", about + file + own + tasks) }

    private var about: HTML {
        """
        <p class="soft">Version \(version.number), since \(HTML.time(version.createdAt)), of the bundle \
        \(version.bundleVersion). <a href="#dag">The definition</a> is what the bundle described, and what runs go by.</p>
        """
    }

    /// The text of the file.
    private var file: HTML {
        let head: HTML = "<h2 id=\"source\">The file</h2>"
        guard !isHidden else {
            return head + "<p class=\"soft\">It declares DAGs, too, that you do not see, so it is not shown.</p>"
        }
        guard let source else {
            let places = definition.tasks.lazy.map { "\($0.location)" }.filter { !$0.isEmpty }
            let place: HTML = places.first.map { "; its first task is declared at <code>\($0)</code>" } ?? .empty
            return head + """
                <p class="soft">No text of it is kept: the bundle had none at hand that fits what it runs\(place).</p>
                """
        }
        let all = source.lines
        let count = all.count
        var (shown, bytes): ([(number: Int, text: String)], Int) = ([], 0)
        for place in (firstLine - 1)..<max(firstLine - 1, min(count, firstLine - 1 + Self.mostLines))
        where bytes < Self.mostBytes {
            shown.append((place + 1, all[place]))
            bytes += min(500, all[place].utf8.count)
        }
        let last = firstLine - 1 + shown.count
        let pager = HTML.pager(
            shown.isEmpty ? "None" : "lines \(firstLine)–\(last) of \(count.grouped)",
            before: firstLine > 1 ? call.link(["line": nil]) : nil,
            after: last < count ? call.link(["line": "\(last + 1)"]) : nil)
        return head + "<p><code>\(source.path)</code></p>" + HTML.lines(shown) + pager
    }

    private var own: HTML {
        guard case .object(var members) = definition.json else { return .empty }
        members["tasks"] = nil
        return "<h2 id=\"dag\">The DAG</h2>\(HTML.json(JSONValue.object(members).text, most: Self.most))"
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
