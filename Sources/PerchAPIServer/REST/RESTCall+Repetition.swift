// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK

extension RESTCall {
    /// The key of the header; nil where there is none.
    /// - Throws: `Refusal` for one that cannot be.
    func idempotencyKey() throws(Refusal) -> String? {
        guard let text = fields[.idempotencyKey] else { return nil }
        if case .refused(let why) = endpoint.repetition {
            throw Refusal(.badRequest, "invalid_header", "there is no Idempotency-Key for this: \(why)")
        }
        let isQuoted = text.count >= 2 && text.hasPrefix("\"") && text.hasSuffix("\"")
        let key = isQuoted ? String(text.dropFirst().dropLast()) : text
        guard (1...255).contains(key.utf8.count) else {
            throw Refusal(.badRequest, "invalid_header", "Idempotency-Key is 1 to 255 bytes, not \(key.utf8.count)")
        }
        return key
    }

    /// Answers, or gives the answer that the same request with the same key got before.
    func once(_ log: Logger, _ serve: (RESTCall) async throws -> RESTReply) async throws -> RESTReply {
        guard let key = try idempotencyKey(), endpoint.repetition == .kept else { return try await serve(self) }
        let keyed = keyedRequest(key)
        if let kept = try await read({ try $0.keptAnswer(keyed.key) }) { return try reply(kept, keyed) }
        var call = self
        call.keyed = keyed
        let reply: RESTReply
        do {
            reply = try await serve(call)
        } catch is TakenKey {
            guard let kept = try await read({ try $0.keptAnswer(keyed.key) }) else {
                throw Refusal.unavailable("the same key was used at the same moment; nothing was done here", after: 1)
            }
            return try self.reply(kept, keyed)
        }
        let answer = KeptAnswer.Answer(
            status: (reply.status ?? endpoint.status).code, document: reply.document ?? .null)
        do {
            try await metastore.write { try $0.keep(answer, of: keyed) }
        } catch {
            // It is done, and so it is said. Asking again says that the answer is not known.
            log.error("an answer could not be kept", metadata: ["error": "\(error)"])
        }
        return reply
    }

    /// Hashes, so that nothing that a body may hold is stored by this; whose key it is, belongs to it.
    private func keyedRequest(_ key: String) -> KeyedRequest {
        var name = StableHash128()
        for part in [caller.name, "\(caller.how)", key] { name.combine(part) }
        var request = StableHash128()
        request.combine("\(endpoint.method.rawValue) \(endpoint.path)")
        for (name, value) in names.sorted(by: { $0.key < $1.key }) { request.combine("\(name)=\(value)") }
        for (name, value) in parameters.sorted(by: { $0.key < $1.key }) { request.combine("\(name)=\(value.text)") }
        request.combine(AuditDetails.withoutWords(body).text)
        return KeyedRequest(key: name.text, request: request.text)
    }

    private func reply(_ kept: KeptAnswer, _ keyed: KeyedRequest) throws(Refusal) -> RESTReply {
        guard kept.request == keyed.request else {
            throw Refusal(
                .conflict, "conflict", "this Idempotency-Key was sent before, and something else was asked for by it")
        }
        guard let answer = kept.answer else {
            throw Refusal(
                .conflict, "conflict",
                "what was asked for with this Idempotency-Key is done; its answer is not known any more, or not yet")
        }
        return RESTReply(
            answer.document == .null ? nil : answer.document, status: HTTPResponse.Status(code: answer.status))
    }
}
