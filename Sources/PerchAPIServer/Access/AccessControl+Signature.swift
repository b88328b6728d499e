// SPDX-License-Identifier: Apache-2.0

import Crypto
import HTTPTypes
import PerchMetastore
import PerchSDK

extension AccessControl {
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

    /// Perch's own header, else the one that GitHub sends.
    static func signature(in fields: HTTPFields) -> (name: HTTPField.Name, text: String)? {
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

    /// Nobody is known.
    func refusal(_ what: String) -> Refusal {
        var ways: [String] = []
        if !tokens.isEmpty || keys.isEmpty || register?.book?.version ?? 0 > 0 {
            ways.append("Authorization: Bearer, and the token")
        }
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
    static let traceparent = HTTPField.Name("traceparent")!
    static let csrfToken = HTTPField.Name("X-CSRF-Token")!
}

extension Int64 {
    /// Small enough to be reckoned with.
    fileprivate var clamped: Int64 { Swift.min(Swift.max(self, -1 << 40), 1 << 40) }
}
