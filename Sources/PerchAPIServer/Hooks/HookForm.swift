// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchSDK

/// How a sender of webhooks proves that it is the sender.
enum HookForm: String, Sendable, CaseIterable {
    /// `X-Hub-Signature-256: sha256=…`, of the body.
    case github
    /// `X-Gitlab-Token`, which is the secret itself.
    case gitlab
    /// `X-Slack-Signature: v0=…`, of `v0:`, `X-Slack-Request-Timestamp` and the body.
    case slack
    /// `Stripe-Signature: t=…,v1=…`, of the time and the body.
    case stripe
    /// `webhook-signature: v1,…` in base64, of `webhook-id`, `webhook-timestamp` and the body.
    case standardWebhooks = "standard-webhooks"
    /// `X-Perch-Signature: sha256=…`, of `X-Perch-Timestamp` and the body.
    case generic

    /// What a request shows: what was signed before the body, and with what results.
    struct Proof {
        /// Seconds since 1970; nil where the form has no time.
        var time: Int64?
        var prefix: [UInt8]
        /// Any of them has to be right.
        var codes: [[UInt8]]
        /// Where it is the secret itself that is shown.
        var token: String?
    }

    /// A proof has no more results than this; a sender has one for each of its secrets.
    private static let mostCodes = 10

    /// Reads what a head shows.
    /// - Throws: `Refusal` (401) where there is nothing of the kind, or nothing that could be right.
    func proof(in fields: HTTPFields) throws(Refusal) -> Proof {
        switch self {
        case .github:
            return Proof(prefix: [], codes: [try code(try needed(.hubSignature, fields), "sha256=")])
        case .gitlab:
            return Proof(prefix: [], codes: [], token: try needed(.gitlabToken, fields))
        case .slack:
            let code = try code(try needed(.slackSignature, fields), "v0=")
            let (time, text) = try time(.slackTimestamp, fields)
            return Proof(time: time, prefix: Array("v0:\(text):".utf8), codes: [code])
        case .generic:
            let code = try code(try needed(.perchSignature, fields), "sha256=")
            let (time, text) = try time(.perchTimestamp, fields)
            return Proof(time: time, prefix: Array("\(text).".utf8), codes: [code])
        case .standardWebhooks:
            let id = try needed(.webhookID, fields)
            let (time, text) = try time(.webhookTimestamp, fields)
            let codes = try needed(.webhookSignature, fields).split(separator: " ").filter { $0.hasPrefix("v1,") }
                .map { Base64.bytes(in: $0.dropFirst(3)) }
            return Proof(time: time, prefix: Array("\(id).\(text).".utf8), codes: try checked(codes, .webhookSignature))
        case .stripe:
            var (time, text): (Int64?, Substring) = (nil, "")
            var codes: [[UInt8]?] = []
            for part in try needed(.stripeSignature, fields).split(separator: ",") {
                let sides = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard sides.count == 2 else { throw wrong(.stripeSignature) }
                switch sides[0] {
                case "t":
                    guard time == nil, let seconds = Self.seconds(sides[1]) else { throw wrong(.stripeSignature) }
                    (time, text) = (seconds, sides[1])
                case "v1": codes.append(Hexadecimal.bytes(in: sides[1]))
                default: break
                }
            }
            guard let time else { throw wrong(.stripeSignature) }
            return Proof(time: time, prefix: Array("\(text).".utf8), codes: try checked(codes, .stripeSignature))
        }
    }

    /// Whether a proof is right for a body, by one of several secrets. All of them are tried, whether one has fitted or not.
    func isRight(_ proof: Proof, _ body: some Collection<UInt8>, secrets: [String]) -> Bool {
        if let token = proof.token {
            let given = SHA256.hash(data: Array(token.utf8))
            return secrets.reduce(false) { (SHA256.hash(data: Array($1.utf8)) == given) || $0 }
        }
        let signed = proof.prefix + body
        return secrets.reduce(false) { isRight, secret in
            guard let key = key(secret) else { return isRight }
            return proof.codes.reduce(isRight) { isRight, code in
                HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: key) || isRight
            }
        }
    }

    /// The sender's name for a delivery; nil where the head has none.
    func deliveryID(in fields: HTTPFields) -> String? {
        switch self {
        case .github: fields[.gitHubDelivery]
        case .gitlab: fields[.idempotencyKey] ?? fields[.gitlabEvent]
        case .standardWebhooks: fields[.webhookID]
        case .generic: fields[.idempotencyKey]
        case .slack, .stripe: nil
        }
    }

    /// Where in the body it stands, unless something else is said.
    var idPath: JSONPath? {
        switch self {
        case .slack: JSONPath("$.event_id")
        case .stripe: JSONPath("$.id")
        default: nil
        }
    }

    private func key(_ secret: String) -> SymmetricKey? {
        guard self == .standardWebhooks, secret.hasPrefix("whsec_") else {
            return SymmetricKey(data: Array(secret.utf8))
        }
        return Base64.bytes(in: secret.dropFirst(6)).map { SymmetricKey(data: $0) }
    }

    private func needed(_ name: HTTPField.Name, _ fields: HTTPFields) throws(Refusal) -> String {
        // Of two of a name nobody knows which one is meant.
        guard fields[values: name].count == 1, let text = fields[name], !text.isEmpty else {
            throw refusal("a delivery of the form '\(rawValue)' has one header \(name.rawName)")
        }
        return text
    }

    private func time(
        _ name: HTTPField.Name, _ fields: HTTPFields
    ) throws(Refusal) -> (seconds: Int64, text: String) {
        let text = try needed(name, fields)
        guard let seconds = Self.seconds(text) else { throw wrong(name) }
        return (seconds, text)
    }

    private static func seconds(_ text: some StringProtocol) -> Int64? {
        guard (1...12).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        return Int64(text)
    }

    private func code(_ text: String, _ prefix: String) throws(Refusal) -> [UInt8] {
        guard text.hasPrefix(prefix), let bytes = Hexadecimal.bytes(in: text.dropFirst(prefix.count)),
            bytes.count == SHA256.byteCount
        else { throw refusal("the signature is not written \(prefix) and 64 hexadecimal digits") }
        return bytes
    }

    private func checked(_ codes: [[UInt8]?], _ name: HTTPField.Name) throws(Refusal) -> [[UInt8]] {
        let found = codes.compactMap { $0 }.filter { $0.count == SHA256.byteCount }
        guard (1...Self.mostCodes).contains(codes.count), !found.isEmpty else { throw wrong(name) }
        return found
    }

    private func wrong(_ name: HTTPField.Name) -> Refusal {
        refusal("the header \(name.rawName) is not as the form '\(rawValue)' has it")
    }

    private func refusal(_ message: String) -> Refusal { Refusal(.unauthorized, "unauthorized", message) }
}

extension HTTPField.Name {
    fileprivate static let gitlabToken = HTTPField.Name("X-Gitlab-Token")!
    fileprivate static let gitlabEvent = HTTPField.Name("X-Gitlab-Event-UUID")!
    fileprivate static let slackSignature = HTTPField.Name("X-Slack-Signature")!
    fileprivate static let slackTimestamp = HTTPField.Name("X-Slack-Request-Timestamp")!
    fileprivate static let stripeSignature = HTTPField.Name("Stripe-Signature")!
    fileprivate static let webhookID = HTTPField.Name("webhook-id")!
    fileprivate static let webhookTimestamp = HTTPField.Name("webhook-timestamp")!
    fileprivate static let webhookSignature = HTTPField.Name("webhook-signature")!
}
