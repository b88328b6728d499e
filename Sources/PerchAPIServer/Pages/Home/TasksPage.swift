// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// Task instances of all DAGs that run, are queued, wait for room or are to be tried again.
struct TasksPage {
    private static let size = 50
    private static let states: [TaskState] = [.running, .queued, .scheduled, .upForRetry]

    private let call: PageCall
    private let state: TaskState
    private let number: Int
    private let rows: [TaskInstanceRow]
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        let asked = call.query["state"].flatMap(TaskState.init(rawValue:)) ?? .running
        let state = Self.states.contains(asked) ? asked : .running
        let number = call.query.number("page", in: 1...200) ?? 1
        (rows, now) = try await call.read { snapshot in
            let skipping = (number - 1) * Self.size
            return (
                try snapshot.taskInstances(in: state, skipping: skipping, limit: Self.size + 1), snapshot.now
            )
        }
        (self.call, self.state, self.number) = (call, state, number)
    }

    var content: PageContent {
        let choices = Self.states.map {
            ($0.rawValue, call.link(["state": $0.rawValue, "page": nil]), state == $0)
        }
        let table = HTML.table(
            "Task instances that are \(state.rawValue)",
            [
                PageColumn("DAG"), PageColumn("Task"), PageColumn("State", "tight"), PageColumn("Run", "mid"),
                PageColumn("Try", "tight num"), PageColumn("Since", "tight"),
            ], rows.prefix(Self.size).map(row), empty: "No task is \(state.rawValue).")
        let pager = HTML.pager(
            "Page \(number)", before: number > 1 ? call.link(["page": "\(number - 1)"]) : nil,
            after: rows.count > Self.size ? call.link(["page": "\(number + 1)"]) : nil)
        return PageContent(
            title: "Tasks", section: .dags, trail: [("DAGs", "/dags")],
            body: HTML.choices("Only tasks in a state", choices) + table + pager, isLive: true)
    }

    private func row(_ instance: TaskInstanceRow) -> HTML {
        let key = instance.key
        let since = state == .running ? instance.startDate : instance.queuedAt
        return """
            <tr><td class="wrap"><a href="\(exact: PagePath.dag(key.dagID))">\(key.dagID)</a></td>\
            <th scope="row" class="wrap"><a href="\(exact: PagePath.instance(key))">\(key.shownTask)</a></th>\
            <td class="tight">\(HTML.state(instance.state))</td>\
            <td class="mid wrap"><a href="\(exact: PagePath.run(key.dagID, key.runID))">\(key.runID)</a></td>\
            <td class="tight num">\(instance.tryNumber)</td><td class="tight">\(HTML.ago(since, now: now))</td></tr>
            """
    }
}

extension TaskInstanceKey {
    /// `load`, or `load[3]`.
    var shownTask: String { mapIndex < 0 ? taskID : "\(taskID)[\(mapIndex)]" }
}
