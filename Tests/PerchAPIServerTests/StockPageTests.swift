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

    /// With keys that turn round what they seal.
    private func openable() -> APISurroundings {
        var surroundings = APISurroundings()
        surroundings.seal = { text, _ in
            SealedValue(keyID: "k", text: String(decoding: Array(text.utf8.reversed()), as: UTF8.self))
        }
        surroundings.unseal = { value, _ in String(decoding: Array(value.text.utf8.reversed()), as: UTF8.self) }
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
        let one = try await bench.page("/connections/c149")
        #expect(one.status == 200 && MarkupCheck(one.body).faults.isEmpty && !one.body.contains("SEALED"), "\(one)")
        let delete = [("do", "delete")]
        #expect(try await bench.post("/connections/c149", delete).status == 303)
        #expect(try await bench.post("/connections/c149", delete).status == 404)
        #expect(try await bench.api.metastore.read { try $0.connections().count } == 150)
        try await bench.end()
    }

    @Test(
        "Connections are made and changed; what is left empty stays, and nothing that is sealed is sent back or recorded"
    )
    func setConnections() async throws {
        let bench = try await RESTBench(surroundings: openable())
        func stored(_ id: String) async throws -> Connection? {
            guard let row = try await bench.api.metastore.read({ try $0.connection(id) }) else { return nil }
            return try Connection(parsing: String(decoding: Array(row.value.text.utf8.reversed()), as: UTF8.self))
        }
        let hostile = "</textarea><script>\"'&\u{202E}"
        let made = try await bench.post(
            "/connections",
            [
                ("connection_id", "shop"), ("conn_type", "postgres"), ("host", "db.example"), ("port", "5432"),
                ("login", "anna"), ("password", " hunter2 "), ("extra", #"{"sslkey": "s3same"}"#),
                ("description", hostile),
            ])
        #expect(made.status == 303 && made.fields["location"] == "/connections/shop", "\(made)")
        let first = Connection(
            type: "postgres", host: "db.example", port: 5432, login: "anna", password: " hunter2 ",
            extra: ["sslkey": "s3same"])
        #expect(try await stored("shop") == first)
        let page = try await bench.read("/connections/shop")
        func value(_ name: String) -> String? {
            page.elements.first { $0.attributes["name"] == name }?.attributes["value"]
        }
        #expect(value("description") == hostile && value("conn_type") == "postgres")
        for name in ["host", "port", "login", "password", "schema", "uri"] { #expect(value(name) == "", "\(name)") }

        // Empty fields stay as they are, or are taken away where that is wanted.
        let changed = try await bench.post(
            "/connections/shop",
            [("do", "set"), ("conn_type", "postgres"), ("host", "new.example"), ("password", ""), ("others", "keep")])
        #expect(changed.status == 303, "\(changed)")
        var second = first
        second.host = "new.example"
        #expect(try await stored("shop") == second)
        #expect(try await bench.api.metastore.read { try $0.connection("shop")?.description } == "")
        let whole = try await bench.post(
            "/connections/shop", [("do", "set"), ("conn_type", "http"), ("host", "h"), ("others", "drop")])
        #expect(whole.status == 303)
        #expect(try await stored("shop") == Connection(type: "http", host: "h"))
        let address = try await bench.post(
            "/connections/shop", [("do", "set"), ("conn_type", "http"), ("uri", "smtp://ben:hunter2@mail:25")])
        #expect(address.status == 303)
        #expect(
            try await stored("shop")
                == Connection(type: "smtp", host: "mail", port: 25, login: "ben", password: "hunter2"))

        let before = try await stored("shop")
        for (wrong, named) in [
            ([("conn_type", "")], "conn_type"), ([("conn_type", "http"), ("port", "70000")], "port"),
            ([("conn_type", "http"), ("extra", "hunter2")], "extra"),
            ([("uri", "http://a:hunter2@b"), ("host", "c")], "uri"),
        ] {
            for (path, more) in [("/connections", [("connection_id", "x")]), ("/connections/shop", [("do", "set")])] {
                let answer = try await bench.post(path, more + wrong + [("password", "hunter2")])
                let check = MarkupCheck(answer.body)
                #expect(answer.status == 400 && check.faults.isEmpty && !answer.body.contains("hunter2"), "\(answer)")
                let faulty = check.elements.first { $0.attributes["aria-invalid"] == "true" }
                #expect(faulty?.attributes["name"] == named, "\(path) \(wrong)")
            }
        }
        for wrong in [
            [("connection_id", "a b"), ("conn_type", "http")], [("connection_id", "shop"), ("conn_type", "http")],
            [("connection_id", "y"), ("uri", "nonsense-hunter2")],
        ] {
            let answer = try await bench.post("/connections", wrong)
            #expect(answer.status == 400 && !answer.body.contains("hunter2"), "\(answer)")
        }
        #expect(try await bench.post("/connections/shop", [("do", "sing")]).status == 400)
        #expect(try await bench.post("/connections/none", [("do", "set"), ("conn_type", "http")]).status == 404)
        #expect(try await stored("shop") == before)
        for path in ["/connections", "/connections/shop", "/audit"] {
            let answer = try await bench.page(path)
            #expect(answer.status == 200, "\(path)")
            for word in ["hunter2", "s3same", "2retnuh"] { #expect(!answer.body.contains(word), "\(path): \(word)") }
        }
        let record = try await bench.api.metastore.read { try $0.auditLog(AuditFilter()).map { "\($0.entry)" } }
            .joined()
        #expect(record.contains("/connections/shop") && !record.contains("hunter2") && !record.contains("s3same"))
        try await bench.end()
    }

    @Test("Where what is sealed cannot be opened, or was changed meanwhile, a connection is set whole or not at all")
    func unopened() async throws {
        let closed = try await RESTBench(surroundings: sealing())
        let keep = [("do", "set"), ("conn_type", "http"), ("host", "h")]
        let answer = try await closed.post("/connections/db", keep)
        #expect(answer.status == 400 && answer.body.contains("cannot be opened here"), "\(answer)")
        #expect(try await closed.post("/connections/db", keep + [("others", "drop")]).status == 303)
        try await closed.end()
        let bench = try await RESTBench(surroundings: openable())
        let sealed = SealedValue(keyID: "k", text: String("{\"conn_type\": \"http\"}".reversed()))
        try await bench.api.metastore.write { try $0.setConnection("db", type: "http", sealed, description: "d") }
        let row = try #require(try await bench.api.metastore.read { try $0.connection("db") })
        try await bench.api.metastore.write {
            try $0.setConnection("db", type: "http", SealedValue(keyID: "k", text: "other"), description: "d")
        }
        let late = await #expect(throws: PerchError.self) {
            try await LateCall(bench, openable()).setConnection(
                "db", Connection(type: "http"), over: row.value, description: nil)
        }
        #expect(late?.code == .conflict)
        try await bench.end()
    }
}

/// Somebody who has read a connection before it was changed.
private struct LateCall: ServerCall {
    let caller = Caller(name: "late", right: .admin)
    let access: AccessControl
    let surroundings: APISurroundings
    private let metastore: Metastore

    init(_ bench: RESTBench, _ surroundings: APISurroundings) throws {
        access = AccessControl(try Credentials(tokens: [], secrets: []), signatureTime: .seconds(1))
        self.surroundings = surroundings
        metastore = bench.api.metastore
    }

    func read<Result: Sendable>(_ body: @escaping @Sendable (Snapshot) throws -> Result) async throws -> Result {
        try await metastore.read(body)
    }

    func write<Result: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Result) async throws -> Result {
        try await metastore.write(body)
    }
}
