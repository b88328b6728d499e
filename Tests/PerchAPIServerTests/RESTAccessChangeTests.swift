// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Users and tokens behind /api/v2", .timeLimit(.minutes(1)))
struct RESTAccessChangeTests {
    @Test("users are made, changed and removed; a password goes in and never comes out")
    func users() async throws {
        let bench = try await RESTBench(tokens: ["t"])
        let made = try await bench.send(
            "POST", "users", ["name": "anna", "role": "viewer", "password": "correct horse"])
        #expect(made.status == 201 && made.json["has_password"] == true && made.json["role"] == "viewer", "\(made)")
        #expect(!made.body.contains("horse") && !made.body.contains("scrypt"))
        #expect(try await bench.api.logIn("anna", "correct horse").cookie != nil)
        let grant = try await bench.send("PUT", "users/anna/grants/orders_%2A", ["role": "user"])
        #expect(grant.status == 200 && grant.json["grants"] == [["role": "user", "dags": "orders_*"]], "\(grant)")
        #expect(try await bench.send("DELETE", "users/anna/grants/orders_%2A").status == 204)
        #expect(try await bench.send("DELETE", "users/anna/grants/orders_%2A").status == 404)
        let changed = try await bench.send("PATCH", "users/anna", ["role": "operator", "is_disabled": true])
        #expect(changed.json["role"] == "operator" && changed.json["is_disabled"] == true, "\(changed)")
        #expect(try await bench.api.logIn("anna", "correct horse").cookie == nil)
        for (method, path, body, status) in [
            ("POST", "users", ["name": "anna", "role": "viewer"], 409),
            ("POST", "users", ["name": "a b", "role": "viewer"], 400),
            ("POST", "users", ["name": "ben", "role": "king"], 400),
            ("POST", "users", ["name": "ben", "role": "viewer", "password": "short"], 400),
            ("PATCH", "users/anna", [:], 400), ("PATCH", "users/nobody", ["role": "viewer"], 404),
            ("PUT", "users/anna/grants/a%20b", ["role": "viewer"], 400), ("DELETE", "users/nobody", nil, 404),
        ] as [(String, String, JSONValue?, Int)] {
            let answer = try await bench.send(method, path, body)
            #expect(answer.status == status && answer.problem != nil, "\(method) \(path): \(answer)")
        }
        #expect(try await bench.all("users", "users", limit: 1).count == 1)
        #expect(try await bench.send("DELETE", "users/anna").status == 204)
        #expect(try await bench.get("users/anna").status == 404)
        let log = try await bench.get("auditLog")
        #expect(!log.body.contains("horse") && log.body.contains("POST users"))
        try await bench.end()
    }

    @Test("a token is told once, and lets do what was said until it ends or is revoked")
    func tokens() async throws {
        let bench = try await RESTBench(tokens: ["t"])
        let body: JSONValue = ["name": "ci", "role": "user", "dags": ["orders"], "expires": "1h"]
        let made = try await bench.send("POST", "tokens", body)
        let secret = try #require(made.json.text("token"))
        #expect(made.status == 201 && made.json["expires_at"] == "2026-09-21T15:13:20Z", "\(made)")
        let fields = ["Authorization": "Bearer \(secret)"]
        #expect(try await bench.get("dags/orders", fields).status == 200)
        #expect(try await bench.get("tokens", fields).status == 403)
        let listed = try await bench.get("tokens")
        #expect(listed.json["tokens"]?[0]?["state"] == "valid" && !listed.body.contains(secret), "\(listed)")
        #expect(listed.json["tokens"]?[0]?["grants"] == [["role": "user", "dags": "orders"]])
        for (wrong, status) in [
            (body, 409), (["name": "x", "role": "viewer", "user": "nobody"], 404),
            (["name": "x", "role": "viewer", "dags": ["a b"]], 400),
            (["name": "x", "role": "viewer", "expires": "0s"], 400),
        ] as [(JSONValue, Int)] {
            #expect(try await bench.send("POST", "tokens", wrong).status == status, "\(wrong.text)")
        }
        #expect(try await bench.send("DELETE", "tokens/ci").status == 204)
        #expect(try await bench.get("dags/orders", fields).status == 401)
        #expect(try await bench.send("DELETE", "tokens/ci").status == 409)
        #expect(try await bench.get("tokens/ci").json["state"] == "revoked")
        let log = try await bench.get("auditLog")
        #expect(!log.body.contains(secret) && !bench.api.log.text.contains(secret))
        try await bench.end()
    }

    @Test("somebody is left who may change it: the last administrator of those who log in, and the last token of all")
    func last() async throws {
        let bench = RESTBench(of: try await APIBench())
        #expect(try await bench.send("POST", "users", ["name": "anna", "role": "admin"]).status == 409)
        let made = try await bench.send("POST", "tokens", ["name": "root", "role": "admin"])
        let fields = ["Authorization": "Bearer \(try #require(made.json.text("token")))"]
        func send(_ method: String, _ path: String, _ body: JSONValue? = nil) async throws -> WebClient.Answer {
            try await bench.send(method, path, body, fields)
        }
        let alone = try await send("DELETE", "tokens/root")
        #expect(alone.status == 409 && alone.body.contains("nobody would be left"), "\(alone)")
        let anna: JSONValue = ["name": "anna", "role": "admin", "password": "correct horse"]
        #expect(try await send("POST", "users", anna).status == 201)
        for (method, body) in [
            ("PATCH", ["role": "viewer"]), ("PATCH", ["is_disabled": true]), ("DELETE", nil),
        ] as [(String, JSONValue?)] {
            let answer = try await send(method, "users/anna", body)
            #expect(answer.status == 409 && answer.body.contains("last administrator"), "\(answer)")
        }
        #expect(try await bench.api.metastore.read { try $0.knownUser("anna").rights.role } == .admin)
        #expect(try await send("DELETE", "tokens/root").status == 204)
        #expect(try await send("GET", "tokens").status == 401)
        try await bench.end()
    }
}
