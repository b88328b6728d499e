// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchSDK

/// Decides who may send: by token before the body is read, by signature once it is there. Everything secret is compared in a
/// time that does not depend on it.
struct AccessControl: Sendable {
    private let tokens: [(digest: SHA256Digest, right: APIRight)]
    private let keys: [SymmetricKey]
    private let signatureTime: TimeSpan
    private let isReachable: Bool

    /// - Parameter isReachable: Whether other machines can reach the server.
    init(_ credentials: Credentials, signatureTime: TimeSpan, isReachable: Bool = false) {
        self.isReachable = isReachable
        tokens = credentials.tokens.map { (SHA256.hash(data: Array($0.text.utf8)), $0.right) }
        keys = credentials.secrets.map { SymmetricKey(data: Array($0.utf8)) }
        self.signatureTime = signatureTime
    }

    private var isOpen: Bool { tokens.isEmpty && keys.isEmpty }

    /// Looks at the head alone.
    /// - Throws: `Refusal`: 401 where neither a right token nor a signature came, 403 for a page in a browser.
    func admit(_ fields: HTTPFields) throws(Refusal) {
        if isOpen {
            // Whoever is on this machine may send, but not the pages that his browser shows.
            guard fields[.origin] == nil else {
                throw Refusal(
                    .forbidden, "forbidden", "a page of a browser sends nothing here while the API has no token")
            }
            return
        }
        if fields[.authorization] != nil {
            guard right(in: fields) != nil else { throw refusal("the token is wrong") }
            return
        }
        guard !keys.isEmpty, Self.signature(in: fields) != nil else {
            throw refusal("there is no token")
        }
    }

    /// Looks at the head of a request that only reads, where there is no body to be signed.
    /// - Throws: `Refusal`: 401 without a right token, 403 for a page in a browser.
    func admitReader(_ fields: HTTPFields) throws(Refusal) {
        if isOpen {
            guard !isReachable else {
                throw Refusal(
                    .forbidden, "forbidden",
                    "other machines can reach this address, and what is read needs a token then: set api.token_file")
            }
            return try admit(fields)
        }
        guard right(in: fields) != nil else {
            throw refusal(
                tokens.isEmpty
                    ? "a signature is for what is sent, and what is read needs a token: set api.token"
                    : fields[.authorization] == nil ? "there is no token" : "the token is wrong")
        }
    }

    /// Looks at the head of a request that reads or steers behind `/api/v2`. A signature is none of its keys: it signs a body, and
    /// not what is to be done with it.
    /// - Parameters:
    ///   - needed: What the token has to let do.
    ///   - host: What the sender calls this server.
    /// - Returns: Who asks.
    /// - Throws: `Refusal`: 401 without a token, 403 where it lets do less; 403 for a page in a browser, also where it has this
    ///   machine's address pass for its own.
    func admitOwner(_ fields: HTTPFields, to needed: APIRight, host: String?) throws(Refusal) -> Caller {
        try admitReader(fields)
        // Where there is no token, everybody on this machine may do everything.
        let caller = Caller(name: "api", right: right(in: fields) ?? .admin)
        if caller.right < needed {
            throw Refusal(
                .forbidden, "forbidden",
                "this token may \(caller.right.words); for this it would have to be one that may \(needed.words): "
                    + "write '\(needed.rawValue)' behind a token in api.token_file")
        }
        guard isOpen, !ListenAddress.isAddress(host ?? "") else { return caller }
        throw Refusal(
            .forbidden, "forbidden",
            "while the API has no token it is asked by an IP address or as localhost, not as '\((host ?? "").shown(60))'"
        )
    }

    /// Looks at the signature, where there is one and a secret to check it with.
    /// - Throws: `Refusal`: 401 where it is wrong or too old.
    func verify(_ fields: HTTPFields, body: some Collection<UInt8>, now: Timestamp) throws(Refusal) {
        guard !keys.isEmpty, let given = Self.signature(in: fields) else { return }
        guard let code = Self.code(in: given.text) else {
            throw refusal("\(given.name) is not written sha256= and 64 hexadecimal digits")
        }
        var signed: [UInt8] = []
        if given.name == .perchSignature, let text = fields[.perchTimestamp] {
            guard let seconds = Int64(text),
                abs(now.microseconds / 1_000_000 - seconds.clamped) * 1_000_000
                    <= signatureTime.microseconds
            else {
                throw refusal(
                    "X-Perch-Timestamp is not within \(signatureTime) of this machine's clock, in seconds since 1970")
            }
            signed += Array((text + ".").utf8)
        }
        signed += body
        // Each key is tried, whether one has fitted or not.
        let isRight = keys.reduce(false) { isRight, key in
            HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: signed, using: key) || isRight
        }
        guard isRight else { throw refusal("the signature is wrong") }
    }

    /// What the sender's token lets do; nil where there is none, or a wrong one.
    private func right(in fields: HTTPFields) -> APIRight? {
        let parts = (fields[.authorization] ?? "").split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let given = SHA256.hash(data: Array(parts[1].utf8))
        // Digests are compared, which takes the same time wherever they differ, and whatever the lengths of the tokens.
        return tokens.reduce(nil) { right, token in token.digest == given ? max(right ?? .events, token.right) : right }
    }

    /// Perch's own header, else the one that GitHub sends.
    private static func signature(in fields: HTTPFields) -> (name: HTTPField.Name, text: String)? {
        for name in [HTTPField.Name.perchSignature, .hubSignature] {
            if let text = fields[name] { return (name, text) }
        }
        return nil
    }

    private static func code(in text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        let prefix = Array("sha256=".utf8)
        guard digits.count == prefix.count + 64, digits.starts(with: prefix) else { return nil }
        var bytes: [UInt8] = []
        for place in stride(from: prefix.count, to: digits.count, by: 2) {
            guard let high = Character(UnicodeScalar(digits[place])).hexDigitValue,
                let low = Character(UnicodeScalar(digits[place + 1])).hexDigitValue
            else { return nil }
            bytes.append(UInt8(high << 4 | low))
        }
        return bytes
    }

    private func refusal(_ what: String) -> Refusal {
        var ways: [String] = []
        if !tokens.isEmpty { ways.append("Authorization: Bearer, and the token") }
        if !keys.isEmpty { ways.append("X-Perch-Signature: sha256=, and the HMAC of the body") }
        return Refusal(
            .unauthorized, "unauthorized", "\(what); what lets in is \(ways.joined(separator: ", or "))",
            [.wwwAuthenticate: "Bearer"])
    }
}

extension HTTPField.Name {
    static let perchSignature = HTTPField.Name("X-Perch-Signature")!
    static let perchTimestamp = HTTPField.Name("X-Perch-Timestamp")!
    static let hubSignature = HTTPField.Name("X-Hub-Signature-256")!
    static let gitHubDelivery = HTTPField.Name("X-GitHub-Delivery")!
    static let idempotencyKey = HTTPField.Name("Idempotency-Key")!
}

extension Int64 {
    /// Small enough to be reckoned with.
    fileprivate var clamped: Int64 { Swift.min(Swift.max(self, -1 << 40), 1 << 40) }
}
