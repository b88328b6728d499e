// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Pages of pools, variables and connections", .timeLimit(.minutes(2)))
struct StockPageTests {
    private func sealing() -> APISurroundings {
        var surroundings = APISurroundings()
        surroundings.seal = { text, _ in SealedValue(keyID: "k", text: "SEALED-\(text.utf8.count)") }
        return surroundings
    }

    @Test("Pools are told with who holds what, and are made, changed and removed; what is in use stays")
    func pools() async throws {
        let bench = try await RESTBench()
        let list = try await bench.read("/pools")
        #expect(list.elements.contains { $0.name == "a" && $0.attributes["href"] == "/pools/gpu" })
        let used = try await bench.read("/pools/default_pool")
        #expect(used.elements.contains { $0.name == "a" && $0.text == "load[0]" }, "\(used.texts("main"))")
        #expect(used.elements.contains { $0.name == "a" && $0.attributes["href"] == "/dags/orders" })
        let form = [
            ("slots", "3"), ("description", "a \"<b>\" pool"), ("include_deferred", "true"), ("max_deferred", ""),
        ]
        let made = try await bench.post("/pools", [("name", "a b/<i>")] + form)
        let path = "/pools/a%20b%2F%3Ci%3E"
        #expect(made.status == 303 && made.fields["location"] == path, "\(made)")
        #expect(try await bench.post("/pools", [("name", "a b/<i>")] + form).status == 400)
        for (wrong, count) in [
            ([("name", "x:y"), ("slots", "1")], 1), ([("name", "x"), ("slots", "many")], 1),
            ([("name", "x"), ("slots", "-1"), ("max_deferred", "few")], 2), ([], 2),
        ] {
            let answer = try await bench.post("/pools", wrong)
            let page = MarkupCheck(answer.body)
            #expect(answer.status == 400 && page.faults.isEmpty, "\(page.faults)")
            #expect(page.elements.filter { $0.attributes["class"] == "fault" }.count == count, "\(wrong)")
        }
        let page = try await bench.read(path)
        #expect(page.elements.first { $0.attributes["name"] == "description" }?.attributes["value"] == "a \"<b>\" pool")
        #expect(try await bench.post(path, [("do", "set"), ("slots", "5"), ("max_deferred", "2")]).status == 303)
        let pool = try await bench.api.metastore.read { try $0.pool("a b/<i>") }
        #expect(pool?.slots == 5 && pool?.maxDeferred == 2 && pool?.includesDeferred == false)
        #expect(try await bench.post(path, [("do", "set"), ("slots", "x")]).status == 400)
        #expect(try await bench.post(path, [("do", "sing")]).status == 400)
        let inUse = try await bench.post("/pools/default_pool", [("do", "delete")])
        #expect(inUse.status == 400 && inUse.body.contains("cannot be deleted"), "\(inUse)")
        #expect(try await bench.post(path, [("do", "delete")]).status == 303)
        #expect(try await bench.page(path).status == 404)
        try await bench.end()
    }

    @Test("Variables are shown and set; what is sealed is on no page, in no record, and not sent back")
    func variables() async throws {
        let bench = try await RESTBench(surroundings: sealing())
        let list = try await bench.page("/variables")
        #expect(list.status == 200 && list.body.contains("<code>eu</code>") && !list.body.contains("SEALED"))
        #expect(!(try await bench.page("/variables/api_token").body.contains("SEALED")))
        let hostile = "</textarea><script>alert(1)</script>\n\u{202E}"
        let made = try await bench.post(
            "/variables", [("key", "hostile"), ("value", hostile), ("is_secret", ""), ("description", hostile)])
        #expect(made.status == 303 && made.fields["location"] == "/variables/hostile", "\(made)")
        let page = try await bench.read("/variables/hostile")
        #expect(page.elements.first { $0.attributes["name"] == "value" }?.text == "\n" + hostile)
        #expect(try await bench.api.metastore.read { try $0.variable("hostile")?.value } == .plain(hostile))
        // Its key says that it is secret.
        let secret = try await bench.post(
            "/variables", [("key", "db_password"), ("value", "hunter2"), ("is_secret", "")])
        #expect(secret.status == 303)
        #expect(try await bench.api.metastore.read { try $0.variable("db_password")?.isSecret } == true)
        for path in ["/variables", "/variables/db_password", "/audit"] {
            let answer = try await bench.page(path)
            #expect(
                answer.status == 200 && !answer.body.contains("hunter2") && !answer.body.contains("SEALED"), "\(path)")
        }
        let opened = try await bench.post(
            "/variables/db_password", [("do", "set"), ("value", "open"), ("is_secret", "false")])
        #expect(opened.status == 303)
        #expect(try await bench.api.metastore.read { try $0.variable("db_password")?.value } == .plain("open"))
        for wrong in [[("key", "a b"), ("value", "hunter2")], [("key", "region"), ("value", "x")], [("value", "x")]] {
            let answer = try await bench.post("/variables", wrong)
            #expect(answer.status == 400 && MarkupCheck(answer.body).faults.isEmpty, "\(answer)")
        }
        #expect(try await bench.api.metastore.read { try $0.variable("region")?.value } == .plain("eu"))
        #expect(try await bench.post("/variables/region", [("do", "delete")]).status == 303)
        for (path, status) in [("/variables/region", 404), ("/variables/%3Cscript%3E", 404)] {
            #expect(try await bench.page(path).status == status)
        }
        // What is long is not for a form, and makes no page heavy.
        let long = String(repeating: "\"", count: 200_000)
        try await bench.api.metastore.write {
            try $0.setVariable("long", .plain(long), isSecret: false, description: long)
        }
        for path in ["/variables", "/variables/long"] {
            let answer = try await bench.page(path)
            #expect(MarkupCheck(answer.body).faults.isEmpty && answer.body.utf8.count < 150_000, "\(path)")
        }
        try await bench.end()
    }

    @Test("Without a key nothing is sealed, and nothing that was to be is stored in the open")
    func noKey() async throws {
        let bench = try await RESTBench()
        let answer = try await bench.post("/variables", [("key", "my_secret"), ("value", "hunter2")])
        #expect(answer.status == 503 && !answer.body.contains("hunter2"), "\(answer)")
        #expect(try await bench.api.metastore.read { try $0.variable("my_secret") } == nil)
        try await bench.end()
    }

    @Test("Connections are told without anything that is sealed, page by page, and are removed")
    func connections() async throws {
        let bench = try await RESTBench()
        try await bench.api.metastore.write { transaction in
            for number in 0..<150 {
                try transaction.setConnection(
                    "c\(number)", type: "<script>", SealedValue(keyID: "k", text: "SEALED"), description: "\"<i>\u{1B}")
            }
        }
        var (found, path): (Int, String?) = (0, "/connections")
        for _ in 0..<4 {
            guard let next = path else { break }
            let page = try await bench.read(next)
            found += page.elements.filter { $0.name == "th" && $0.attributes["scope"] == "row" }.count
            path = page.elements.first { $0.attributes["rel"] == "next" }?.attributes["href"]
        }
        #expect(found == 151 && path == nil)
        let answer = try await bench.page("/connections?search=C14")
        #expect(answer.body.contains("c149") && !answer.body.contains("c99"))
        #expect(
            !answer.body.contains("SEALED") && !answer.body.contains("<script>\"") && !answer.body.contains("\u{1B}"))
        #expect(try await bench.post("/connections/c149/delete", []).status == 303)
        #expect(try await bench.post("/connections/c149/delete", []).status == 404)
        #expect(try await bench.api.metastore.read { try $0.connections().count } == 150)
        try await bench.end()
    }
}
