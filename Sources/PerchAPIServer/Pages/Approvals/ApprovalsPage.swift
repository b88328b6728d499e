// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import PerchTriggersApproval

extension PageRoute {
    static let approvals: [PageRoute] = [
        PageRoute.page("/approvals") { call in try await ApprovalsPage(call).content }.ofSome,
        PageRoute.page("/approvals/{wait_id}") { call in try await ApprovalPage(call).content }.ofSome,
        PageRoute.action("/approvals/{wait_id}", .user) { call in try await ApprovalPage(call).answer() }.ofSome,
    ]
}

/// What people are asked, the oldest first, of all DAGs that somebody sees or of one of them.
private struct ApprovalsPage {
    private static let size = 50
    /// So many DAGs have a link of their own.
    private static let mostDAGs = 20

    private let call: PageCall
    private let rows: [WaitRow]
    private let hasMore: Bool
    /// How many questions each DAG has.
    private let counts: [(dagID: String, count: Int)]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let after = call.query.text("after").flatMap { Int64($0) }
        (rows, hasMore, now) = try await call.read { snapshot in
            var filter = WaitFilter()
            filter.kind = ApprovalTrigger.kind
            filter.dagID = call.query.text("dag_id")
            filter.dagIDs = try call.visibleDAGs(snapshot)
            // In the order of their ids nothing else of a place counts.
            filter.after = after.map {
                WaitPlace(waitID: $0, since: snapshot.now, due: nil, deadline: nil, target: "")
            }
            filter.limit = Self.size + 1
            let found = try snapshot.waits(filter)
            return (Array(found.prefix(Self.size)), found.count > Self.size, snapshot.now)
        }
        let metastore = call.metastore
        let all = try await call.figures.figure("approvals", clock: metastore.clock, age: .seconds(5)) {
            try await metastore.read { try $0.waitCounts(ofKind: ApprovalTrigger.kind) }
        }.figure
        counts = all.filter { call.sees($0.key) }.map { ($0.key, $0.value) }.sorted { $0.dagID < $1.dagID }
    }

    var content: PageContent {
        PageContent(
            title: "Approvals", section: .approvals, body: filters + table, isLive: call.query["after"] == nil)
    }

    private var filters: HTML {
        let chosen = call.query.text("dag_id")
        let links = counts.prefix(Self.mostDAGs).map { entry in
            (
                "\(entry.dagID.shown(60)) · \(entry.count.grouped)",
                call.link(["dag_id": entry.dagID, "after": nil]), entry.dagID == chosen
            )
        }
        let choices: HTML =
            links.isEmpty
            ? .empty
            : HTML.choices(
                "Only questions of a DAG", [("all", call.link(["dag_id": nil, "after": nil]), chosen == nil)] + links)
        return """
            <form class="row" role="search" action="/approvals"><label>DAG <input type="text" name="dag_id" \
            value="\(exact: chosen ?? "")"></label><button class="main">Show</button> \
            <a class="button" href="/approvals">All</a></form>\(choices)
            """
    }

    private var table: HTML {
        let table = HTML.table(
            "What people are asked",
            [
                PageColumn("Question"), PageColumn("DAG and run"), PageColumn("Task", "mid"),
                PageColumn("Asked", "tight"), PageColumn("Times out", "tight"),
            ], rows.map(row), empty: "Nobody is asked anything.")
        let next = hasMore ? rows.last.map { call.link(["after": "\($0.waitID)"]) } : nil
        let back = call.query["after"] == nil ? nil : call.link(["after": nil])
        return table + HTML.pager("\(rows.count) shown", before: back, after: next)
    }

    private func row(_ wait: WaitRow) -> HTML {
        let key = wait.key
        return """
            <tr><th scope="row" class="wrap"><a href="/approvals/\(wait.waitID)">\(ApprovalPage.words(wait.target, 200))</a></th>\
            <td class="wrap"><a href="\(exact: PagePath.dag(key.dagID))">\(key.dagID)</a>\
            <div class="soft"><a href="\(exact: PagePath.run(key.dagID, key.runID))">\(key.runID)</a></div></td>\
            <td class="mid wrap"><a href="\(exact: PagePath.instance(key))">\(key.shownTask)</a></td>\
            <td class="tight">\(HTML.ago(wait.since, now: now))</td>\
            <td class="tight">\(HTML.ago(wait.deadline, now: now))</td></tr>
            """
    }
}

extension PageCall {
    /// The DAGs of which the one who asks sees something; nil: all of them.
    func visibleDAGs(_ snapshot: Snapshot) throws -> [String]? {
        guard caller.everywhere < .viewer else { return nil }
        return try snapshot.dags().map(\.dagID).filter(sees)
    }
}
