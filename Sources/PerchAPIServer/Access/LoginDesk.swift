// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK

/// Lets people in by name and password, and out again.
struct LoginDesk: Sendable {
    let access: AccessControl
    /// Whether cookies go over encrypted connections alone.
    let isSecure: Bool
    let log: Logger
    private var passwords: PasswordDesk { access.passwords }
    private var limit: LoginLimit { access.limit }

    /// The cookie that shows that a form to log in is ours.
    private static let formCookie = "perch_login"
    /// Bytes of a form.
    static let most = 8_192

    private var metastore: Metastore? { access.register?.metastore }

    /// - Throws: `Refusal` (415) for what is no form.
    static func checkForm(_ fields: HTTPFields) throws(Refusal) {
        let type = String((fields[.contentType] ?? "").lowercased().prefix { $0 != ";" }).filter { $0 != " " }
        guard type == "application/x-www-form-urlencoded" else {
            throw Refusal(
                .unsupportedMediaType, "unsupported_type",
                "it takes a form: Content-Type: application/x-www-form-urlencoded")
        }
    }

    /// `GET /login`.
    func page(_ target: RequestTarget, _ fields: HTTPFields) -> APIAnswer {
        form(.ok, problem: nil, next: Self.next(target.parameters))
    }

    private func form(_ status: HTTPResponse.Status, problem: String?, next: String) -> APIAnswer {
        let mark = AccessSecret.make("")
        var answer = LoginPage(csrf: mark, next: next, problem: problem).answer(status)
        answer.fields.append(
            HTTPField(
                name: .setCookie,
                value: "\(Self.formCookie)=\(mark); Path=/login; Max-Age=3600; HttpOnly; SameSite=Strict" + security))
        return answer
    }

    /// `POST /login`.
    func logIn(_ form: [String: String], _ head: HTTPRequest, from address: String) async throws -> APIAnswer {
        let fields = head.headerFields
        let next = Self.next([("next", form["next"] ?? "/")])
        guard let metastore, let register = access.register else {
            throw Refusal.unavailable("nobody logs in here", after: 60)
        }
        guard AccessControl.isOwnPage(fields, head.authority) else {
            throw Refusal(.forbidden, "forbidden", "a page of another site logs nobody in")
        }
        guard let given = form["csrf"], let mark = AccessControl.cookie(Self.formCookie, in: fields),
            AccessSecret.areSame(given, mark)
        else { return self.form(.forbidden, problem: "The form had become too old. Try again.", next: next) }
        let (name, password) = (form["name"] ?? "", form["password"] ?? "")
        let attempt = LoginLimit.Try(name: String(name.prefix(250)), address: address)
        if let pause = try await pause(attempt, metastore) {
            var answer = self.form(
                .tooManyRequests, problem: "Too many passwords were wrong. Try again in \(pause) seconds.", next: next)
            answer.fields[.retryAfter] = "\(pause)"
            return answer
        }
        try await register.refresh()
        let user = register.book?.users.values.first { $0.name == name }
        guard try await passwords.fits(password, user?.password), let user, !user.isDisabled else {
            limit.failed(attempt, now: metastore.clock.now)
            let entry = AuditEntry(
                who: name.shown(60), how: "password", action: "login_failed", subject: "session",
                details: ["address": .string(address)])
            let subjects = attempt.subjects
            try await metastore.write { transaction in
                try transaction.loginFailed(subjects, memory: LoginLimit.memory)
                try transaction.audit(entry)
            }
            log.warning("a log-in failed", metadata: ["sender": "\(address)"])
            return self.form(.unauthorized, problem: "Name or password is wrong.", next: next)
        }
        limit.succeeded(attempt)
        let secret = AccessSecret.make("")
        let csrf = AccessSecret.make("")
        let subjects = attempt.subjects
        try await metastore.write { transaction in
            let now = transaction.now
            if let name = subjects.first { try transaction.loginSucceeded(name) }
            try transaction.createSession(
                AccessSessionRow(
                    digest: AccessSecret.digest(secret), userID: user.userID, csrf: csrf, createdAt: now, seenAt: now,
                    expiresAt: now + SessionTerms.longest))
            try transaction.audit(
                AuditEntry(
                    who: user.name, how: "password", action: "login", subject: "session",
                    details: ["address": .string(address)]))
        }
        register.forget()
        let cookie =
            "\(SessionTerms.cookie)=\(secret); Path=/; Max-Age=\(SessionTerms.longest.microseconds / 1_000_000); "
            + "HttpOnly; SameSite=Lax" + security
        return Self.redirect(to: next, cookies: ["\(Self.formCookie)=; Path=/login; Max-Age=0", cookie])
    }

    /// In so many seconds it may be tried again, by what this server or any other has seen; nil: now.
    private func pause(_ attempt: LoginLimit.Try, _ metastore: Metastore) async throws -> Int64? {
        if let pause = limit.pause(attempt, now: metastore.clock.now) { return pause }
        let subjects = attempt.subjects
        return try await metastore.read { snapshot in
            let counted = try subjects.map { try snapshot.loginFailures(of: $0) }
            return LoginLimit.pause(attempt, counted: counted, now: snapshot.now)
        }
    }

    /// `POST /logout`.
    func logOut(_ form: [String: String], _ head: HTTPRequest) async throws -> APIAnswer {
        let fields = head.headerFields
        let caller = try access.admitOwner(
            fields, to: .nothing, of: .something, host: head.authority, method: .post, takesForms: true)
        try AccessControl.check(csrf: form["csrf"], of: caller, fields)
        if let secret = AccessControl.cookie(SessionTerms.cookie, in: fields), let metastore {
            let who = caller.name
            try await metastore.write { transaction in
                try transaction.deleteSession(AccessSecret.digest(secret))
                try transaction.audit(AuditEntry(who: who, how: "session", action: "logout", subject: "session"))
            }
            access.register?.forget()
        }
        return Self.redirect(to: "/login", cookies: ["\(SessionTerms.cookie)=; Path=/; Max-Age=0"])
    }

    private var security: String { isSecure ? "; Secure" : "" }

    /// Where to go from here: a path of this server, and nothing else.
    private static func next(_ parameters: [(name: String, value: String)]) -> String {
        let wanted = parameters.first { $0.name == "next" }?.value ?? "/"
        let isPath =
            wanted.hasPrefix("/") && !wanted.hasPrefix("//") && wanted.utf8.count <= 2_000
            && wanted.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") }
        return isPath ? wanted : "/"
    }

    private static func redirect(to path: String, cookies: [String]) -> APIAnswer {
        var answer = APIAnswer(.seeOther, type: "text/plain; charset=utf-8", body: [])
        answer.fields[.location] = path
        for cookie in cookies { answer.fields.append(HTTPField(name: .setCookie, value: cookie)) }
        return answer
    }
}
