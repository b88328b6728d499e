// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    static let runs: [PageRoute] = [
        .get("/i/{task_instance_id}") { call in
            let text = call.name("task_instance_id")
            let instance = try await call.read { snapshot in
                try Int64(text).flatMap { try snapshot.taskInstance(id: $0) }
            }
            guard let instance else {
                throw PerchError(
                    .notFound, "there is no task instance '\(text.shown())': its run was removed, or it never was")
            }
            return .redirect(to: PagePath.instance(instance.key))
        },
        .page("/dags/{dag_id}/runs/{run_id}") { call in try await RunPage(call).content },
        .page("/dags/{dag_id}/runs/{run_id}/gantt") { call in try await GanttPage(call).content },
        .action("/dags/{dag_id}/runs/{run_id}/act") { call in try await RunActions(call).perform() },
    ]
}

/// What stands above every view of a run.
struct RunHead: Sendable {
    let run: RunRow
    let definition: DAGDefinition
    let now: Timestamp

    init(_ call: PageCall, _ snapshot: Snapshot) throws {
        run = try snapshot.knownRun(call.name("dag_id"), call.name("run_id"))
        definition = try snapshot.definition(ofVersion: run.versionID)
        now = snapshot.now
    }

    static let views: [(name: String?, words: String)] = [(nil, "Tasks"), ("gantt", "Gantt")]

    func path(_ view: String? = nil) -> String { PagePath.run(run.dagID, run.runID, view) }

    func content(_ call: PageCall, view: String?, _ body: HTML) -> PageContent {
        var tabs = Self.views.map { name, words in
            PageTab(words: words, path: path(name), isCurrent: name == view)
        }
        let graph = PagePath.dag(run.dagID, "graph") + PagePath.query([("run_id", run.runID)])
        tabs.append(PageTab(words: "Graph", path: graph, isCurrent: false))
        return PageContent(
            title: run.runID, section: .dags,
            trail: [
                ("DAGs", "/dags"), (run.dagID, PagePath.dag(run.dagID)), ("Runs", PagePath.dag(run.dagID, "runs")),
            ], aside: "<div>\(HTML.state(run.state))</div>", tabs: tabs, body: body, isLive: !run.state.isFinished)
    }
}
