// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK
import PerchTriggersApproval

/// One question, with a form of its fields.
struct ApprovalPage {
    /// So many bytes of a question are shown.
    private static let mostBytes = 16_384

    private let call: PageCall
    private let approval: OpenApproval
    private let now: Timestamp

    init(_ call: PageCall) async throws {
        self.call = call
        (approval, now) = try await call.read { snapshot in (try Self.known(call, snapshot), snapshot.now) }
    }

    /// The question that is open, where whoever asks sees its DAG.
    private static func known(_ call: PageCall, _ snapshot: Snapshot) throws -> OpenApproval {
        let text = call.name("wait_id")
        let unknown = PerchError(.notFound, "nobody is asked anything under the id '\(text.shown())'")
        guard let waitID = Int64(text) else { throw unknown }
        if let wait = try snapshot.wait(waitID), !call.sees(wait.key.dagID) { throw unknown }
        return try OpenApproval(waitID, snapshot, shownBy: "the page of approvals")
    }

    private var wait: WaitRow { approval.wait }
    private var right: APIRight { call.caller.right(for: wait.key.dagID) }
    private var path: String { "/approvals/\(wait.waitID)" }

    // MARK: answering

    /// Takes the answer, or shows the form again with what is wrong beside each field.
    func answer() async throws -> PageReply {
        guard right >= .user else {
            throw AccessControl.forbidden(right, .user, " with the DAG '\(wait.key.dagID.shown(60))'")
        }
        guard let decision = call.form["decision"].flatMap(ApprovalAnswer.Decision.init(rawValue:)) else {
            return refused(["": "Nothing was answered: the answer is approve or reject."])
        }
        var (values, faults): ([String: JSONValue], [String: String]) = ([:], [:])
        let inputs = approval.trigger.fields.map { ApprovalInput(field: $0) }
        for input in inputs {
            switch input.value(in: call.form, decision) {
            case .given(let value): values[input.field.name] = value
            case .left: break
            case .wrong(let words): faults[input.formName] = words
            }
        }
        let strays = call.form.replacing([:]).map(\.name).filter { name in
            name.hasPrefix(ApprovalInput.prefix) && !inputs.contains { $0.formName == name }
        }
        if let stray = strays.first {
            let name = String(stray.dropFirst(ApprovalInput.prefix.count))
            faults[""] = "Nothing was answered: the form has no field '\(name.shown(60))'."
        }
        guard faults.isEmpty else { return refused(faults) }
        let (note, by, given) = (call.form.text("note")?.withPlainLines, call.caller.name, values)
        do {
            try await call.write { transaction in
                let approval = try Self.known(call, transaction)
                let answer = try approval.trigger.answer(
                    decision, values: given, by: by, note: note, at: transaction.now)
                try approval.end(by: answer, in: transaction)
            }
        } catch let error as PerchError where error.code == .invalid {
            return refused(["": error.message])
        }
        let words = decision == .approve ? "approved" : "rejected"
        return .redirect(
            to: "/approvals", words: "You have \(words) what \(wait.key.dagID.shown()) \(wait.key.runID.shown()) asked."
        )
    }

    private func refused(_ faults: [String: String]) -> PageReply {
        var content = content(faults)
        content.status = .badRequest
        return .page(content)
    }

    // MARK: what is shown

    var content: PageContent { content([:]) }

    private func content(_ faults: [String: String]) -> PageContent {
        PageContent(
            title: "Approval \(wait.waitID)", section: .approvals, trail: [("Approvals", "/approvals")],
            body: HTML.alert(faults) + question + facts + (right >= .user ? form(faults) : fields))
    }

    private var question: HTML {
        "<p class=\"lead said\">\(Self.words(approval.trigger.question, Self.mostBytes))</p>"
    }

    /// The beginning of a text, as it was written.
    static func words(_ text: String, _ most: Int) -> String {
        text.utf8.count <= most ? text : String(text.prefix(most)) + " …"
    }

    private var facts: HTML {
        let key = wait.key
        return HTML.facts([
            ("DAG", "<a href=\"\(exact: PagePath.dag(key.dagID))\">\(key.dagID)</a>"),
            ("Run", "<a href=\"\(exact: PagePath.run(key.dagID, key.runID))\">\(key.runID)</a>"),
            ("Task", "<a href=\"\(exact: PagePath.instance(key))\">\(key.shownTask)</a>"),
            ("Asked", "\(HTML.time(wait.since)) (\(HTML.ago(wait.since, now: now)))"),
            ("Times out", "\(HTML.time(wait.deadline)) (\(HTML.ago(wait.deadline, now: now)))"),
            ("After a no", wait.isSensor ? "the task fails" : "the task goes on, and decides what to do"),
        ])
    }

    /// For who may not answer.
    private var fields: HTML {
        let items = approval.trigger.fields.map { field -> HTML in
            "<li>\(field.label ?? field.name): \(Self.words(field.wanted, 2_000))</li>"
        }
        let list: HTML = .when(!items.isEmpty, "<h2>What an answer has</h2><ul>\(items)</ul>")
        return "\(list)<p class=\"soft\">Whoever has the role 'user' for the DAG may answer.</p>"
    }

    private func form(_ faults: [String: String]) -> HTML {
        let inputs = approval.trigger.fields.map { field -> HTML in
            let input = ApprovalInput(field: field)
            return input.html(given: call.form[input.formName], fault: faults[input.formName])
        }
        let note = FormField(name: "note", words: "Note", hint: "What else there is to say; it may be left out.")
        // The first button is what Enter presses: it is to answer nothing by chance.
        return HTML.section(
            "answer", "Your answer",
            call.form(
                path,
                """
                <div class="fields">\(inputs)\(note.area(call.form["note"] ?? ""))</div>\
                <button disabled class="vh" aria-hidden="true">Choose an answer</button>\
                <button class="main" name="decision" value="approve">Approve</button> \
                <button class="risk" name="decision" value="reject" formnovalidate>Reject</button> \
                <a class="button" href="/approvals">Back</a>
                """))
    }
}
