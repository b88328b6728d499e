// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

extension APIBench {
    /// A token of the metastore.
    func makeToken(
        _ name: String, _ rights: AccessRights, user: String? = nil, expires: TimeSpan? = nil
    ) async throws -> String {
        let secret = AccessSecret.make(AccessSecret.tokenPrefix)
        try await metastore.write { transaction in
            _ = try transaction.createToken(
                NewAccessToken(
                    name: name, digest: AccessSecret.digest(secret), rights: rights, user: user,
                    expiresAt: expires.map { transaction.now + $0 }))
        }
        return secret
    }

    func makeUser(_ name: String, _ password: String, _ role: AccessRole) async throws {
        let hash = try PasswordHash(password, cost: 10).text
        try await metastore.write { try $0.createUser(name, password: hash, role: role) }
    }

    /// What was known until now is looked up anew.
    func passTime() { clock.now = clock.now + AccessRegister.freshness }

    /// Logs in as a browser does.
    /// - Returns: The answer, and the cookie of the session where there is one.
    func logIn(
        _ name: String, _ password: String, next: String? = nil, _ more: [String: String] = [:], mark: String? = nil
    ) async throws -> (answer: WebClient.Answer, cookie: String?) {
        let page = try await send("GET /login")
        let cookie = page.fields["set-cookie"]?.split(separator: ";").first.map(String.init) ?? ""
        let csrf = mark ?? String(cookie.split(separator: "=", maxSplits: 1).last ?? "")
        var form = "name=\(name)&password=\(password.replacing(" ", with: "+"))&csrf=\(csrf)"
        if let next { form += "&next=\(next)" }
        let fields = ["Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie].merging(more) { $1 }
        let answer = try await send("POST /login", fields, form)
        let session = answer.fields["set-cookie"]?.split(separator: ";").first.map(String.init)
        return (answer, session?.hasPrefix("perch_session=") == true ? session : nil)
    }

    /// What the forms of the only session carry.
    func csrf() async throws -> String {
        let book = try await metastore.read { try $0.accessBook(idle: SessionTerms.idle) }
        return try #require(book.sessions.values.first).csrf
    }
}
