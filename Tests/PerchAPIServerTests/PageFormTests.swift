// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Forms of pages", .timeLimit(.minutes(2)))
struct PageFormTests {
    /// A home with a DAG whose params have types.
    private func bench() async throws -> RESTBench {
        let bench = try await RESTBench()
        var dag = DAGDefinition(
            dagID: "typed", tasks: [TaskDefinition(taskID: "a", kind: .code(operatorName: "closure"))])
        dag.params = ["percent": 10, "region": "eu", "dry": false, "sizes": [1], "note": "", "ratio": 0.5]
        for (name, param) in [
            ("percent", Param.integer(10, in: 1...100, "How many")), ("region", .choice("eu", of: "eu", "us")),
            ("dry", .boolean(false)), ("sizes", .array([1], of: .integer)), ("ratio", .number(0.5)),
            ("order", .string(matching: "[A-Z]-[0-9]+")), ("note", .string("")),
        ] { dag.paramSchemas[name] = param.schema }
        let typed = dag
        try await bench.api.metastore.write { transaction in
            try transaction.storeDAGs([typed], bundle: "other", bundleVersion: "1")
        }
        return bench
    }

    @Test("A form has a field of its type for each param, with its default; a run is started from it")
    func trigger() async throws {
        let bench = try await bench()
        let page = try await bench.read("/dags/typed/trigger")
        func field(_ name: String) throws -> MarkupCheck.Element {
            try #require(page.elements.first { $0.attributes["name"] == "param.\(name)" }, "\(name)")
        }
        #expect(try field("percent").attributes["type"] == "number" && field("percent").attributes["value"] == "10")
        #expect(try field("ratio").attributes["step"] == "any" && field("sizes").name == "textarea")
        #expect(try field("region").name == "select" && field("dry").name == "select")
        let form = [
            ("param.percent", "25"), ("param.region", "\"us\""), ("param.dry", "true"), ("param.sizes", "[3, 4]"),
            ("param.ratio", "0.25"), ("param.order", "A-7"), ("param.note", "two\r\nlines <b>"), ("dag_run_id", "mine"),
            ("logical_date", "2026-01-02"),
        ]
        let answer = try await bench.post("/dags/typed/trigger", form)
        #expect(answer.status == 303 && answer.fields["location"] == "/dags/typed/runs/mine", "\(answer)")
        let run = try await bench.get("dags/typed/dagRuns/mine").json
        #expect(
            run["conf"] == [
                "percent": 25, "region": "us", "dry": true, "sizes": [3, 4], "ratio": 0.25, "order": "A-7",
                "note": "two\nlines <b>",
            ])
        #expect(run["logical_date"] == "2026-01-02T00:00:00Z")
        let again = try await bench.post("/dags/typed/trigger", form)
        #expect(again.status == 400 && again.body.contains("role=\"alert\""), "\(again)")
        try await bench.end()
    }

    @Test("What is wrong in a form is told beside its field, the form keeps what was written, and no run is made")
    func faults() async throws {
        let bench = try await bench()
        let form = [
            ("param.percent", "101"), ("param.region", "\"mars\""), ("param.dry", "maybe"),
            ("param.sizes", "[1, \"<b>\"]"),
            ("param.ratio", "x"), ("param.order", "\"><script>alert(1)</script>"), ("dag_run_id", "a/b"),
            ("logical_date", "yesterday"),
        ]
        let answer = try await bench.post("/dags/typed/trigger", form)
        #expect(answer.status == 400)
        let check = MarkupCheck(answer.body)
        #expect(check.faults.isEmpty, "\(check.faults)")
        #expect(!answer.body.contains("<script>alert"))
        let faults = check.elements.filter { $0.attributes["class"] == "fault" }
        #expect(faults.count == 8, "\(faults.map(\.text))")
        #expect(
            faults.contains { $0.text.contains("at most 100") } && faults.contains { $0.text.contains("[A-Z]-[0-9]+") })
        #expect(check.elements.filter { $0.attributes["aria-invalid"] == "true" }.count == 8)
        let order = check.elements.first { $0.attributes["name"] == "param.order" }
        #expect(order?.attributes["value"] == "\"><script>alert(1)</script>")
        // Left empty, a param without a default is wrong, and others have theirs.
        let empty = try await bench.post("/dags/typed/trigger", [("param.order", ""), ("param.percent", "")])
        #expect(empty.status == 400 && empty.body.components(separatedBy: "class=\"fault\"").count == 2)
        let rows = try await bench.api.metastore.read { try $0.runs(dagID: "typed", state: nil, limit: 10) }
        #expect(rows.isEmpty)
        let fine = try await bench.post("/dags/typed/trigger", [("param.order", "B-1"), ("param.percent", "")])
        #expect(fine.status == 303, "\(fine)")
        try await bench.end()
    }

    @Test("A run is ended, tasks are marked and run again, each once; what cannot be is told")
    func runActions() async throws {
        let bench = try await RESTBench()
        let act = "/dags/orders/runs/r1/act"
        func id(_ task: String) async throws -> String {
            let json = try await bench.get("dags/orders/dagRuns/r1/taskInstances/\(task)").json
            guard case .string(let id)? = json["id"] else { return "" }
            return id
        }
        func state(_ task: String) async throws -> JSONValue? {
            try await bench.get("dags/orders/dagRuns/r1/taskInstances/\(task)").json["state"]
        }
        let landed = try await id("landed")
        let marked = try await bench.post(act, [("task", landed), ("do", "success")])
        #expect(marked.status == 303 && marked.fields["location"] == "/dags/orders/runs/r1", "\(marked)")
        #expect(try await state("landed") == "success")
        #expect(try await bench.post(act, [("task", landed), ("do", "clear"), ("downstream", "1")]).status == 303)
        #expect(try await state("landed") != "success")
        for (form, status) in [
            ([("do", "success")], 400), ([("task", landed), ("do", "queued")], 400),
            ([("task", "0"), ("do", "failed")], 404),
            ([("do", "fly")], 400), ([], 400),
        ] as [([(String, String)], Int)] {
            #expect(try await bench.post(act, form).status == status, "\(form)")
        }
        #expect(try await bench.post(act, [("do", "end")]).status == 303)
        try await bench.advance()
        #expect(try await bench.get("dags/orders/dagRuns/r1").json["state"] == "failed")
        #expect(try await bench.post(act, [("do", "end")]).status == 409)
        #expect(try await bench.post(act, [("do", "clear"), ("only", "failed")]).status == 303)
        #expect(try await bench.get("dags/orders/dagRuns/r1").json["state"] != "failed")
        try await bench.end()
    }

    @Test("Names, params and messages from elsewhere are text on every page that shows them")
    func hostileTexts() async throws {
        let bench = try await RESTBench()
        let runID = "<script>x\u{202E}\"'&\u{2066}"
        let body: JSONValue = [
            "dag_run_id": .string(runID), "conf": ["name": "</code><script>alert(2)</script>\u{1B}[31m"],
        ]
        #expect(try await bench.send("POST", "dags/orders/dagRuns", body).status == 201)
        try await bench.advance()
        for path in [
            "/dags/orders", "/dags", "/runs", "/dags/orders/runs", "/dags/orders/graph", "/dags/orders/calendar",
            PagePath.run("orders", runID), PagePath.run("orders", runID, "gantt"),
            "/dags?search=%3Cscript%3E%22", "/dags/orders/graph?around=%3Cscript%3E",
        ] {
            let answer = try await bench.page(path)
            #expect(answer.status == 200, "\(path): \(answer)")
            #expect(MarkupCheck(answer.body).faults.isEmpty, "\(path): \(MarkupCheck(answer.body).faults)")
            #expect(!answer.body.contains("<script>x") && !answer.body.contains("<script>alert"), "\(path)")
            #expect(!answer.body.contains("\u{1B}"), "\(path)")
            let shown = MarkupCheck(answer.body).texts("main").joined()
            #expect(!shown.contains("\u{202E}") || path.hasSuffix("graph"), "\(path)")
        }
        try await bench.end()
    }
}
