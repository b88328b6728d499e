// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The versions of a DAG, and what differs between two of them: what `dags versions` and `dags diff` tell.
struct VersionsPage {
    private static let size = 30
    private static let mostChanges = 200
    /// Behind so many bytes of changes the page ends, too.
    private static let mostBytes = 80_000
    /// So many lines of what differs between the files are shown.
    private static let mostLines = 400

    private let call: PageCall
    private let head: DAGHead
    private let versions: [DescribedVersion]
    private let hasMore: Bool
    /// Nil: there is nothing to compare.
    private let difference: VersionDifference?

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.name("dag_id")
        let most = Int(Int32.max)
        let (from, to) = (call.query.number("from", in: 1...most), call.query.number("to", in: 1...most))
        let before = call.query.number("before", in: 1...most) ?? .max
        (head, versions, hasMore, difference) = try await call.read { snapshot in
            let head = try DAGHead(dagID, snapshot)
            let versions = try snapshot.describedVersions(of: dagID, before: before, limit: Self.size + 1)
            let newer = to ?? head.row.versionNumber
            var difference =
                from == nil && newer == 1 ? nil : try snapshot.difference(ofDAG: dagID, from: from, to: newer)
            for number in [difference?.older, difference?.newer].compactMap(\.self) {
                let version = try snapshot.knownVersion(dagID, number)
                if try !call.seesSource(ofVersion: version.versionID, snapshot) { difference?.source = nil }
            }
            return (head, Array(versions.prefix(Self.size)), versions.count > Self.size, difference)
        }
    }

    var content: PageContent { head.content(call, view: "versions", table + choice + changes) }

    private var table: HTML {
        let rows = versions.map { version -> HTML in
            let number = version.row.number
            let changes: HTML =
                version.changes.map { count in
                    let path = call.link(["from": "\(number - 1)", "to": "\(number)"]) + "#changes"
                    let words = "What version \(number) changed: \(count)"
                    return "<a href=\"\(exact: path)\" aria-label=\"\(words)\">\(count.grouped)</a>"
                } ?? "<span class=\"soft\">the first</span>"
            let newest: HTML = .when(version.isNewest, " <span class=\"tag\">newest</span>")
            let definition = PagePath.dag(head.row.dagID, "definition") + PagePath.query([("version", "\(number)")])
            return """
                <tr><th scope="row"><a href="\(exact: definition)" aria-label="The definition of version \(number)">\
                \(number)</a>\(newest)</th><td class="tight">\(HTML.time(version.row.createdAt))</td>\
                <td class="mid wrap">\(version.row.bundleVersion)</td><td class="num">\(version.tasks.grouped)</td>\
                <td class="num">\(changes)</td><td class="num">\(version.row.runs.grouped)</td></tr>
                """
        }
        let table = HTML.table(
            "Versions of the DAG, the newest first",
            [
                PageColumn("Version"), PageColumn("Since", "tight"), PageColumn("Bundle", "mid"),
                PageColumn("Tasks", "num"), PageColumn("Changes", "num"), PageColumn("Runs", "num"),
            ], rows, empty: "There are none.")
        let next = hasMore ? versions.last.map { call.link(["before": "\($0.row.number)"]) } : nil
        return table
            + HTML.pager(
                "\(versions.count) versions", before: call.query["before"] == nil ? nil : call.link(["before": nil]),
                after: next)
    }

    private var choice: HTML {
        func field(_ name: String, _ words: String, _ number: Int?) -> HTML {
            """
            <label>\(words) <input type="number" min="1" max="\(head.row.versionNumber)" name="\(name)" \
            value="\(number.map { "\($0)" } ?? "")"></label>
            """
        }
        guard head.row.versionNumber > 1 else { return "<p class=\"soft\">There is nothing to compare it with.</p>" }
        return """
            <form class="row" action="\(exact: call.path)">\(field("from", "What differs between version", difference?.older))\
            \(field("to", "and", difference?.newer))<button>Compare</button></form>
            """
    }

    private var changes: HTML {
        guard let difference else { return .empty }
        var (rows, bytes): ([HTML], Int) = ([], 0)
        for change in difference.changes.prefix(Self.mostChanges) where bytes < Self.mostBytes {
            rows.append(Self.row(change))
            bytes += rows[rows.count - 1].text.utf8.count
        }
        let more: HTML = .when(
            difference.changes.count > rows.count,
            """
            <p class="soft">The first \(rows.count) of \(difference.changes.count.grouped); <code>dags diff</code> has all.</p>
            """)
        return "<h2 id=\"changes\">From version \(difference.older) to \(difference.newer)</h2>"
            + HTML.table(
                "What changed",
                [
                    PageColumn("Change", "tight"), PageColumn("Of what"), PageColumn("Before"), PageColumn("After"),
                ], rows, empty: "Nothing that runs go by.") + more + texts(difference)
    }

    /// What differs between the files that they were read from.
    private func texts(_ difference: VersionDifference) -> HTML {
        guard let source = difference.source else { return .empty }
        let head: HTML = "<h2 id=\"source\">In the file</h2>"
        let paths: HTML =
            source.oldPath == source.newPath
            ? "<p><code>\(source.newPath)</code></p>"
            : "<p><code>\(source.oldPath)</code>, then <code>\(source.newPath)</code></p>"
        guard !source.parts.isEmpty else { return head + paths + "<p class=\"empty\">Nothing differs in it.</p>" }
        var (shown, lines): (HTML, Int) = (.empty, 0)
        for part in source.parts where lines < Self.mostLines {
            let some = Array(part.prefix(Self.mostLines - lines))
            lines += some.count
            shown += HTML.lines(some)
        }
        let all = source.parts.reduce(0) { $0 + $1.count }
        let more: HTML = .when(
            lines < all,
            "<p class=\"soft\">The first \(lines) of \(all.grouped) lines; <code>dags diff --source</code> has all.</p>"
        )
        return head + paths + shown + more
    }

    private static func row(_ change: DAGDifference.Change) -> HTML {
        let what = [change.taskID, change.upstreamID.map { "after \($0)" }, change.field].compactMap(\.self)
        func value(_ value: JSONValue?) -> HTML {
            value.map { "<code>\(String($0.text.shown(300)))</code>" } ?? .empty
        }
        return """
            <tr><td class="tight">\(words(change.kind))</td>\
            <th scope="row" class="wrap">\(what.joined(separator: ", "))</th>\
            <td class="wrap">\(value(change.old))</td><td class="wrap">\(value(change.new))</td></tr>
            """
    }

    private static func words(_ kind: DAGDifference.Change.Kind) -> String {
        switch kind {
        case .dagChanged: "~ DAG"
        case .taskAdded: "+ task"
        case .taskRemoved: "− task"
        case .taskChanged: "~ task"
        case .edgeAdded: "+ edge"
        case .edgeRemoved: "− edge"
        }
    }
}
