// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import PerchMetastore
import PerchSDK

/// The form that starts a run: a field for each param, of its type.
struct TriggerPage {
    private let call: PageCall
    private let head: DAGHead

    init(_ call: PageCall) async throws {
        self.call = call
        let dagID = call.name("dag_id")
        head = try await call.read { try DAGHead(dagID, $0) }
    }

    var content: PageContent { content(faults: [:]) }

    /// Starts the run that the form asks for, or shows the form again with what is wrong beside each field.
    func start() async throws -> PageReply {
        var request = RunRequest(dagID: head.row.dagID, runID: call.form.text("dag_run_id"))
        var faults: [String: String] = [:]
        if let runID = request.runID {
            do { try Transaction.checkRunID(runID) } catch { faults["dag_run_id"] = Self.words(error) }
        }
        if let date = call.form.text("logical_date") {
            do { request.logicalDate = try Timestamp(parsing: date) } catch { faults["logical_date"] = error.message }
        }
        var values: [String: JSONValue] = [:]
        for param in ParamField.all(of: head.definition) {
            switch param.value(in: call.form) {
            case .given(let value): values[param.name] = value
            case .left: break
            case .wrong(let words): faults[param.formName] = words
            }
        }
        guard faults.isEmpty else { return refused(faults) }
        request.params = .object(values)
        do {
            let (wanted, dagID) = (request, head.row.dagID)
            try await call.read { try $0.prepareRun(ofDAG: dagID) }
            let run = try await call.write { try $0.startRun(wanted) }
            return .redirect(to: PagePath.run(run.dagID, run.runID), words: "The run \(run.runID.shown()) is started.")
        } catch let error as PerchError where error.code == .invalid || error.code == .conflict {
            return refused(["": error.message])
        }
    }

    private static func words(_ error: any Error) -> String { (error as? PerchError)?.message ?? "\(error)" }

    private func refused(_ faults: [String: String]) -> PageReply {
        var content = content(faults: faults)
        content.status = .badRequest
        return .page(content)
    }

    private func content(faults: [String: String]) -> PageContent {
        let params = ParamField.all(of: head.definition)
        let fields = params.map { $0.html(given: call.form[$0.formName], fault: faults[$0.formName]) }
        let none: HTML = .when(params.isEmpty, "<p class=\"soft\">The DAG has no params.</p>")
        let whole: HTML =
            faults.isEmpty
            ? .empty
            : "<p class=\"flash\" role=\"alert\">\(faults[""] ?? "Nothing was started: see what is wrong beside the fields.")</p>"
        let pausedNote: HTML = .when(
            head.row.isPaused,
            "<p class=\"box\">The DAG is paused: the run is created, and nothing of it starts until it goes on.</p>")
        let body = call.form(
            PagePath.dag(head.row.dagID, "trigger"),
            """
            <div class="fields">\(none)\(fields)
            \(Self.text("dag_run_id", "Run id", "Left empty, it is made from the moment.", call.form, faults))
            \(Self.text("logical_date", "Logical date", "As 2026-01-31 or 2026-01-31T06:00:00Z; left empty, now.", call.form, faults))
            </div>
            <button class="main">Start the run</button> <a class="button" \
            href="\(exact: PagePath.dag(head.row.dagID))">Back</a>
            """)
        return PageContent(
            title: "Trigger \(head.row.dagID)", section: .dags,
            trail: [("DAGs", "/dags"), (head.row.dagID, PagePath.dag(head.row.dagID))], body: whole + pausedNote + body)
    }

    private static func text(
        _ name: String, _ words: String, _ hint: String, _ form: FormFields, _ faults: [String: String]
    ) -> HTML {
        FormField(
            name: name, words: words, hint: hint, fault: faults[name]
        ).html { marks in "<input type=\"text\" value=\"\(exact: form[name] ?? "")\"\(marks)>" }
    }
}

/// A field of a form with its label, a hint, and what is wrong with it.
struct FormField {
    var name: String
    var words: String
    var hint: String
    var fault: String?

    /// - Parameter input: Given the attributes that bind it to the label.
    func html(_ input: (HTML) -> HTML) -> HTML {
        // Whatever the name is, it is one word.
        let place = "f-" + PagePath.encoded(name)
        let hintID = place + "-hint"
        let wrong: HTML = .when(fault != nil, " aria-invalid=\"true\"")
        let marks: HTML = " id=\"\(place)\" name=\"\(exact: name)\" aria-describedby=\"\(hintID)\"\(wrong)"
        let faultLine: HTML = fault.map { "<p class=\"fault\">\($0)</p>" } ?? .empty
        return """
            <div class="field"><label for="\(place)">\(words)</label>\(input(marks))\
            <div id="\(hintID)"><p class="hint">\(hint)</p>\(faultLine)</div></div>
            """
    }
}
