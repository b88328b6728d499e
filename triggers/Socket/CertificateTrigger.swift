// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Waits until the certificate that a server shows by TLS is valid for at least so long, or ends within so long.
///
/// Its dates are looked at, whoever has signed it and whatever its name: a wait for a renewal is met by the new certificate
/// also where this machine does not know who vouches for it.
public struct CertificateTrigger: Trigger {
    public typealias Event = CertificateEvent
    public static let kind = "certificate"

    /// What ends the wait.
    public enum Condition: Hashable, Sendable {
        /// It is valid now and for so long yet.
        case validFor(TimeSpan)
        /// It ends within so long, or has ended.
        case endsWithin(TimeSpan)
    }

    /// A name or an address; the name is told to the server, which may have several certificates.
    public var host: String
    public var port: Int
    public var until: Condition
    /// The time from one look to the next.
    public var every: TimeSpan

    /// A wait for a certificate.
    public init(host: String, port: Int = 443, until: Condition, every: TimeSpan = .seconds(3_600)) {
        self.host = host
        self.port = port
        self.until = until
        self.every = every
    }

    var address: SocketAddress { .port(host: host, number: port) }

    public var target: String { address.description }

    public var problems: [String] {
        var problems = SocketTrigger(address, every: every).problems
        let span =
            switch until {
            case .validFor(let span), .endsWithin(let span): span
            }
        if span.microseconds < 0 || span > .seconds(100 * 366 * 86_400) {
            problems.append("a certificate is valid for a span from 0 to a hundred years, not \(span)")
        }
        return problems
    }

    /// Reads a trigger: `host`, and one of `valid_for` and `ends_within`; what else there is may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let valid = try container.decodeIfPresent(TimeSpan.self, forKey: .validFor).map { Condition.validFor($0) }
        let ends = try container.decodeIfPresent(TimeSpan.self, forKey: .endsWithin).map { Condition.endsWithin($0) }
        guard let until = valid ?? ends, valid == nil || ends == nil else {
            throw DecodingError.dataCorrupted(
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "a wait for a certificate has one of 'valid_for' and 'ends_within'"))
        }
        self.init(
            host: try container.decode(String.self, forKey: .host),
            port: try container.decodeIfPresent(Int.self, forKey: .port) ?? 443, until: until,
            every: try container.decodeIfPresent(TimeSpan.self, forKey: .every) ?? .seconds(3_600))
    }

    /// Writes a trigger as it is read.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(host, forKey: .host)
        try container.encode(port, forKey: .port)
        switch until {
        case .validFor(let span): try container.encode(span, forKey: .validFor)
        case .endsWithin(let span): try container.encode(span, forKey: .endsWithin)
        }
        try container.encode(every, forKey: .every)
    }

    private enum CodingKeys: String, CodingKey {
        case host, port, every
        case validFor = "valid_for"
        case endsWithin = "ends_within"
    }
}

/// The certificate as it was found when it was as waited for.
public struct CertificateEvent: Codable, Hashable, Sendable {
    /// Whom it is for, and who has signed it, as OpenSSL writes them.
    public var subject: String
    public var issuer: String
    public var notBefore: Timestamp
    public var notAfter: Timestamp
    /// When it was looked at, and the address that showed it.
    public var at: Timestamp
    public var address: String

    /// An event from its parts.
    public init(
        subject: String, issuer: String, notBefore: Timestamp, notAfter: Timestamp, at: Timestamp, address: String
    ) {
        self.subject = subject
        self.issuer = issuer
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.at = at
        self.address = address
    }

    enum CodingKeys: String, CodingKey {
        case subject, issuer, at, address
        case notBefore = "not_before"
        case notAfter = "not_after"
    }
}

extension Trigger where Self == CertificateTrigger {
    /// Waits until a server's certificate is valid for at least so long: until it has been renewed.
    ///
    /// - Parameters:
    ///   - host: A name or an address; may hold templates.
    ///   - span: How long it is to be valid yet.
    ///   - every: The time from one look to the next, give or take a tenth.
    public static func certificate(
        _ host: String, port: Int = 443, validFor span: Duration, every: Duration = .hours(1)
    ) -> CertificateTrigger {
        CertificateTrigger(host: host, port: port, until: .validFor(TimeSpan(span)), every: TimeSpan(every))
    }

    /// Waits until a server's certificate ends within so long, or has ended: until it is time to renew it.
    public static func certificate(
        _ host: String, port: Int = 443, endsWithin span: Duration, every: Duration = .hours(1)
    ) -> CertificateTrigger {
        CertificateTrigger(host: host, port: port, until: .endsWithin(TimeSpan(span)), every: TimeSpan(every))
    }
}
