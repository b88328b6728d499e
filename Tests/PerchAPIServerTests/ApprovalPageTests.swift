// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import PerchTriggersApproval
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

extension RESTBench {
    /// Starts a DAG of one approval in each run.
    func ask(
        _ dagID: String, _ runIDs: [String], _ question: String, _ fields: [ApprovalField] = [],
        isSensor: Bool = true
    ) async throws {
        let spec = try TriggerSpec(ApprovalTrigger.approval(question, fields: fields))
        var dag = DAGDefinition(
            dagID: dagID,
            tasks: [
                TaskDefinition(
                    taskID: "asked", kind: .sensor(SensorDefinition(trigger: spec, timeout: .seconds(3_600))))
            ])
        dag.maxActiveRuns = 100
        let asking = dag
        try await api.metastore.write { transaction in
            try transaction.storeDAGs([asking], bundle: "b-\(dagID)", bundleVersion: "1")
            for runID in runIDs { _ = try transaction.createRun(RunRequest(dagID: dagID, runID: runID)) }
        }
        try await advance()
    }

    func approvals(_ dagID: String) async throws -> [WaitRow] {
        var filter = WaitFilter()
        filter.dagID = dagID
        filter.kind = ApprovalTrigger.kind
        let asked = filter
        return try await api.metastore.read { try $0.waits(asked) }
    }
}

@Suite("Pages of approvals", .timeLimit(.minutes(2)))
struct ApprovalPageTests {
    private static let fields: [ApprovalField] = [
        .choice("region", ["eu", "us"], label: "Where <to>?"), .int("percent", default: 10),
        .number("ratio", required: false),
        .bool("dry", required: false), .string("why"), .string("extra", required: false, default: "as ever"),
    ]

    private func field(_ page: MarkupCheck, _ name: String) throws -> MarkupCheck.Element {
        try #require(page.elements.first { $0.attributes["name"] == "field.\(name)" }, "\(name)")
    }

    @Test(
        "What people are asked is listed by DAG, page by page, and a question has a form with a field for each of its own"
    )
    func show() async throws {
        let bench = try await RESTBench()
        try await bench.ask("release", (0..<60).map { "r\($0)" }, "Deploy?", Self.fields)
        try await bench.ask("other", ["o1"], "Sure?")
        func ids(_ page: MarkupCheck) -> [String] {
            page.elements.compactMap { element in
                element.attributes["href"].flatMap {
                    $0.hasPrefix("/approvals/") && element.name == "a" ? String($0.dropFirst(11)) : nil
                }
            }
        }
        var (found, path): ([String], String?) = ([], "/approvals?dag_id=release")
        for _ in 0..<4 {
            guard let next = path else { break }
            let page = try await bench.read(next)
            found += ids(page)
            path = page.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        let waits = try await bench.approvals("release")
        #expect(waits.count == 60 && found == waits.map { "\($0.waitID)" } && path == nil)
        let all = try await bench.read("/approvals")
        #expect(all.elements.contains { $0.name == "a" && $0.text == "other · 1" })
        #expect(ids(try await bench.read("/approvals?dag_id=nothing")) == [])
        let page = try await bench.read("/approvals/\(waits[0].waitID)")
        #expect(page.elements.contains { $0.name == "label" && $0.text == "Where <to>?" })
        #expect(try field(page, "percent").attributes["type"] == "number")
        #expect(try field(page, "percent").attributes["value"] == "10")
        #expect(try field(page, "region").name == "select" && field(page, "dry").name == "select")
        #expect(try field(page, "extra").attributes["value"] == "as ever")
        let wait = try #require(try await bench.waits().first { $0.kind == "file" })
        #expect(try await bench.page("/approvals/\(wait.waitID)").status == 400)
        for path in ["/approvals/999999", "/approvals/x"] { #expect(try await bench.page(path).status == 404) }
        try await bench.end()
    }

    @Test(
        "What is wrong is told beside its field and nothing that was written is lost; the first answer counts, with who and when"
    )
    func answer() async throws {
        let bench = try await RESTBench()
        try await bench.ask("release", ["r1", "r2"], "Deploy?", Self.fields)
        let waits = try await bench.approvals("release")
        let path = "/approvals/\(waits[0].waitID)"
        let wrong = try await bench.post(
            path,
            [
                ("decision", "approve"), ("field.region", "mars"), ("field.percent", "many"), ("field.ratio", "x"),
                ("field.dry", "maybe"), ("field.why", ""), ("field.extra", "<b>\"'"), ("note", "a\r\nnote"),
            ])
        #expect(wrong.status == 400)
        let page = MarkupCheck(wrong.body)
        #expect(page.faults.isEmpty, "\(page.faults)")
        #expect(page.elements.filter { $0.attributes["class"] == "fault" }.count == 5, "\(wrong.body)")
        #expect(page.elements.filter { $0.attributes["aria-invalid"] == "true" }.count == 5)
        #expect(try field(page, "percent").attributes["value"] == "many")
        #expect(try field(page, "extra").attributes["value"] == "<b>\"'")
        #expect(page.elements.first { $0.attributes["name"] == "note" }?.text.contains("note") == true)
        for form in [
            [("decision", "perhaps")], [("field.region", "eu")], [("decision", "approve"), ("field.colour", "red")],
        ] {
            let refused = try await bench.post(path, form)
            #expect(refused.status == 400 && refused.body.contains("role=\"alert\""), "\(form)")
        }
        #expect(try await bench.approvals("release").count == 2)
        let right = [
            ("decision", "approve"), ("field.region", "us"), ("field.percent", ""), ("field.ratio", "0.5"),
            ("field.dry", "true"), ("field.why", "two\r\nlines"), ("field.extra", ""), ("note", "fine"),
        ]
        let done = try await bench.post(path, right)
        #expect(done.status == 303 && done.fields["location"] == "/approvals", "\(done)")
        for again in [try await bench.post(path, right), try await bench.page(path)] {
            #expect(again.status == 409 && again.body.contains("answered already"), "\(again)")
        }
        // A no needs nothing, and fails a sensor.
        let no = try await bench.post("/approvals/\(waits[1].waitID)", [("decision", "reject"), ("note", "not today")])
        #expect(no.status == 303, "\(no)")
        let rows = try await bench.api.metastore.read { snapshot in
            try ["r1", "r2"].map { runID in
                let key = TaskInstanceKey(dagID: "release", runID: runID, taskID: "asked")
                let row = try snapshot.taskInstance(key)
                let journal = try snapshot.journal(taskInstanceID: row?.taskInstanceID ?? 0, tryNumber: 1)
                return (row?.state, journal.first?.outcome ?? "")
            }
        }
        #expect(rows[0].0 == .success && rows[1].0 == .failed)
        let answer = try JSONValue(parsing: rows[0].1)["event"]?.decode(ApprovalAnswer.self)
        #expect(answer?.by == "api" && answer?.answeredAt == bench.api.clock.now && answer?.note == "fine")
        #expect(
            answer?.values == [
                "region": "us", "percent": 10, "ratio": 0.5, "dry": true, "why": "two\nlines", "extra": "",
            ])
        #expect(rows[1].1.contains("rejected by api: not today"), "\(rows[1].1)")
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 9) }
        #expect(log.map(\.entry.subject) == ["/approvals/\(waits[1].waitID)", path])
        try await bench.end()
    }

    @Test(
        "Whoever is a user of the DAG answers, who only looks is shown the question, and nobody else sees that there is one"
    )
    func rights() async throws {
        let bench = try await RESTBench()
        try await bench.ask("release", ["r1", "r2"], "Deploy?", [.int("percent")])
        let waits = try await bench.approvals("release")
        let path = "/approvals/\(waits[0].waitID)"
        func fields(_ name: String, _ rights: AccessRights) async throws -> [String: String] {
            ["Authorization": "Bearer \(try await bench.api.makeToken(name, rights))"]
        }
        let stranger = try await fields("s", AccessRights(.nothing, grants: [try AccessGrant(.admin, of: "rates")]))
        let viewer = try await fields("v", AccessRights(.viewer))
        let user = try await fields("u", AccessRights(.nothing, grants: [try AccessGrant(.user, of: "rel*")]))
        let form = [("decision", "approve"), ("field.percent", "5")]
        let list = try await bench.page("/approvals", stranger)
        #expect(list.status == 200 && !list.body.contains("Deploy?") && !list.body.contains("release"))
        for (section, isTheirs) in [("/dags", true), ("/deferred", true), ("/users", false), ("/assets", false)] {
            #expect(list.body.contains("href=\"\(section)\"") == isTheirs, "\(section)")
        }
        for answer in [try await bench.page(path, stranger), try await bench.post(path, form, stranger)] {
            #expect(answer.status == 404 && !answer.body.contains("release"), "\(answer)")
        }
        let shown = try await bench.page(path, viewer)
        #expect(shown.status == 200 && shown.body.contains("Deploy?") && !shown.body.contains("name=\"decision\""))
        #expect(try await bench.post(path, form, viewer).status == 403)
        #expect(try await bench.approvals("release").count == 2)
        #expect(try await bench.page("/approvals", user).body.contains("Deploy?"))
        #expect(try await bench.page("/approvals?dag_id=orders", user).body.contains("Nobody is asked anything."))
        #expect(try await bench.post(path, form, user).status == 303)
        // The same over the API, with values that have their types.
        let fire = "deferred/\(waits[1].waitID)/fire"
        func answer(_ payload: JSONValue, _ fields: [String: String]) async throws -> WebClient.Answer {
            try await bench.send("POST", fire, ["payload": payload], fields)
        }
        #expect(try await answer(["decision": "approve", "values": ["percent": 7]], viewer).status == 403)
        for (wrong, pointer) in [
            ([:], "#/payload/decision"), (["decision": "yes"], "#/payload/decision"),
            (["decision": "approve"], "#/payload/values"),
            (["decision": "approve", "values": ["percent": "7"]], "#/payload/values"),
            (["decision": "reject", "by": "x"], "#/payload/by"),
        ] as [(JSONValue, String)] {
            let refused = try await answer(wrong, user)
            #expect(refused.status == 400 && refused.problem?.blamed == pointer, "\(refused)")
        }
        #expect(try await answer(["decision": "approve", "values": ["percent": 7]], user).json["ended_as"] == "fired")
        #expect(try await bench.approvals("release").isEmpty)
        try await bench.end()
    }

    @Test("Questions, labels and choices from elsewhere are text, however long they are")
    func hostile() async throws {
        let bench = try await RESTBench()
        let hostile = "<script>alert(1)</script>\u{1B}[31m\u{202E}\"'&\u{0} end"
        try await bench.ask(
            "release", ["<i>\"'"], hostile + String(repeating: "very long ", count: 20_000),
            [
                .choice("c\"><script>x", [hostile, "b"], label: hostile), .string("s", label: "", default: hostile),
                .string("long", label: String(repeating: "l", count: 3_000), required: false),
            ])
        let path = "/approvals/\(try #require(try await bench.approvals("release").first).waitID)"
        let sent = try await bench.post(path, [("decision", "approve"), ("field.s", hostile), ("note", hostile)])
        #expect(sent.status == 400)
        for answer in [try await bench.page("/approvals"), try await bench.page(path), sent] {
            let check = MarkupCheck(answer.body)
            #expect(check.faults.isEmpty, "\(check.faults)")
            #expect(answer.body.utf8.count < 150_000 && !answer.body.contains("<script>alert"))
            #expect(!answer.body.contains("<script>x"))
        }
        #expect(!(try await bench.page("/approvals").body.contains("\u{1B}")))
        try await bench.end()
    }
}
