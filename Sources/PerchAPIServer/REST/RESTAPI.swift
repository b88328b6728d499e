// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import Logging
import NIOCore
import PerchMetastore
import PerchSDK

/// Serves `/api/v2`: checks a request against the table of endpoints, and has the right one answer it.
struct RESTAPI: Sendable {
    let metastore: Metastore
    let surroundings: APISurroundings
    let limits: APILimits
    let access: AccessControl
    let log: Logger
    let news: NewsDesk

    init(
        metastore: Metastore, surroundings: APISurroundings, limits: APILimits, access: AccessControl, log: Logger
    ) {
        self.metastore = metastore
        self.surroundings = surroundings
        self.limits = limits
        self.access = access
        self.log = log
        news = NewsDesk(metastore: metastore, limits: limits, log: log)
    }

    /// Where everything of this begins.
    static let root = ["api", "v2"]

    /// Whether what is refused at a path is told as RFC 9457 has it.
    static func speaks(at path: String?) -> Bool {
        guard let path else { return false }
        return path == "/api/v2" || path.hasPrefix("/api/v2/") || path.hasPrefix("/api/v2?")
    }

    /// So many bytes of a body are wanted.
    /// - Throws: `Refusal` where no body would change the answer.
    func admit(_ head: HTTPRequest, _ match: EndpointMatch, _ target: RequestTarget) throws(Refusal) -> Int {
        _ = try caller(head, match)
        _ = try parameters(match.endpoint, target)
        guard match.endpoint.body != nil else { return 0 }
        try checkForm(head.headerFields)
        return match.endpoint.isBulk ? limits.batchBytes : limits.eventBytes
    }

    private func caller(_ head: HTTPRequest, _ match: EndpointMatch) throws(Refusal) -> Caller {
        try access.admitOwner(
            head.headerFields, to: match.endpoint.right, of: match.endpoint.reach(of: match.names),
            host: head.authority, method: head.method)
    }

    func respond(
        to head: HTTPRequest, _ match: EndpointMatch, _ target: RequestTarget, body: ByteBuffer, on loop: any EventLoop
    ) async throws(Refusal) -> APIAnswer {
        if case .news = match.endpoint.service { return try stream(to: head, match, target, on: loop) }
        let caller = try caller(head, match)
        let call = RESTCall(
            endpoint: match.endpoint, caller: caller, names: match.names,
            parameters: try parameters(match.endpoint, target),
            body: try document(body, match.endpoint), fields: head.headerFields, metastore: metastore,
            access: access, surroundings: surroundings)
        let reply: RESTReply
        do {
            switch match.endpoint.service {
            case .call(let serve): reply = try await call.once(log, serve)
            case .command(let start):
                _ = try call.idempotencyKey()
                let (command, right) = try await start(call)
                let feed = CommandFeed(command: command, heartbeat: limits.heartbeatTime) {
                    await refusesNow(head, match, right)
                }
                return APIAnswer(type: CommandFeed.contentType, feed: feed)
            case .news, .events: throw Refusal.unavailable("not here", after: 1)
            }
        } catch {
            throw refusal(for: error, call)
        }
        let isRead = match.endpoint.method == .get
        var answer: APIAnswer
        if let document = reply.document {
            answer = APIAnswer(reply.status ?? match.endpoint.status, document)
        } else {
            answer = APIAnswer(reply.status ?? match.endpoint.status, type: "application/json", body: [])
            answer.fields[.contentType] = nil
        }
        for field in reply.fields { answer.fields[field.name] = field.value }
        return isRead ? Self.tagged(answer, head.headerFields) : answer
    }

    /// Why somebody who was admitted would not be any more; nil: he would, or nobody can tell at this moment.
    private func refusesNow(_ head: HTTPRequest, _ match: EndpointMatch, _ needed: APIRight) async -> Refusal? {
        do throws(Refusal) {
            try await access.register?.refresh()
            let right = try caller(head, match).everywhere
            return right >= needed ? nil : AccessControl.forbidden(right, needed, "")
        } catch {
            return error.status == .serviceUnavailable ? nil : error
        }
    }

    /// The head of a stream of news, and where they come from; of those none where only the head is wanted.
    private func stream(
        to head: HTTPRequest, _ match: EndpointMatch, _ target: RequestTarget, on loop: any EventLoop
    ) throws(Refusal) -> APIAnswer {
        _ = try access.admitOwner(head.headerFields, to: match.endpoint.right, host: head.authority)
        let parameters = try parameters(match.endpoint, target)
        let filter = NewsFilter(parameters)
        var lastID = head.headerFields[.lastEventID]
        if lastID == nil, case .string(let id)? = parameters["after"] { lastID = id }
        let feed =
            head.method == .get
            ? NewsFeed(desk: news, filter: filter, lastID: lastID, seat: try news.join(on: loop)) : nil
        return APIAnswer(type: NewsFeed.contentType, feed: feed)
    }

    /// The answer with its tag, or that nothing has changed since the one that the sender has.
    static func tagged(_ answer: APIAnswer, _ fields: HTTPFields) -> APIAnswer {
        var answer = answer
        let digest = SHA256.hash(data: answer.body).prefix(16)
        let tag = "\"" + digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\""
        answer.fields[.eTag] = tag
        answer.fields[.cacheControl] = "private, no-cache"
        let known = (fields[.ifNoneMatch] ?? "").split(separator: ",").map { part in
            let text = part.filter { $0 != " " && $0 != "\t" }
            return text.hasPrefix("W/") ? String(text.dropFirst(2)) : text
        }
        guard known.contains(tag) || known == ["*"] else { return answer }
        answer.status = .notModified
        answer.body = []
        answer.fields[.contentType] = nil
        answer.fields[.contentLength] = nil
        return answer
    }

    // MARK: what was sent

    private func parameters(_ endpoint: Endpoint, _ target: RequestTarget) throws(Refusal) -> [String: JSONValue] {
        var given: [String: JSONValue] = [:]
        for (name, text) in target.parameters {
            guard let parameter = endpoint.parameters.first(where: { $0.name == name }) else {
                let names = endpoint.parameters.map(\.name)
                throw .parameter(
                    name,
                    names.isEmpty
                        ? "there is no parameter '\(name.shown(40))', nor any other here"
                        : "there is no parameter '\(name.shown(40))'; \(NearName.hint(name, names))")
            }
            let value = parameter.schema.value(ofText: text)
            if let fault = parameter.schema.fault(in: value, at: "/" + name) { throw .parameter(name, fault.message) }
            guard given.updateValue(value, forKey: name) == nil else {
                throw .parameter(name, "the parameter '\(name)' stands there twice")
            }
        }
        return given
    }

    private func checkForm(_ fields: HTTPFields) throws(Refusal) {
        let coding = fields[.contentEncoding]?.lowercased() ?? "identity"
        let type = fields[.contentType].map { text in
            String(text.lowercased().prefix { $0 != ";" }).filter { $0 != " " && $0 != "\t" }
        }
        let isEmpty = fields[.transferEncoding] == nil && (fields[.contentLength] ?? "0") == "0"
        guard coding == "identity", type == "application/json" || (type == nil && isEmpty) else {
            throw Refusal(
                .unsupportedMediaType, "unsupported_type",
                "the body is JSON as it is: Content-Type: application/json, without Content-Encoding",
                [.accept: "application/json"])
        }
    }

    private func document(_ body: ByteBuffer, _ endpoint: Endpoint) throws(Refusal) -> JSONValue {
        guard let schema = endpoint.body else { return .null }
        let document: JSONValue
        if body.readableBytes == 0 {
            document = .object([:])
        } else {
            do {
                document = schema.read(try body.withUnsafeReadableBytes { try JSONValue(parsing: $0) })
            } catch {
                throw .field("", "\(error)")
            }
        }
        if let fault = schema.fault(in: document) { throw .field(fault.pointer, fault.message) }
        return document
    }

    // MARK: what went wrong

    private func refusal(for error: any Error, _ call: RESTCall) -> Refusal {
        if let refusal = error as? Refusal { return refusal }
        guard let error = error as? PerchError, error.code != .metastore else {
            log.error(
                "a request could not be answered",
                metadata: ["endpoint": "\(call.endpoint.method) \(call.endpoint.path)", "error": "\(error)"])
            return .unavailable("the metastore refused, as the engine's log says", after: 5)
        }
        switch error.code {
        case .notFound:
            // What else there is, is for who may see all of it.
            let tellsAll = call.caller.everywhere >= .viewer
            return Refusal(.notFound, "not_found", tellsAll ? error.message : "there is no such thing here")
        case .conflict: return Refusal(.conflict, "conflict", error.message)
        case .unavailable: return .unavailable(error.message, after: 5)
        default: return Refusal(.badRequest, "invalid_request", error.message)
        }
    }
}

/// An endpoint that is asked for, with what stands in its path.
struct EndpointMatch: Sendable {
    var endpoint: Endpoint
    var names: [String: String]
}

extension HTTPField.Name {
    fileprivate static let lastEventID = HTTPField.Name("Last-Event-ID")!
}
