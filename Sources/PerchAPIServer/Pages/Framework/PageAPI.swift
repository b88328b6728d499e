// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import NIOCore
import PerchMetastore
import PerchSDK

/// Serves pages: checks who asks, has the route make the page or do what a form says, and puts the layout around it.
struct PageAPI: Sendable {
    let metastore: Metastore
    let surroundings: APISurroundings
    let limits: APILimits
    let access: AccessControl
    let figures: FigureShelf
    let log: Logger

    /// What is kept in the browser: words for the next page, and how pages look.
    static let wordsCookie = "perch_words"
    static let themeCookie = "perch_theme"

    /// So many bytes of a form are wanted.
    /// - Throws: `Refusal` where no form would change the answer.
    func admit(_ head: HTTPRequest, _ match: PageMatch) throws(Refusal) -> Int {
        _ = try PageAccess.admit(head, match, access)
        guard match.route.method == .post else { return 0 }
        let type = (head.headerFields[.contentType] ?? "").lowercased().prefix { $0 != ";" && $0 != " " }
        guard type == "application/x-www-form-urlencoded" else {
            throw Refusal(
                .unsupportedMediaType, "unsupported_type",
                "a form is sent as application/x-www-form-urlencoded", [.accept: "application/x-www-form-urlencoded"])
        }
        return limits.formBytes
    }

    func respond(
        to head: HTTPRequest, _ match: PageMatch, _ target: RequestTarget, body: ByteBuffer
    ) async throws(Refusal) -> APIAnswer {
        let caller = try PageAccess.admit(head, match, access)
        await access.note(head.headerFields)
        let form = try FormFields(String(buffer: body))
        if match.route.method == .post { try PageAccess.check(form, of: caller, head) }
        let path = String((head.path ?? "/").prefix { $0 != "?" })
        let call = PageCall(
            caller: caller, names: match.names, path: path, query: FormFields(target.parameters), form: form,
            cookies: Self.cookies(head.headerFields), metastore: metastore, access: access,
            surroundings: surroundings, figures: figures)
        let reply: PageReply
        do {
            reply = try await match.route.serve(call)
        } catch {
            throw refusal(for: error, match.route)
        }
        switch reply {
        case .page(let content): return page(content, call, head)
        case .redirect(let path, let words): return Self.redirect(path, words.map { (Self.wordsCookie, $0, 60) })
        case .keep(let name, let value, let path): return Self.redirect(path, (name, value, 31_536_000))
        case .file(let type, let bytes):
            var answer = APIAnswer(.ok, type: type, body: bytes)
            // Its name changes with what is in it.
            answer.fields[.cacheControl] = "public, max-age=31536000, immutable"
            return answer
        case .document(let type, let bytes):
            return APIAnswer(.ok, type: type, body: bytes)
        }
    }

    private func page(_ content: PageContent, _ call: PageCall, _ head: HTTPRequest) -> APIAnswer {
        let words = call.cookies[Self.wordsCookie]
        let layout = PageLayout(caller: call.caller, theme: Theme(call.cookies), path: call.path, words: words)
        var answer = Self.answer(content.status, layout.whole(content))
        if words != nil { answer.keep(Self.wordsCookie, "", for: 0) }
        guard call.form.isEmpty, content.status == .ok, words == nil else { return answer }
        return RESTAPI.tagged(answer, head.headerFields)
    }

    private static func answer(_ status: HTTPResponse.Status, _ html: HTML) -> APIAnswer {
        APIAnswer(status, type: "text/html; charset=utf-8", body: Array(html.text.utf8))
    }

    /// 303: what is behind it is asked for by `GET`, so that looking again sends no form again.
    private static func redirect(_ path: String, _ cookie: (name: String, value: String, seconds: Int)?) -> APIAnswer {
        var answer = APIAnswer(.seeOther, type: "text/plain", body: [])
        answer.fields[.contentType] = nil
        answer.fields[.location] = path
        if let cookie { answer.keep(cookie.name, cookie.value, for: cookie.seconds) }
        return answer
    }

    /// What is refused at the path of a page, as a page; whoever is not known is led to where they say who they are.
    static func page(of refusal: Refusal, at path: String?) -> APIAnswer {
        if refusal.status == .unauthorized {
            // Where a form is sent to there is nothing to come back to.
            let next = path.flatMap { PageTable.shows($0) ? $0 : nil } ?? "/"
            return redirect("/login" + PagePath.query([("next", next)]), nil)
        }
        let title = "\(refusal.status.code) \(refusal.status.reasonPhrase)"
        let content = PageContent(
            title: title, section: .home,
            body: "<p class=\"lead\">\(refusal.message)</p><p><a href=\"/\">Home</a></p>", status: refusal.status)
        return answer(refusal.status, PageLayout(caller: nil, theme: .system, path: "/", words: nil).whole(content))
    }

    private static func cookies(_ fields: HTTPFields) -> FormFields {
        var pairs: [(name: String, value: String)] = []
        for part in fields[values: .cookie].joined(separator: ";").split(separator: ";") {
            let sides = part.split(separator: "=", maxSplits: 1)
            guard sides.count == 2 else { continue }
            let name = sides[0].filter { $0 != " " }
            let form = try? FormFields("v=\(sides[1])")  // because what this server has not written is no cookie of it
            if let value = form?["v"] { pairs.append((String(name), value)) }
        }
        return FormFields(pairs)
    }

    private func refusal(for error: any Error, _ route: PageRoute) -> Refusal {
        if let refusal = error as? Refusal { return refusal }
        guard let error = error as? PerchError, error.code != .metastore else {
            log.error(
                "a page could not be made", metadata: ["page": "\(route.method) \(route.path)", "error": "\(error)"])
            return .unavailable("the metastore refused, as the engine's log says", after: 5)
        }
        switch error.code {
        case .notFound: return Refusal(.notFound, "not_found", error.message)
        case .conflict: return Refusal(.conflict, "conflict", error.message)
        case .unavailable: return .unavailable(error.message, after: 5)
        default: return Refusal(.badRequest, "invalid_request", error.message)
        }
    }
}

extension APIAnswer {
    /// Has the browser keep something for so many seconds, where no script and no other server's page gets at it.
    mutating func keep(_ name: String, _ value: String, for seconds: Int) {
        fields.append(
            HTTPField(
                name: .setCookie,
                value: "\(name)=\(PagePath.encoded(value)); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Lax"))
    }
}
