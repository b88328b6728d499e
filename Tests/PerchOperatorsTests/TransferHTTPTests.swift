// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchOperators

@Suite("Transfers from and to servers", .timeLimit(.minutes(2)))
struct TransferHTTPTests {
    private func run(_ transfer: TransferOperator, _ databases: Databases) async throws -> TransferReport {
        try await transfer.execute(TaskContext(runtime: databases.runtime()))
    }

    private func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("an array, lines and CSV come from a server, page by page by header or path; an error page is no rows")
    func sources() async throws {
        let databases = try Databases(postgres: false)
        let server = try RowServerProcess([
            "/a": (#"[{"id": 1}, {"id": 2}]"#, #"</first>; rel="first", </a?page=2>; rel="next""#),
            "/a?page=2": (#"[{"id": 3}]"#, nil),
            "/b": (#"{"data": {"items": [{"id": 1, "x": [1]}]}, "next": "b?page=2"}"#, nil),
            "/b?page=2": (#"{"data": {"items": []}, "next": "/b/3"}"#, nil),
            "/b/3": (#"{"data": {"items": [{"id": 2, "x": null}]}, "next": null}"#, nil),
            "/c": ("id,name\n1,a\n", nil), "/d": ("{\"id\": 1}\n{\"id\": 2}", nil),
            "/round": ("[]", "</round>; rel=next"), "/away": ("[]", "<http://127.0.0.2:1/>; rel=next"),
        ])
        let out = databases.folder + "/out.csv"
        let cases: [(TransferSource, String)] = [
            (.http(server.url("/a"), next: .link), "id\n1\n2\n3\n"), (.http(server.url("/a")), "id\n1\n2\n"),
            (.http(server.url("/b"), rows: "$.data.items", next: .at("$.next")), "id,x\n1,[1]\n2,\n"),
            (.http(server.url("/c"), as: .csv), "id,name\n1,a\n"),
            (.http(server.url("/d"), as: .jsonLines), "id\n1\n2\n"),
        ]
        for (source, text) in cases {
            _ = try await run(.transfer(from: source, to: .csv(out)), databases)
            #expect(try read(out) == text)
        }
        for (source, words) in [
            (TransferSource.http(server.url("/none?token=hidden")), "gave 404, expected was 200 to 299: no rows at"),
            (.http(server.url("/round"), next: .link), "was there already"),
            (.http(server.url("/away"), next: .link), "another server"),
            (.http(server.url("/c"), rows: "$.x"), "no JSON"),
            (.http(server.url("/b"), rows: "$.data"), "no array at $.data"),
        ] {
            let error = await databases.failure(.transfer(from: source, to: .csv(out)))
            #expect("\(error)".contains(words), "\(error)")
            #expect(!"\(error)".prefix { $0 != ":" }.contains("hidden"))
        }
        #expect(try read(out) == "id\n1\n2\n")
        #expect(TransferOperator(from: .http("ftp://x", as: .csv, rows: "$["), to: .csv("x")).problems.count == 3)
    }

    @Test("batches are posted with a key that stays the same; what a server refuses is said with its rows")
    func targets() async throws {
        let databases = try Databases(postgres: false)
        let server = try RowServerProcess()
        let rows = TransferSource.sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i, 'ü' AS t FROM n",
            connection: "lite")
        for _ in 0..<2 {
            let report = try await run(
                .transfer(from: rows, to: .http(server.url("/in"), headers: ["X-Day": "{{ ds }}"]), batchSize: 2),
                databases)
            #expect(report.rows == 5)
        }
        let posts = try server.posts()
        #expect(posts.count == 6)
        #expect(try JSONValue(parsing: "\(posts[2]["body"]?.decode(String.self) ?? "")") == [["i": 5, "t": "ü"]])
        #expect(
            posts[0]["headers"]?["content-type"] == "application/json" && posts[0]["headers"]?["x-day"] == "2026-01-01")
        let keys = posts.compactMap { $0["headers"]?["idempotency-key"] }
        #expect(keys.count == 6 && Array(keys[..<3]) == Array(keys[3...]) && Set(keys).count == 3)
        let error = await databases.failure(
            .transfer(from: rows, to: .http(server.url("/in?limit=1"), as: .csv), batchSize: 2))
        #expect("\(error)".contains("rows 3 to 4 gave 503, expected was 200 to 299: enough"), "\(error)")
    }

    @Test("webhooks carry what has happened, a text or a body, signed so that the engine's own API takes it")
    func webhooks() async throws {
        let server = try RowServerProcess()
        let connections = [
            "hook": Connection(
                type: "http", host: "127.0.0.1", port: server.port, password: "t0ken", schema: "services/T0/secret-part"
            ),
            "sign": Connection(type: "generic", password: "key"),
        ]
        let cause = #"{"event": "failure", "task_id": "load", "message": "no \"file\""}"#
        func send(_ webhook: WebhookOperator, _ element: String? = cause) async throws {
            _ = try await webhook.execute(TaskContext(runtime: RecordingRuntime(connections, element: element)))
        }
        try await send(.webhook(server.url("/a"), secret: "sign"))
        try await send(.webhook(connection: "hook", text: "{{ element.task_id }}: {{ element.message }}"))
        try await send(
            .webhook(server.url("/{{ ds }}"), body: ["a": ["{{ element.task_id }}", 1]], headers: ["X-A": "{{ ds }}"]))
        try await send(.webhook(server.url("/a")), nil)
        let posts = try server.posts()
        func body(_ index: Int) throws -> JSONValue {
            try JSONValue(parsing: try posts[index]["body"]?.decode(String.self) ?? "")
        }
        #expect(try body(0) == JSONValue(parsing: cause))
        #expect(try body(1) == ["text": "load: no \"file\""])
        #expect(try body(2) == ["a": ["load", 1]])
        #expect(try body(3)["task_id"] == "t")
        #expect(
            posts[1]["path"] == "/services/T0/secret-part" && posts[1]["headers"]?["authorization"] == "Bearer t0ken")
        #expect(posts[2]["path"] == "/2026-01-01" && posts[2]["headers"]?["x-a"] == "2026-01-01")
        #expect(posts[0]["headers"]?["x-perch-timestamp"] == "1767225600")
        let signed = Array("1767225600.\(try posts[0]["body"]?.decode(String.self) ?? "")".utf8)
        #expect(
            posts[0]["headers"]?["x-perch-signature"]
                == .string("sha256=" + Signature.hexadecimal(of: signed, key: Array("key".utf8))))
        // Of RFC 4231.
        #expect(
            Signature.hexadecimal(of: Array("what do ya want for nothing?".utf8), key: Array("Jefe".utf8))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(
            Signature.hexadecimal(
                of: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
                key: [UInt8](repeating: 0xAA, count: 131))
                == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        // Its token goes to no other server.
        let elsewhere = try OneAnswer(
            "HTTP/1.1 307 Away\r\nLocation: \(server.url("/stolen"))\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        var sent = connections
        sent["hook"]?.port = Int(elsewhere.port)
        let away = RecordingRuntime(sent)
        await #expect {
            _ = try await WebhookOperator.webhook(connection: "hook", text: "x").execute(TaskContext(runtime: away))
        } throws: { "\($0)".contains("gave 307") }
        #expect(try server.posts().count == 4)
        var broken = connections
        broken["hook"]?.port = 1
        let runtime = RecordingRuntime(broken)
        await #expect {
            _ = try await WebhookOperator.webhook(connection: "hook", text: "x").execute(TaskContext(runtime: runtime))
        } throws: {
            "\($0)".contains("connection 'hook'") && !"\($0)".contains("secret-part") && !"\($0)".contains("t0ken")
        }
        #expect(WebhookOperator("ftp://x", text: "a", body: "b").problems.count == 2)
    }
}
