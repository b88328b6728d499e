// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// One run: its facts, how its tasks stand, and what can be done with it.
struct RunPage {
    private static let size = 50

    private let call: PageCall
    private let head: RunHead
    private let standings: [Int: GridCell]
    private let rows: [TaskInstanceRow]
    private let state: TaskState?
    private let taskID: String?
    private let isFirst: Bool

    init(_ call: PageCall) async throws {
        let state = call.query["state"].flatMap(TaskState.init(rawValue:))
        let taskID = call.query.text("task_id")
        let after = call.query["after"].flatMap { text -> (taskIndex: Int, mapIndex: Int)? in
            let parts = text.split(separator: ".").compactMap { Int($0) }
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
        (head, standings, rows) = try await call.read { snapshot in
            let head = try RunHead(call, snapshot)
            if let taskID { _ = try snapshot.knownTask(taskID, of: head.run) }
            let rows = try snapshot.taskInstances(
                of: head.run, taskID: taskID, state: state, after: after, limit: Self.size + 1)
            return (head, try snapshot.standings(of: head.run), rows)
        }
        (self.call, self.state, self.taskID, isFirst) = (call, state, taskID, after == nil)
    }

    var content: PageContent { head.content(call, view: nil, facts + actions + tasks) }

    private var facts: HTML {
        let run = head.run
        let none: HTML = "<span class=\"soft\">none</span>"
        let params: HTML = run.params == .object([:]) ? none : "<code>\(run.params.text)</code>"
        return HTML.facts(
            [
                ("Type", "\(run.type.rawValue)"), ("Logical date", HTML.time(run.logicalDate)),
                (
                    "Data interval", "\(HTML.time(run.dataIntervalStart)) to \(HTML.time(run.dataIntervalEnd))"
                ),
                ("Created", HTML.time(run.queuedAt)),
                ("Started", HTML.time(run.startDate)), ("Ended", HTML.time(run.endDate)),
                ("Took", HTML.duration(from: run.startDate, to: run.endDate, now: head.now)), ("Params", params),
            ], inPairs: true)
    }

    // MARK: what can be done

    private var actions: HTML {
        guard call.mayOperate else { return .empty }
        let path = head.path("act")
        var pieces: [HTML] = []
        if !head.run.state.isFinished {
            let button = call.button("Yes, end the run", path, fields: [("do", "end")], kind: "risk")
            pieces.append(
                """
                <details class="box"><summary>End the run…</summary><p>What waits or has not begun ends at once; what runs cleans \
                up first. The run fails.</p>\(button)</details>
                """)
        }
        let failed = call.button("Run again what failed", path, fields: [("do", "clear"), ("only", "failed")])
        let all = call.button("Run again everything", path, fields: [("do", "clear"), ("only", "all")], kind: "risk")
        pieces.append(
            """
            <details class="box"><summary>Run it again…</summary><p>Tasks get new tries; those after them follow.</p>\
            <p>\(failed) \(all)</p></details>
            """)
        return "<div class=\"two\">\(pieces)</div>"
    }

    // MARK: its tasks

    private var counts: HTML {
        var counts: [TaskState: Int] = [:]
        for standing in standings.values {
            guard let mapped = standing.mapped else {
                counts[standing.state, default: 0] += 1
                continue
            }
            counts[.failed, default: 0] += mapped.failed
            counts[.skipped, default: 0] += mapped.skipped
            counts[.success, default: 0] += max(0, mapped.ended - mapped.failed - mapped.skipped)
        }
        let all: [(words: String, path: String, isCurrent: Bool)] = [
            ("all", call.link(["state": nil, "after": nil]), state == nil)
        ]
        let states = TaskState.allCases.map { each -> (words: String, path: String, isCurrent: Bool) in
            let count = counts[each] ?? 0
            return (
                count > 0 ? "\(each.symbol) \(each.rawValue) \(count.grouped)" : each.rawValue,
                call.link(["state": each.rawValue, "after": nil]), state == each
            )
        }
        let shown = states.enumerated().filter {
            counts[TaskState.allCases[$0.offset]] ?? 0 > 0 || $0.element.isCurrent
        }
        return HTML.choices("Only tasks in a state", all + shown.map(\.element))
    }

    private var tasks: HTML {
        let shown = rows.prefix(Self.size)
        var next: String?
        if rows.count > Self.size, let last = shown.last {
            next = call.link(["after": "\(last.taskIndex).\(last.key.mapIndex)"])
        }
        let task: HTML =
            taskID.map { id in
                """
                <p class="row"><a class="tag" aria-current="true" href="\(exact: call.link(["task_id": nil, "after": nil]))">\
                \(id) ✕</a></p>
                """
            } ?? .empty
        let select = call.mayOperate ? [PageColumn("Choose", "tight", isHidden: true)] : []
        let table = HTML.table(
            "Task instances of the run",
            select + [
                PageColumn("Task"), PageColumn("State", "tight"), PageColumn("Operator", "mid"),
                PageColumn("Try", "tight num wide"), PageColumn("Started", "tight mid"),
                PageColumn("Took", "tight num"),
            ], shown.map(row), empty: head.run.state == .queued ? "The run has not begun." : "No task is like that.")
        let pager = HTML.pager(
            "\(shown.count) shown", before: isFirst ? nil : call.link(["after": nil]), after: next)
        let heading: HTML = "<h2 id=\"tasks\">Tasks</h2>"
        guard call.mayOperate, !shown.isEmpty else { return heading + counts + task + table + pager }
        let bar: HTML = """
            <div class="row"><span class="soft">The chosen tasks:</span> \
            <button name="do" value="clear">Run again</button> <button name="do" value="success">Mark success</button> \
            <button name="do" value="failed">Mark failed</button> <button name="do" value="skipped">Mark skipped</button>\
            <label><input type="checkbox" name="downstream" value="1"> with what comes after, where they run again</label></div>
            """
        return heading + counts + task + call.form(head.path("act"), table + bar) + pager
    }

    private func row(_ instance: TaskInstanceRow) -> HTML {
        let task = head.definition.tasks[instance.taskIndex]
        let name = instance.key.shownTask
        let choice: HTML = .when(
            call.mayOperate,
            """
            <td class="tight"><input type="checkbox" name="task" value="\(instance.taskInstanceID)" \
            aria-label="Choose \(name)"></td>
            """)
        let message: HTML =
            instance.message.map { "<div class=\"soft\">\(String($0.shown(300)))</div>" } ?? .empty
        return """
            <tr>\(choice)<th scope="row" class="wrap"><a href="\(exact: PagePath.instance(instance.key))">\(name)</a>\(message)</th>\
            <td class="tight">\(HTML.state(instance.state))</td><td class="mid">\(task.kindName)</td>\
            <td class="tight num wide">\(instance.tryNumber)</td>\
            <td class="tight mid">\(HTML.time(instance.startDate))</td>\
            <td class="tight num">\(HTML.duration(from: instance.startDate, to: instance.endDate, now: head.now))</td></tr>
            """
    }
}
