// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import PerchTriggersApproval

/// One wait: what it is for, why it waits, and what can be done with it.
struct WaitPage {
    private let call: PageCall
    private let view: WaitView
    private let explained: ExplainedWait
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        let text = call.name("wait_id")
        let (view, stored, now) = try await call.read { snapshot in
            let wait = try snapshot.knownWait(text) { call.sees($0) }
            var book = try WaitBook(snapshot)
            return (try book.view(wait, snapshot), try snapshot.storedExplanation(of: wait), snapshot.now)
        }
        (self.view, self.now) = (view, now)
        explained = await ExplainedWait(stored, asking: call.surroundings.explain)
    }

    private var wait: WaitRow { view.wait }

    var content: PageContent {
        let key = wait.key
        return PageContent(
            title: "Wait \(wait.waitID)", section: .deferred,
            trail: [
                ("Deferred", "/deferred"), (key.dagID, PagePath.dag(key.dagID)),
                (key.runID, PagePath.run(key.dagID, key.runID)), (key.shownTask, PagePath.instance(key)),
            ], aside: "<div>\(HTML.state(TaskState.deferred))</div>", body: why + facts + actions + trigger,
            isLive: true)
    }

    private var why: HTML {
        let sentences = explained.sentences.map { sentence -> HTML in "<li>\(sentence)</li>" }
        let note: HTML = explained.note.map { "<p class=\"soft\">Note: \($0).</p>" } ?? .empty
        let question: HTML = .when(
            wait.kind == ApprovalTrigger.kind,
            "<p><a class=\"button main\" href=\"/approvals/\(wait.waitID)\">The question, and its form</a></p>")
        return
            "<section aria-labelledby=\"why\"><h2 id=\"why\">Why it waits</h2><ul>\(sentences)</ul>\(note)\(question)</section>"
    }

    private var facts: HTML {
        let probe = explained.probe
        return HTML.facts([
            ("Kind", "\(wait.kind)"), ("Target", "<span class=\"wrap\">\(wait.target)</span>"),
            ("Since", "\(HTML.time(wait.since)) (\(HTML.ago(wait.since, now: now)))"),
            ("Comes due", HTML.time(wait.due)), ("Times out", HTML.time(wait.deadline)),
            ("Last looked at", HTML.time(probe?.lastProbeAt)),
            ("Next looked at", HTML.time(probe?.nextProbeAt ?? wait.due)),
            ("Looked at", "\((probe?.probes ?? 0).grouped) times"),
            ("Seen then", "\(probe?.lastResult ?? view.lastResult ?? "nothing yet")"),
            ("Shared by", "\(explained.sharing.grouped) \(explained.sharing == 1 ? "wait" : "waits")"),
            ("Triggerer", "\(view.owner ?? "none")"), ("Queue", "\(wait.queue)"), ("Machine", "\(wait.host ?? "any")"),
            ("Try", "\(wait.tryNumber)"), ("Name in the try", "\(wait.journalKey)"),
            ("Who waits", wait.isSensor ? "a sensor, without a worker" : "code, in the middle of its task"),
        ])
    }

    private var actions: HTML {
        guard call.caller.right(for: wait.key.dagID) >= .operate else { return .empty }
        let hidden: HTML = "<input type=\"hidden\" name=\"wait\" value=\"\(wait.waitID)\">"
        return """
            <section aria-labelledby="do"><h2 id="do">By hand</h2>\
            \(call.form("/deferred/choose", class: "box", hidden + WaitActions.fields))</section>
            """
    }

    private var trigger: HTML {
        let progress: HTML =
            wait.progress.map { "<h3>How far it has come</h3>\(HTML.json($0))" } ?? .empty
        let definition: HTML =
            wait.definition.map { HTML.json($0) } ?? "<p class=\"soft\">It has no fields beside its target.</p>"
        return "<section aria-labelledby=\"trigger\"><h2 id=\"trigger\">Trigger</h2>\(definition)\(progress)</section>"
    }
}
