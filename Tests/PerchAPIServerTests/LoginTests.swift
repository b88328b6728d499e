// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

@Suite("Who logs in", .timeLimit(.minutes(2)))
struct LoginTests {
    private static let password = "correct horse"

    @Test("name and password give a session; what it changes carries its token, and it ends with the log-out")
    func session() async throws {
        let bench = try await RESTBench()
        let api = bench.api
        try await api.makeUser("anna", Self.password, .user)
        let (answer, found) = try await api.logIn("anna", Self.password, next: "/runs%3Fa=1")
        #expect(answer.status == 303 && answer.fields["location"] == "/runs?a=1", "\(answer)")
        let shown = answer.fields["set-cookie"] ?? ""
        for word in ["HttpOnly", "SameSite=Lax", "Path=/"] { #expect(shown.contains(word), "\(shown)") }
        #expect(!shown.contains("Secure"))
        let cookie = ["Cookie": "theme=dark; " + (try #require(found))]
        #expect(try await bench.get("dags", cookie).status == 200)
        #expect(try await bench.get("auditLog", cookie).status == 403)
        let csrf = try await api.csrf()
        func pause(_ more: [String: String]) async throws -> WebClient.Answer {
            try await bench.send("PATCH", "dags/orders", ["is_paused": true], cookie.merging(more) { $1 })
        }
        for more in [
            [:], ["X-CSRF-Token": "x"], ["X-CSRF-Token": csrf, "Origin": "http://evil.example"],
            ["X-CSRF-Token": csrf, "Origin": "null"],
        ] { #expect(try await pause(more).status == 403, "\(more.keys)") }
        #expect(try await bench.get("dags/orders", cookie).json["is_paused"] == false)
        #expect(try await pause(["X-CSRF-Token": csrf, "Origin": "http://localhost"]).status == 200)
        #expect(try await pause(["X-CSRF-Token": csrf]).status == 200)
        // Events are changes, too.
        #expect(try await api.send("POST /events/a", json.merging(cookie) { $1 }, "1").status == 403)
        let form = cookie.merging(["Content-Type": "application/x-www-form-urlencoded"]) { $1 }
        #expect(try await api.send("POST /logout", form, "csrf=x").status == 403)
        #expect(try await bench.get("dags", cookie).status == 200)
        let out = try await api.send("POST /logout", form, "csrf=\(csrf)")
        #expect(out.status == 303 && out.fields["location"] == "/login")
        #expect(try await bench.get("dags", cookie).status == 401)
        let log = try await api.metastore.read { try $0.auditLog(limit: 9) }
        #expect(log.map(\.entry.action) == ["logout", "PATCH dags/{dag_id}", "PATCH dags/{dag_id}", "login"])
        #expect(Set(log.map(\.entry.who)) == ["anna"] && log[1].entry.how == "session")
        for word in [Self.password, csrf, cookie["Cookie"] ?? "?"] { #expect(!api.log.text.contains(word)) }
        try await bench.end()
    }

    @Test("a wrong name and a wrong password are answered alike, and after some of them it takes longer each time")
    func wrong() async throws {
        let api = try await APIBench()
        try await api.makeUser("anna", Self.password, .viewer)
        try await api.makeUser("ben", Self.password, .viewer)
        try await api.metastore.write { try $0.setDisabled("ben", true) }
        let unknown = try await api.logIn("nobody", Self.password)
        let wrong = try await api.logIn("anna", "wrong horse")
        let disabled = try await api.logIn("ben", Self.password)
        for (answer, cookie) in [unknown, wrong, disabled] {
            #expect(answer.status == 401 && cookie == nil && answer.body.contains("Name or password is wrong"))
            #expect(!answer.body.contains("horse"))
        }
        for _ in 0..<4 { _ = try await api.logIn("anna", "wrong horse") }
        let slow = try await api.logIn("anna", Self.password)
        #expect(slow.answer.status == 429 && slow.cookie == nil && slow.answer.fields["retry-after"] == "1", "\(slow)")
        // Others are not held up by it.
        #expect(try await api.logIn("nobody", Self.password).answer.status == 401)
        api.clock.now = api.clock.now + .seconds(1)
        #expect(try await api.logIn("anna", "wrong horse").answer.status == 401)
        #expect(try await api.logIn("anna", Self.password).answer.fields["retry-after"] == "2")
        api.clock.now = api.clock.now + .seconds(2)
        #expect(try await api.logIn("anna", Self.password).cookie != nil)
        let failures = try await api.metastore.read { try $0.auditLog(limit: 99) }.filter {
            $0.entry.action == "login_failed"
        }
        #expect(failures.count == 9)
        #expect(!api.log.text.contains("horse"))
        try await api.end()
    }

    @Test("guesses from one address at many names are slowed down, and nobody is locked out for ever")
    func limits() {
        let limit = LoginLimit()
        var now = Timestamp(microseconds: 1_000_000_000)
        for number in 0..<20 {
            let attempt = LoginLimit.Try(name: "n\(number)", address: "10.0.0.1")
            #expect(limit.pause(attempt, now: now) == nil)
            limit.failed(attempt, now: now)
        }
        let next = LoginLimit.Try(name: "other", address: "10.0.0.1")
        #expect(limit.pause(next, now: now) == 1)
        #expect(limit.pause(LoginLimit.Try(name: "other", address: "10.0.0.2"), now: now) == nil)
        for _ in 0..<100 { limit.failed(next, now: now) }
        #expect(limit.pause(next, now: now) == 900)
        #expect(limit.pause(LoginLimit.Try(name: "other", address: "10.0.0.3"), now: now) == 60)
        now = now + .seconds(3_600)
        #expect(limit.pause(next, now: now) == nil)
        limit.failed(next, now: now)
        #expect(limit.pause(next, now: now) == nil)
    }

    @Test("a form that another site has made logs nobody in, and nobody is led away from here")
    func forms() async throws {
        let api = try await APIBench()
        try await api.makeUser("anna", Self.password, .viewer)
        #expect(try await api.logIn("anna", Self.password, mark: "x").answer.status == 403)
        #expect(try await api.logIn("anna", Self.password, ["Cookie": "a=b"]).answer.status == 403)
        let foreign = try await api.logIn("anna", Self.password, ["Origin": "http://evil.example"])
        #expect(foreign.answer.status == 403)
        let other = try await api.logIn("anna", Self.password, ["Content-Type": "application/json"])
        #expect(other.answer.status == 415)
        for next in ["//evil.example", "http://evil.example", "/%5Cevil.example", "/a%0d%0ab", "x"] {
            let led = try await api.logIn("anna", Self.password, next: next).answer
            #expect(led.status == 303 && led.fields["location"] == "/", "\(next): \(led)")
        }
        let page = try await api.send("GET /login?next=/%22%3E%3Cscript%3E")
        #expect(page.status == 200 && !page.body.contains("<script>"))
        #expect(page.fields["content-type"] == "text/html; charset=utf-8")
        try await api.end()
    }

    @Test("a session ends when it is not used, and at its end whatever is done; another password ends it")
    func ends() async throws {
        let api = try await APIBench()
        let bench = RESTBench(of: api)
        try await api.makeUser("anna", Self.password, .viewer)
        func begin() async throws -> [String: String] {
            ["Cookie": try #require(try await api.logIn("anna", Self.password).cookie)]
        }
        var cookie = try await begin()
        // It is kept alive by being used.
        for _ in 0..<16 {
            api.clock.now = api.clock.now + .seconds(10 * 3_600)
            #expect(try await bench.get("dags", cookie).status == 200)
        }
        api.clock.now = api.clock.now + .seconds(10 * 3_600)
        #expect(try await bench.get("dags", cookie).status == 401)
        cookie = try await begin()
        api.clock.now = api.clock.now + .seconds(13 * 3_600)
        #expect(try await bench.get("dags", cookie).status == 401)
        cookie = try await begin()
        #expect(try await bench.get("dags", cookie).status == 200)
        let hash = try PasswordHash("another horse", cost: 10).text
        try await api.metastore.write { try $0.setPassword(of: "anna", hash) }
        api.passTime()
        #expect(try await bench.get("dags", cookie).status == 401)
        #expect(try await api.send("GET /api/v2/dags", ["Cookie": "perch_session=guess"]).status == 401)
        try await api.end()
    }

    @Test("where it is asked for, cookies go over encrypted connections alone")
    func secure() async throws {
        let access = AccessControl(try Credentials(), signatureTime: .seconds(300))
        let desk = LoginDesk(access: access, isSecure: true, log: Logger(label: "test"))
        let page = desk.page(try RequestTarget("/login"), [:])
        #expect(page.fields[.setCookie]?.hasSuffix("; Secure") == true)
    }
}
