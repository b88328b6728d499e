// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import Logging
import PerchMetastore
import PerchSDK

/// Takes deliveries of other services in: looks at who sends, and makes an event of what is sent.
struct HookDesk: Sendable {
    private let hooks: [String: Hook]
    private let secrets: (any SecretDesk)?
    private let log: Logger

    init(_ hooks: [Hook], secrets: (any SecretDesk)?, log: Logger) {
        self.hooks = Dictionary(hooks.map { ($0.name, $0) }) { first, _ in first }
        self.secrets = secrets
        self.log = log
    }

    /// Looks at the head alone, for what needs no secret.
    /// - Throws: `Refusal`: 404 where there is no such hook, 401 without a proof or where its time is not now, 415 for what is
    ///   no JSON.
    func admit(_ name: String, _ fields: HTTPFields, now: Timestamp) throws(Refusal) {
        let hook = try hook(name)
        try checkTime(of: try hook.form.proof(in: fields), hook, now)
        let type = (fields[.contentType] ?? "").lowercased().prefix { $0 != ";" }.filter { $0 != " " && $0 != "\t" }
        let coding = fields[.contentEncoding]?.lowercased() ?? "identity"
        guard coding == "identity", type == "application/json" || type.hasSuffix("+json") else {
            throw Refusal(
                .unsupportedMediaType, "unsupported_type",
                "a delivery is JSON as it is: have '\(hook.form.rawValue)' send application/json",
                [.accept: "application/json"])
        }
    }

    /// What a delivery is to become.
    enum Outcome {
        case event(NewEvent)
        /// It asks whether this is the right place, and is answered so.
        case answer(JSONValue)
    }

    /// Looks at who sends, then at what.
    /// - Throws: `Refusal`: 401 where the proof is wrong, 400 for a body of which no event can be made, 503 where the secret is
    ///   not there.
    func outcome(
        _ name: String, _ fields: HTTPFields, body: UnsafeRawBufferPointer, secrets: [String], now: Timestamp
    ) throws(Refusal) -> Outcome {
        let hook = try hook(name)
        let proof = try hook.form.proof(in: fields)
        try checkTime(of: proof, hook, now)
        guard hook.form.isRight(proof, body, secrets: secrets) else {
            throw Refusal(.unauthorized, "unauthorized", "the signature is wrong")
        }
        let document: JSONValue
        do {
            document = try JSONValue(parsing: body)
        } catch {
            throw Refusal(.badRequest, "invalid_request", "\(error)")
        }
        if hook.form == .slack, document.text("type") == "url_verification", let challenge = document["challenge"] {
            return .answer(["challenge": challenge])
        }
        var signed = SHA256()
        signed.update(data: proof.prefix)
        signed.update(bufferPointer: body)
        let digest = signed.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        do {
            let event = try hook.event(of: document, fields, otherwise: "sha256-\(digest)")
            try event.check()
            return .event(event)
        } catch {
            throw Refusal(.badRequest, "invalid_event", "\(error); nothing was taken")
        }
    }

    /// What the senders of a hook sign with.
    func secrets(of name: String) async throws(Refusal) -> [String] {
        let hook = try hook(name)
        switch hook.secret {
        case .given(let texts): return texts
        case .reference(let reference):
            do {
                if let found = try await secrets?.find(reference.name), let text = reference.text(in: found),
                    !text.isEmpty
                {
                    return [text]
                }
                log.error("a hook's secret is not there", metadata: ["hook": "\(name)", "secret": "\(reference.name)"])
            } catch {
                log.error("a hook's secret could not be looked up", metadata: ["hook": "\(name)", "error": "\(error)"])
            }
            throw .unavailable("the secret of this hook is not at hand; nothing was taken", after: 30)
        }
    }

    private func hook(_ name: String) throws(Refusal) -> Hook {
        guard let hook = hooks[name] else {
            throw Refusal(
                .notFound, "not_found",
                "there is no hook '\(name.shown(60))'; hooks stand in the file of api.hooks_file")
        }
        return hook
    }

    private func checkTime(of proof: HookForm.Proof, _ hook: Hook, _ now: Timestamp) throws(Refusal) {
        guard let time = proof.time else { return }
        let off = now.microseconds / 1_000_000 - time
        guard abs(off) <= hook.window.microseconds / 1_000_000 else {
            throw Refusal(
                .unauthorized, "unauthorized",
                "the delivery's time is not within \(hook.window) of this machine's clock")
        }
    }
}

extension Hook {
    /// The event of a delivery.
    /// - Parameter digest: Its id where the sender names none: the same content is the same delivery then.
    /// - Throws: `PerchError` (`invalid`) where something is missing of which it is made.
    fileprivate func event(of document: JSONValue, _ fields: HTTPFields, otherwise digest: String) throws -> NewEvent {
        var name = ""
        for part in event {
            switch part {
            case .text(let text): name += text
            case .body(let path):
                guard let text = Self.text(at: path, in: document) else {
                    throw PerchError(
                        .invalid, "the body has no text at \(path.text), of which the event's name is made")
                }
                name += text
            case .header(let header):
                guard let text = fields.first(where: { $0.name.canonicalName == header })?.value else {
                    throw PerchError(.invalid, "there is no header \(header), of which the event's name is made")
                }
                name += text
            }
        }
        var content = document
        if let payload {
            guard let found = payload.values(in: document).first else {
                throw PerchError(.invalid, "the body has nothing at \(payload.text), which is to be the payload")
            }
            content = found
        }
        let delivery =
            if let id { Self.text(at: id, in: document) } else {
                form.deliveryID(in: fields) ?? form.idPath.flatMap { Self.text(at: $0, in: document) }
            }
        return NewEvent(
            name: name, key: key.flatMap { Self.text(at: $0, in: document) }, payload: content,
            eventID: delivery ?? digest)
    }

    /// The first value at a place, where it is one that can be a name.
    private static func text(at path: JSONPath, in document: JSONValue) -> String? {
        switch path.values(in: document).first {
        case .string(let text) where !text.isEmpty: text
        case .integer(let number): "\(number)"
        case .bool(let isTrue): isTrue ? "true" : "false"
        default: nil
        }
    }
}
