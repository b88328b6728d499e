// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

extension PageRoute {
    private static let instance = "/dags/{dag_id}/runs/{run_id}/tasks/{task_id}"

    static let instances: [PageRoute] = [
        view(instance) { call in try await InstancePage(call).content },
        view("\(instance)/log") { call in try await InstanceLogPage(call).content },
        view("\(instance)/journal") { call in try await InstanceJournalPage(call).content },
        view("\(instance)/rendered") { call in try await InstanceRenderedPage(call).content },
        view("\(instance)/output") { call in try await InstanceOutputPage(call).content },
        .action("\(instance)/act") { call in try await InstanceActions(call).perform() },
    ]

    /// A view of a task instance. Of one that is not there it leads to the others of its task.
    private static func view(
        _ path: String, show: @escaping @Sendable (PageCall) async throws -> PageContent
    ) -> PageRoute {
        .get(path) { call in
            guard try await call.read({ try InstanceHead.isThere(call, $0) }) else {
                let (dagID, runID) = (call.name("dag_id"), call.name("run_id"))
                return .redirect(to: PagePath.instances(dagID, runID, call.name("task_id")))
            }
            return .page(try await show(call))
        }
    }
}

/// What stands above every view of a task instance.
struct InstanceHead: Sendable {
    let run: RunRow
    let row: TaskInstanceRow
    let task: TaskDefinition
    let now: Timestamp
    /// The try that is looked at; 0 before the first.
    let tryNumber: Int

    /// Other views of it.
    enum View: String, CaseIterable {
        case overview = "", log, journal, rendered, output

        var words: String {
            switch self {
            case .overview: "Overview"
            case .log: "Log"
            case .journal: "Steps and waits"
            case .rendered: "Rendered fields"
            case .output: "Output"
            }
        }
    }

    /// Whether there is an instance, of a run and a task that are there: of a mapped task none is meant without an index.
    static func isThere(_ call: PageCall, _ snapshot: Snapshot) throws -> Bool {
        let run = try snapshot.knownRun(call.name("dag_id"), call.name("run_id"))
        let taskID = call.name("task_id")
        _ = try snapshot.knownTask(taskID, of: run)
        guard !call.query.has("map_index") else { return true }
        return try snapshot.taskInstance(TaskInstanceKey(dagID: run.dagID, runID: run.runID, taskID: taskID)) != nil
    }

    init(_ call: PageCall, _ snapshot: Snapshot) throws {
        let mapIndex = call.query.number("map_index", in: -1...Int(Int32.max)) ?? -1
        (run, row, task) = try snapshot.knownInstance(
            call.name("dag_id"), call.name("run_id"), call.name("task_id"), mapIndex)
        now = snapshot.now
        tryNumber = call.query.number("try", in: 0...max(0, row.tryNumber)) ?? row.tryNumber
    }

    var key: TaskInstanceKey { row.key }

    func path(_ view: View = .overview, try number: Int? = nil) -> String {
        PagePath.instance(key, view == .overview ? nil : view.rawValue, try: number)
    }

    func content(_ view: View, _ body: HTML, isLive: Bool = true) -> PageContent {
        let tabs = View.allCases.map {
            PageTab(
                words: $0.words, path: path($0, try: tryNumber == row.tryNumber ? nil : tryNumber),
                isCurrent: $0 == view)
        }
        return PageContent(
            title: key.shownTask, section: .dags,
            trail: [
                ("DAGs", "/dags"), (key.dagID, PagePath.dag(key.dagID)),
                (key.runID, PagePath.run(key.dagID, key.runID)),
            ], aside: "<div>\(HTML.state(row.state))</div>", tabs: tabs, body: body,
            isLive: isLive && !row.state.isFinished)
    }

    /// A choice of the tries that there were.
    func tries(_ view: View) -> HTML {
        guard row.tryNumber > 1 else { return .empty }
        // The latest: of hundreds nobody looks at the first ones.
        let numbers = Array(max(1, row.tryNumber - 19)...row.tryNumber)
        return HTML.choices(
            "Which try", numbers.map { ("try \($0)", path(view, try: $0), $0 == tryNumber) })
    }
}

extension PagePath {
    /// Where one task instance is shown, in one of its views.
    static func instance(_ key: TaskInstanceKey, _ view: String?, try number: Int? = nil) -> String {
        path(["dags", key.dagID, "runs", key.runID, "tasks", key.taskID] + [view].compactMap(\.self))
            + query([
                ("map_index", key.mapIndex < 0 ? nil : "\(key.mapIndex)"), ("try", number.map { "\($0)" }),
            ])
    }
}
