// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Asks a URL again and again until its answer meets a condition.
public struct HTTPTrigger: Trigger {
    public typealias Event = HTTPEvent
    public static let kind = "http"
    /// The shortest period that is taken.
    public static let shortestPeriod = TimeSpan(microseconds: 100_000)
    /// The longest period and the longest time for a probe that are taken.
    public static let longest = TimeSpan.seconds(366 * 86_400)

    /// An `http` or `https` URL. May hold templates, as headers and body may.
    public var url: String
    /// The time from one probe to the next.
    public var every: TimeSpan
    /// What ends the wait.
    public var until: HTTPCondition
    public var method: String
    public var headers: [String: HTTPHeaderValue]
    public var body: String?
    /// How long one probe may take, redirects included.
    public var timeout: TimeSpan

    /// A wait for an answer.
    public init(
        url: String, every: TimeSpan = .seconds(60), until: HTTPCondition = .success, method: String = "GET",
        headers: [String: HTTPHeaderValue] = [:], body: String? = nil, timeout: TimeSpan = .seconds(10)
    ) {
        self.url = url
        self.every = every
        self.until = until
        self.method = method.uppercased()
        self.headers = headers
        self.body = body
        self.timeout = timeout
    }

    public var target: String { method == "GET" ? url : "\(method) \(url)" }

    public var problems: [String] {
        var problems: [String] = []
        if !url.hasPrefix("{{") {
            // A number, for a template may stand for a port too.
            do {
                _ = try HTTPAddress(Template.blanked(url, with: "1"))
            } catch {
                problems.append(error.message)
            }
        }
        if every < Self.shortestPeriod {
            problems.append("'every' is \(every); the shortest is \(Self.shortestPeriod)")
        }
        if timeout.microseconds <= 0 { problems.append("a probe's timeout is longer than nothing") }
        for (name, span) in [("every", every), ("timeout", timeout)] where span > Self.longest {
            problems.append("'\(name)' is \(span); the longest is \(Self.longest)")
        }
        if method.isEmpty || !method.utf8.allSatisfy({ Self.isTokenByte($0) }) {
            problems.append("'\(method.shown(40))' is no HTTP method")
        }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            if name.isEmpty || !name.utf8.allSatisfy({ Self.isTokenByte($0) }) {
                problems.append("'\(name.shown(40))' is no name of a header")
            }
            if let problem = value.problem { problems.append("the header '\(name.shown(40))': \(problem)") }
        }
        return problems + until.problems
    }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    /// Reads a trigger; everything but the URL may be missing.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            url: try container.decode(String.self, forKey: .url),
            every: try container.decodeIfPresent(TimeSpan.self, forKey: .every) ?? .seconds(60),
            until: try container.decodeIfPresent(HTTPCondition.self, forKey: .until) ?? .success,
            method: try container.decodeIfPresent(String.self, forKey: .method) ?? "GET",
            headers: try container.decodeIfPresent([String: HTTPHeaderValue].self, forKey: .headers) ?? [:],
            body: try container.decodeIfPresent(String.self, forKey: .body),
            timeout: try container.decodeIfPresent(TimeSpan.self, forKey: .timeout) ?? .seconds(10))
    }

    enum CodingKeys: String, CodingKey {
        case url, every, until, method, headers, body, timeout
    }
}

/// The answer that met the condition.
public struct HTTPEvent: Codable, Hashable, Sendable {
    public var status: Int
    /// Names in lower case; values of repeated headers are joined by commas.
    public var headers: [String: String]
    /// The body as text; bytes that are not UTF-8 are replaced.
    public var body: String

    /// An answer from its parts.
    public init(status: Int, headers: [String: String] = [:], body: String = "") {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The body, which is JSON, as a type of the caller.
    /// - Throws: `PerchError` (`invalid`) that names the place and what was wanted there.
    public func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try JSONText.decode(type, from: body)
    }
}

/// The value of a header: a text, or a reference to a secret that is never stored or shown.
public enum HTTPHeaderValue: Hashable, Sendable {
    case text(String)
    /// What stands in an environment variable of the triggerer when the wait is armed, behind a prefix.
    case environment(String, prefix: String = "")

    var isSecret: Bool { if case .environment = self { true } else { false } }

    var problem: String? {
        switch self {
        case .text(let text): Self.problem(in: text)
        case .environment(let name, let prefix):
            name.isEmpty ? "an environment variable has a name" : Self.problem(in: prefix)
        }
    }

    static func problem(in text: String) -> String? {
        text.utf8.contains { $0 == 0x0A || $0 == 0x0D || $0 == 0 } ? "it holds a line break or a zero byte" : nil
    }
}

extension HTTPHeaderValue: ExpressibleByStringInterpolation {
    /// A text.
    public init(stringLiteral value: String) { self = .text(value) }
}

extension HTTPHeaderValue: Codable {
    private enum CodingKeys: String, CodingKey {
        case environment, prefix
    }

    /// Reads a text, or `{"environment": "TOKEN", "prefix": "Bearer "}`.
    public init(from decoder: any Decoder) throws {
        do {
            self = .text(try decoder.singleValueContainer().decode(String.self))
        } catch DecodingError.typeMismatch {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            self = .environment(
                try container.decode(String.self, forKey: .environment),
                prefix: try container.decodeIfPresent(String.self, forKey: .prefix) ?? "")
        }
    }

    /// Writes the text or the reference, never what the reference stands for.
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .text(let text):
            var container = encoder.singleValueContainer()
            try container.encode(text)
        case .environment(let name, let prefix):
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .environment)
            if !prefix.isEmpty { try container.encode(prefix, forKey: .prefix) }
        }
    }
}

extension Trigger where Self == HTTPTrigger {
    /// Asks a URL until its answer meets a condition. Waits for the same request share it, each with its own condition.
    ///
    /// - Parameters:
    ///   - url: `http` or `https`.
    ///   - every: The time from one probe to the next, give or take a tenth; longer while probes fail.
    ///   - until: What ends the wait: `.status(200)`, `.json("$.state", in: ["DONE"])`, …; any status from 200 to 299 by
    ///     default.
    ///   - headers: Texts, or secrets by reference: `.environment("TOKEN", prefix: "Bearer ")`.
    ///   - timeout: How long one probe may take.
    public static func http(
        _ url: String, every: Duration = .seconds(60), until: HTTPCondition = .success, method: String = "GET",
        headers: [String: HTTPHeaderValue] = [:], body: String? = nil, timeout: Duration = .seconds(10)
    ) -> HTTPTrigger {
        HTTPTrigger(
            url: url, every: TimeSpan(every), until: until, method: method, headers: headers, body: body,
            timeout: TimeSpan(timeout))
    }
}
