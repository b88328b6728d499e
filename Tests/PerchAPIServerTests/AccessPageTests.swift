// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

/// A browser in which somebody has logged in.
struct Browser {
    let bench: RESTBench
    let cookie: String
    let csrf: String

    init(_ bench: RESTBench, _ name: String, _ password: String) async throws {
        self.bench = bench
        cookie = try #require(try await bench.api.logIn(name, password).cookie, "\(name) cannot log in")
        let digest = AccessSecret.digest(String(cookie.drop { $0 != "=" }.dropFirst()))
        let book = try await bench.api.metastore.read { try $0.accessBook(idle: SessionTerms.idle) }
        csrf = try #require(book.sessions[digest]).csrf
    }

    func page(_ path: String) async throws -> WebClient.Answer { try await bench.page(path, ["Cookie": cookie]) }

    func post(_ path: String, _ form: [(String, String)]) async throws -> WebClient.Answer {
        try await bench.post(path, form + [("csrf", csrf)], ["Cookie": cookie])
    }

    /// A page that is read whole, without a fault.
    func read(_ path: String) async throws -> MarkupCheck {
        let answer = try await page(path)
        #expect(answer.status == 200, "\(path): \(answer.body)")
        let check = MarkupCheck(answer.body)
        #expect(check.faults.isEmpty, "\(path): \(check.faults)")
        return check
    }
}

@Suite("Pages of who may", .timeLimit(.minutes(2)))
struct AccessPageTests {
    private static let password = "correct horse"

    private func user(_ bench: RESTBench, _ name: String) async throws -> AccessUserRow? {
        try await bench.api.metastore.read { try $0.accessUsers().first { $0.name == name } }
    }

    private func form(_ name: String, _ role: String, _ password: String = password) -> [(String, String)] {
        [("name", name), ("role", role), ("password", password), ("password_again", password)]
    }

    @Test("The first user is an administrator, for else nobody could change it; from then on one logs in")
    func first() async throws {
        let bench = try await RESTBench()
        let refused = try await bench.post("/users", form("anna", "viewer"))
        #expect(refused.status == 400 && refused.body.contains("nobody would be left"), "\(refused.status)")
        #expect(MarkupCheck(refused.body).faults.isEmpty && !refused.body.contains(Self.password))
        #expect(try await bench.post("/tokens", [("name", "t"), ("role", "viewer")]).status == 400)
        #expect(try await bench.api.metastore.read { try $0.accessVersion() } == 0)
        #expect(try await bench.page("/users").status == 200)
        let made = try await bench.post("/users", form("anna", "admin"))
        #expect(made.status == 303 && made.fields["location"] == "/users/anna", "\(made)")
        let stranger = try await bench.page("/users")
        #expect(stranger.status == 303 && stranger.fields["location"] == "/login?next=%2Fusers", "\(stranger)")
        let anna = try await Browser(bench, "anna", Self.password)
        #expect(try await anna.read("/users").elements.contains { $0.attributes["href"] == "/users/anna" })
        try await bench.end()
    }

    @Test("Users are made and changed as by commands, each change is recorded, and the last administrator stays one")
    func users() async throws {
        let bench = try await RESTBench()
        try await bench.api.makeUser("anna", Self.password, .admin)
        let anna = try await Browser(bench, "anna", Self.password)
        for (wrong, count) in [
            (form("a b<script>", "admin"), 1), (form("ben", "king"), 1), (form("ben", "viewer", "short"), 1),
            ([("name", "ben"), ("role", "viewer"), ("password", Self.password), ("password_again", "x")], 1),
            ([], 3), (form("anna", "viewer"), 0),
        ] {
            let answer = try await anna.post("/users", wrong)
            let page = MarkupCheck(answer.body)
            #expect(answer.status == 400 && page.faults.isEmpty, "\(page.faults)")
            #expect(page.elements.filter { $0.attributes["class"] == "fault" }.count == count, "\(wrong)")
            #expect(!answer.body.contains("<script>") || answer.body.contains("src="), "\(answer.body)")
            #expect(!answer.body.contains(Self.password))
        }
        #expect(try await anna.post("/users", form("ben", "viewer")).status == 303)
        let place = "/users/ben"
        func act(_ what: String, _ more: [(String, String)] = [], at path: String = "/users/ben") async throws -> Int {
            try await anna.post(path, [("do", what)] + more).status
        }
        #expect(try await act("role", [("role", "user")]) == 303)
        #expect(try await act("grant", [("grant_role", "operator"), ("pattern", "orders_*")]) == 303)
        #expect(try await act("grant", [("grant_role", "operator"), ("pattern", "a b")]) == 400)
        #expect(try await act("grant", [("grant_role", "king"), ("pattern", "x")]) == 400)
        #expect(
            try await user(bench, "ben")?.rights
                == AccessRights(.user, grants: [AccessGrant(.operator, of: "orders_*")]))
        let page = try await anna.read(place)
        #expect(page.elements.contains { $0.name == "code" && $0.text == "orders_*" })
        #expect(try await act("revoke", [("pattern", "orders_*")]) == 303)
        #expect(try await act("revoke", [("pattern", "orders_*")]) == 400)
        let ben = try await Browser(bench, "ben", Self.password)
        #expect(try await ben.page("/users").status == 403)
        #expect(try await ben.post(place, [("do", "role"), ("role", "admin")]).status == 403)
        #expect(try await act("password", [("password", "another horse"), ("password_again", "another horse")]) == 303)
        #expect(try await ben.page("/dags").status == 303)
        #expect(try await act("disable") == 303)
        #expect(try await bench.api.logIn("ben", "another horse").cookie == nil)
        #expect(try await act("enable") == 303)
        #expect(try await bench.api.logIn("ben", "another horse").cookie != nil)
        for what in ["role", "disable", "delete"] {
            let last = try await anna.post("/users/anna", [("do", what), ("role", "operator")])
            #expect(last.status == 400 && last.body.contains("the last administrator who can log in"), "\(what)")
        }
        #expect(try await act("role", [("role", "admin")]) == 303)
        #expect(try await act("sing") == 400)
        // With another one there, somebody may give it up.
        #expect(try await act("role", [("role", "viewer")], at: "/users/anna") == 303)
        #expect(try await anna.page("/users").status == 403)
        let again = try await Browser(bench, "ben", "another horse")
        #expect(try await again.post("/users/anna", [("do", "delete")]).status == 303)
        #expect(try await user(bench, "anna") == nil)
        #expect(try await again.page("/users/anna").status == 404)
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 99) }
        let forms = log.filter { $0.entry.action == "form" }
        #expect(forms.count == 10, "\(forms.map(\.entry.details.text))")
        for secret in [Self.password, "another horse", anna.csrf, anna.cookie] {
            #expect(!log.contains { $0.entry.details.text.contains(secret) } && !bench.api.log.text.contains(secret))
        }
        try await bench.end()
    }

    @Test("A token is shown in one answer alone, lets do what was said, and nothing once it is revoked")
    func tokens() async throws {
        let bench = try await RESTBench()
        try await bench.api.makeUser("anna", Self.password, .admin)
        let anna = try await Browser(bench, "anna", Self.password)
        for wrong in [
            [("name", ""), ("role", "viewer")], [("name", "ci"), ("role", "king")],
            [("name", "ci"), ("role", "viewer"), ("dags", "a/b")],
            [("name", "ci"), ("role", "viewer"), ("expires", "soon")],
            [("name", "ci"), ("role", "viewer"), ("user", "nobody")],
            [("name", "ci"), ("role", "viewer"), ("expires", "-1d")],
        ] {
            let answer = try await anna.post("/tokens", wrong)
            #expect(answer.status == 400 && MarkupCheck(answer.body).faults.isEmpty, "\(wrong): \(answer)")
        }
        let made = try await anna.post(
            "/tokens",
            [("name", "ci"), ("role", "user"), ("dags", "orders, x_*"), ("expires", "90d"), ("user", "anna")])
        #expect(made.status == 200 && made.fields["cache-control"] == "no-store" && made.fields["set-cookie"] == nil)
        let page = MarkupCheck(made.body)
        #expect(page.faults.isEmpty, "\(page.faults)")
        let secret = try #require(page.texts("pre").first)
        #expect(secret.hasPrefix(AccessSecret.tokenPrefix) && made.body.components(separatedBy: secret).count == 2)
        let fields = ["Authorization": "Bearer \(secret)"]
        #expect(try await bench.send("PATCH", "dags/orders", ["is_paused": true], fields).status == 200)
        #expect(try await bench.send("PATCH", "dags/rates", ["is_paused": true], fields).status == 403)
        #expect(try await anna.post("/tokens", [("name", "ci"), ("role", "user")]).status == 400)
        let list = try await anna.page("/tokens")
        #expect(list.status == 200 && list.body.contains("ci") && !list.body.contains(secret))
        #expect(try await anna.read("/users/anna").elements.contains { $0.name == "dd" && $0.text == "ci (valid)" })
        #expect(try await anna.post("/tokens/ci/revoke", []).status == 303)
        #expect(try await bench.get("dags/orders", fields).status == 401)
        #expect(try await anna.post("/tokens/ci/revoke", []).status == 409)
        #expect(try await anna.post("/tokens/none/revoke", []).status == 404)
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 99) }
        #expect(log.map(\.entry.subject).filter { $0.hasPrefix("/tokens") } == ["/tokens/ci/revoke", "/tokens"])
        #expect(!log.contains { $0.entry.details.text.contains(secret) } && !bench.api.log.text.contains(secret))
        try await bench.end()
    }

    @Test("Who has logged in changes the own password with the one that there is, and ends the own other sessions")
    func account() async throws {
        let bench = try await RESTBench()
        try await bench.api.makeUser("anna", Self.password, .nothing)
        let (here, there) = (
            try await Browser(bench, "anna", Self.password), try await Browser(bench, "anna", Self.password)
        )
        let page = try await here.read("/account")
        #expect(page.elements.filter { $0.name == "th" && ["this one", "another"].contains($0.text) }.count == 2)
        #expect(page.elements.contains { $0.attributes["href"] == "/account" })
        func change(_ current: String, _ new: String, _ again: String? = nil) async throws -> WebClient.Answer {
            let form = [("current_password", current), ("password", new), ("password_again", again ?? new)]
            return try await here.post("/account/password", form)
        }
        for answer in [
            try await change("wrong horse", "another horse"), try await change("", "another horse"),
            try await change(Self.password, "short"), try await change(Self.password, "another horse", "x"),
        ] {
            let faults = MarkupCheck(answer.body).elements.filter { $0.attributes["class"] == "fault" }
            #expect(answer.status == 400 && faults.count == 1 && !answer.body.contains("horse"), "\(answer)")
        }
        #expect(try await bench.post("/account/password", [("csrf", "x")], ["Cookie": here.cookie]).status == 403)
        let done = try await change(Self.password, "another horse")
        #expect(done.status == 303 && done.fields["location"] == "/account", "\(done)")
        #expect(try await here.page("/account").status == 200)
        #expect(try await there.page("/account").status == 303)
        let third = try await Browser(bench, "anna", "another horse")
        #expect(try await third.post("/account/sessions", []).status == 303)
        #expect(try await here.page("/account").status == 303)
        #expect(try await third.page("/account").status == 200)
        // Whoever has found a browser open guesses no faster than at the door.
        for _ in 0..<5 { _ = try await third.post("/account/password", [("current_password", "wrong horse")]) }
        let slow = try await third.post("/account/password", [("current_password", "another horse")])
        #expect(slow.status == 400 && slow.body.contains("try again in"), "\(slow)")
        #expect(try await bench.api.logIn("anna", "another horse").answer.status == 429)
        let token = try await bench.api.makeToken("t", AccessRights(.admin))
        bench.api.passTime()
        let known = try await bench.page("/account", ["Authorization": "Bearer \(token)"])
        #expect(known.status == 200 && known.body.contains("by a token"))
        let log = try await bench.api.metastore.read { try $0.auditLog(limit: 99) }
        #expect(log.filter { $0.entry.action == "password_failed" }.count == 7)
        #expect(!log.contains { $0.entry.details.text.contains("horse") } && !bench.api.log.text.contains("horse"))
        #expect(try await third.post("/logout", []).status == 303)
        #expect(try await third.page("/account").status == 303)
        try await bench.end()
    }
}
