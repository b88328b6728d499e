// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// One task instance: how it stands and why, what it waits for, what can be done with it.
struct InstancePage {
    private let call: PageCall
    private let head: InstanceHead
    private let hindrances: [Hindrance]
    private let waits: [WaitView]
    /// What is said of the wait, where it is one.
    private let explained: ExplainedWait?
    private let tries: InstanceTries
    /// The waits of the try, those that have ended too.
    private let past: [JournalEntry]

    init(_ call: PageCall) async throws {
        self.call = call
        let (head, hindrances, waits, stored, past, recorded) = try await call.read { snapshot in
            let head = try InstanceHead(call, snapshot)
            var filter = WaitFilter()
            (filter.dagID, filter.runID, filter.taskID) = (head.key.dagID, head.key.runID, head.key.taskID)
            filter.limit = 100
            var waits: [WaitView] = []
            if head.row.state == .deferred {
                var book = try WaitBook(snapshot)
                waits = try snapshot.waits(filter).filter { $0.key == head.key }.map { try book.view($0, snapshot) }
            }
            let past = try snapshot.journal(
                taskInstanceID: head.row.taskInstanceID, tryNumber: head.tryNumber, after: -1, limit: 100,
                bytes: 1 << 18)
            return (
                head, try snapshot.hindrances(head.key, isEngineRunning: true), waits,
                try waits.count == 1 ? snapshot.storedExplanation(of: waits[0].wait) : nil, past.entries,
                try snapshot.recordedTries(of: head.row.taskInstanceID, limit: InstanceTries.most)
            )
        }
        (self.head, self.hindrances, self.waits, self.past) = (head, hindrances, waits, past)
        if let stored {
            explained = await ExplainedWait(stored, asking: call.surroundings.explain)
        } else {
            explained = nil
        }
        tries = await InstanceTries(head, recorded, call.surroundings)
    }

    var content: PageContent {
        head.content(.overview, why + waiting + facts + tries.html + history + actions + declaration)
    }

    private var why: HTML {
        guard !hindrances.isEmpty else { return .empty }
        // When it is due has been said.
        let more = (explained?.sentences ?? []).filter { sentence in !hindrances.contains { $0.text.contains(sentence) }
        }
        let note = explained?.note.map { "Note: \($0)." }
        let lines = (hindrances.map(\.text) + more + [note].compactMap(\.self)).map { "<li>\($0)</li>" as HTML }
        return """
            <section aria-labelledby="why"><h2 id="why">Why it stands where it stands</h2><ul>\(lines)</ul></section>
            """
    }

    private var waiting: HTML {
        guard !waits.isEmpty else { return .empty }
        let rows = waits.map { view -> HTML in
            """
            <tr><th scope="row" class="tight"><a href="/deferred/\(view.wait.waitID)">\(view.wait.waitID)</a></th>\
            <td class="tight">\(view.wait.kind)</td><td class="wrap">\(view.wait.target)</td>\
            <td class="tight">\(HTML.ago(view.wait.since, now: head.now))</td>\
            <td class="tight">\(HTML.ago(view.nextProbeAt, now: head.now))</td>\
            <td class="mid wrap">\(view.lastResult ?? "")</td></tr>
            """
        }
        let table = HTML.table(
            "What it waits for",
            [
                PageColumn("Wait", "tight"), PageColumn("Kind", "tight"), PageColumn("Target"),
                PageColumn("Since", "tight"), PageColumn("Next", "tight"), PageColumn("Last seen", "mid"),
            ], rows, empty: "")
        return "<section aria-labelledby=\"waits\"><h2 id=\"waits\">It waits</h2>\(table)</section>"
    }

    private var facts: HTML {
        let (row, task) = (head.row, head.task)
        let message: HTML = row.message.map { "\($0)" } ?? "<span class=\"soft\">none</span>"
        return HTML.facts([
            ("Operator", "\(task.kindName)"), ("Try", "\(row.tryNumber) (tried again \(task.retries) times at most)"),
            ("Queued", HTML.time(row.queuedAt)), ("Started", HTML.time(row.startDate)),
            ("Ended", HTML.time(row.endDate)),
            ("Took", HTML.duration(from: row.startDate, to: row.endDate, now: head.now)),
            ("Tried again", HTML.time(row.retryAt)), ("Message", message), ("Pool", "\(task.pool) (\(task.poolSlots))"),
            ("Priority", "\(task.priority)"), ("Queue", "\(task.queue)"),
            ("Trigger rule", "\(task.triggerRule.rawValue)"),
            ("Declared", "\(task.location)"),
        ])
    }

    /// What is recorded of the try, in the order of time.
    private var history: HTML {
        var steps: [(at: Timestamp, words: HTML)] = []
        let row = head.row
        if head.tryNumber == row.tryNumber {
            if let at = row.queuedAt { steps.append((at, "queued last")) }
            if let at = row.startDate { steps.append((at, "\(HTML.state(TaskState.running)) began")) }
        }
        for entry in past {
            let name: HTML = "<code>\(String(entry.key.shown(120)))</code>"
            guard entry.kind == .wait else {
                steps.append((entry.recordedAt, "step \(name) done"))
                continue
            }
            steps.append((entry.recordedAt, "\(HTML.state(TaskState.deferred)) wait \(name) began"))
            if let at = entry.firedAt { steps.append((at, "wait \(name) ended")) }
        }
        if head.tryNumber == row.tryNumber, let at = row.endDate {
            steps.append((at, "\(HTML.state(row.state)) ended"))
        }
        guard !steps.isEmpty else { return .empty }
        let rows = steps.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }.map {
            "<tr><td class=\"tight\">\(HTML.time($0.element.at))</td><td>\($0.element.words)</td></tr>" as HTML
        }
        let table = HTML.table(
            "History of the try", [PageColumn("When", "tight"), PageColumn("What")], rows, empty: "")
        return """
            <section aria-labelledby="history"><h2 id="history">History</h2>\(head.tries(.overview))\(table)</section>
            """
    }

    private var actions: HTML {
        guard call.mayOperate else { return .empty }
        let path = PagePath.instance(head.key, "act")
        func button(_ words: String, _ what: String, _ kind: String = "") -> HTML {
            call.button(words, path, fields: [("do", what)], kind: kind)
        }
        let cancel: HTML = .when(
            !head.row.state.isFinished,
            """
            <details class="box"><summary>Cancel it…</summary><p>It cleans up first, if it runs, and fails.</p>\
            \(button("Yes, cancel it", "cancel", "risk"))</details>
            """)
        return """
            <section aria-labelledby="do"><h2 id="do">By hand</h2>\
            <details class="box"><summary>Run it again…</summary><p>It gets a new try, and an empty journal. What comes after it \
            has run on its old output, unless it runs again, too.</p><p>\(button("Yes, run it again", "clear")) \
            \(button("Yes, with all that comes after", "clear-downstream"))</p></details>\
            <details class="box"><summary>Mark it…</summary><p>It gets a state without running: what comes after it goes on by \
            that. What runs is cancelled.</p><p>\(button("Yes, mark it success", "success")) \
            \(button("Yes, mark it failed", "failed", "risk")) \(button("Yes, mark it skipped", "skipped"))</p></details>\
            \(cancel)</section>
            """
    }

    /// Its fields as the DAG has them.
    private var declaration: HTML {
        """
        <section aria-labelledby="fields"><h2 id="fields">Fields</h2><details><summary>As the bundle described them</summary>\
        <p class="soft">Templates are filled in where the task runs: what came of them are <a \
        href="\(exact: head.path(.rendered))">its rendered fields</a>.</p>\(HTML.json(head.task.json.text))</details></section>
        """
    }
}
