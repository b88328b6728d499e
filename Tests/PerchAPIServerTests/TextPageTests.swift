// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("What templates became, and the files of DAGs", .timeLimit(.minutes(1)))
struct TextPageTests {
    private func main(_ check: MarkupCheck) -> String { check.elements.first { $0.name == "main" }?.text ?? "" }

    private let place = "dags/orders/dagRuns/r1/taskInstances"

    @Test("rendered fields are told by name and in their order, of sensors and of each try") func renderedFields()
        async throws
    {
        let bench = try await RESTBench()
        let parse = try await bench.get("\(place)/parse/renderedFields").json
        #expect(parse["try_number"] == 1 && parse["map_index"] == -1 && parse["task_id"] == "parse")
        #expect(parse["rendered_fields"] == ["command": .string(RESTBench.hostile), "b": "2"])
        #expect(parse["fields"]?[0]?["name"] == "command" && parse["fields"]?[1]?["text"] == "2")
        let landed = try await bench.get("\(place)/landed/renderedFields").json
        #expect(landed["rendered_fields"] == ["target": "/data/in.csv", "path": "/data/in.csv"])
        let load = try await bench.get("\(place)/load/renderedFields?map_index=1").json
        #expect(load["fields"] == [] && load["map_index"] == 1)
        #expect(try await bench.get("\(place)/parse/renderedFields?try_number=1").json == parse)
        let none = try await bench.get("\(place)/parse/renderedFields?try_number=2")
        #expect(none.status == 404 && none.body.contains("its latest is 1"), "\(none)")
        try await bench.end()
    }

    @Test("the page of rendered fields shows what would be markup or an escape as text") func renderedPage()
        async throws
    {
        let bench = try await RESTBench()
        let answer = try await bench.page("/dags/orders/runs/r1/tasks/parse/rendered")
        #expect(
            !answer.body.contains("<script>alert") && !answer.body.contains("\u{1B}")
                && !answer.body.contains("\u{202E}"))
        let shown = main(try await bench.read("/dags/orders/runs/r1/tasks/parse/rendered"))
        #expect(shown.contains("<script>alert(1)</script>") && shown.contains("command"), "\(shown)")
        #expect(main(try await bench.read("/dags/orders/runs/r1/tasks/landed/rendered")).contains("/data/in.csv"))
        let load = main(try await bench.read("/dags/orders/runs/r1/tasks/load/rendered?map_index=0"))
        #expect(load.contains("It has not been tried yet") || load.contains("Nothing was filled in"), "\(load)")
        try await bench.end()
    }

    @Test("the file of a DAG is told with its version, and what has none is told so") func sources() async throws {
        let bench = try await RESTBench()
        let source = try await bench.get("dagSources/orders").json
        #expect(source["content"] == .string(RESTBench.source.text) && source["path"] == "team/orders.yaml")
        #expect(source["version_number"] == 1 && source["dag_id"] == "orders")
        #expect(try await bench.get("dagSources/orders?version_number=1").json == source)
        for (path, says) in [
            ("orders?version_number=2", "no version 2"), ("rates", "no text is kept of version 1 of 'rates'"),
            ("ordres", "did you mean 'orders'?"),
        ] {
            let answer = try await bench.get("dagSources/\(path)")
            #expect(answer.status == 404 && answer.body.contains(says), "\(answer)")
        }
        try await bench.end()
    }

    @Test("whoever sees some DAGs sees the files and the fields of these alone") func restricted() async throws {
        let bench = try await RESTBench()
        func fields(_ name: String, _ pattern: String) async throws -> [String: String] {
            let rights = AccessRights(.nothing, grants: [try AccessGrant(.viewer, of: pattern)])
            return ["Authorization": "Bearer \(try await bench.api.makeToken(name, rights))"]
        }
        let (mine, other) = (try await fields("a", "orders"), try await fields("b", "rates"))
        bench.api.passTime()
        for path in ["dagSources/orders", "\(place)/parse/renderedFields"] {
            #expect(try await bench.get(path, mine).status == 200, "\(path)")
            let refused = try await bench.get(path, other)
            #expect(refused.status == 403 && !refused.body.contains("script"), "\(refused)")
        }
        for path in ["/dags/orders/definition", "/dags/orders/runs/r1/tasks/parse/rendered"] {
            #expect(try await bench.page(path, mine).status == 200, "\(path)")
            let refused = try await bench.page(path, other)
            #expect(refused.status != 200 && !refused.body.contains("alert(1)"), "\(refused)")
        }
        try await bench.end()
    }

    @Test("the page of a definition has the lines of the file with their numbers, a page at a time, as text alone")
    func definitionPage() async throws {
        let bench = try await RESTBench()
        let answer = try await bench.page("/dags/orders/definition")
        #expect(!answer.body.contains("<script>alert") && !answer.body.contains("\u{1B}"))
        let check = try await bench.read("/dags/orders/definition")
        #expect(main(check).contains("team/orders.yaml") && main(check).contains("lines 1–4 of 4"), "\(main(check))")
        let lines = check.elements.filter { $0.attributes["class"] == "ln" }
        #expect(lines.compactMap { $0.attributes["data-n"] } == ["1", "2", "3", "4"])
        #expect(lines.first?.attributes["id"] == "L1" && lines.first?.text.contains("id: orders") == true)
        let long = (1...700).map { "# line \($0)" }.joined(separator: "\n")
        try await bench.api.metastore.write { transaction in
            let tasks = [TaskDefinition(taskID: "a", kind: .empty)]
            try transaction.storeDAGs(
                [DAGDefinition(dagID: "long", tasks: tasks)], bundle: "other", bundleVersion: "1",
                sources: [DAGSourceText(path: "long.yaml", text: long, dagIDs: ["long"])])
        }
        #expect(main(try await bench.read("/dags/long/definition")).contains("lines 1–300 of 700"))
        #expect(main(try await bench.read("/dags/long/definition?line=601")).contains("lines 601–700 of 700"))
        #expect(main(try await bench.read("/dags/long/definition?line=9999")).contains("None"))
        #expect(main(try await bench.read("/dags/rates/definition")).contains("No text of it is kept"))
        try await bench.end()
    }

    @Test("a file that declares DAGs, too, that somebody does not see, is not shown to him") func shared() async throws
    {
        let bench = try await RESTBench()
        func store(_ retries: Int) async throws {
            var task = TaskDefinition(taskID: "a", kind: .empty)
            task.retries = retries
            let dags = ["mine", "theirs"].map { DAGDefinition(dagID: $0, tasks: [task]) }
            let text = "id: mine\n---\nid: theirs # \(retries) hush\n"
            try await bench.api.metastore.write { transaction in
                try transaction.storeDAGs(
                    dags, bundle: "other", bundleVersion: "\(retries)",
                    sources: [DAGSourceText(path: "both.yaml", text: text, dagIDs: ["mine", "theirs"])])
            }
        }
        try await store(1)
        try await store(2)
        let rights = AccessRights(.nothing, grants: [try AccessGrant(.viewer, of: "mine")])
        let some = ["Authorization": "Bearer \(try await bench.api.makeToken("some", rights))"]
        let all = ["Authorization": "Bearer \(try await bench.api.makeToken("all", AccessRights(.viewer)))"]
        #expect(try await bench.get("dagSources/mine", all).json["path"] == "both.yaml")
        #expect(try await bench.get("dagSources/mine", some).status == 403)
        for path in ["/dags/mine/definition", "/dags/mine/versions?from=1&to=2"] {
            let shown = try await bench.api.send("GET \(path)", all)
            let hidden = try await bench.api.send("GET \(path)", some)
            #expect(shown.status == 200 && shown.body.contains("hush"), "\(path)")
            #expect(hidden.status == 200 && !hidden.body.contains("hush"), "\(path)")
        }
        try await bench.end()
    }

    @Test("what differs between two versions is shown of their files, too, where both are kept") func differences()
        async throws
    {
        let bench = try await RESTBench()
        func store(_ retries: Int, _ text: String?) async throws {
            var task = TaskDefinition(taskID: "a", kind: .empty)
            task.retries = retries
            let dag = DAGDefinition(dagID: "often", tasks: [task])
            let sources = text.map { [DAGSourceText(path: "often.yaml", text: $0, dagIDs: ["often"])] } ?? []
            try await bench.api.metastore.write { transaction in
                try transaction.storeDAGs([dag], bundle: "other", bundleVersion: "\(retries)", sources: sources)
            }
        }
        try await store(1, "id: often\nretries: 1\n")
        try await store(2, "id: often\nretries: 2 # <b>\n")
        try await store(3, nil)
        let check = try await bench.read("/dags/often/versions?from=1&to=2")
        let lines = check.elements.filter { $0.attributes["class"]?.hasPrefix("ln two") == true }
        #expect(lines.map { $0.attributes["class"] ?? "" } == ["ln two", "ln two del", "ln two add"])
        #expect(lines.last?.text.contains("+ retries: 2 # <b>") == true, "\(lines.map(\.text))")
        #expect(!main(try await bench.read("/dags/often/versions?from=2&to=3")).contains("In the file"))
        try await bench.end()
    }
}
