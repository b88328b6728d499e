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
    /// The time from one probe to the next; of an adaptive period the shortest.
    public var every: TimeSpan
    /// The longest time to which the period grows while answers stay the same; nil: it does not grow.
    public var slowest: TimeSpan?
    /// What ends the wait.
    public var until: HTTPCondition
    public var method: String
    public var headers: [String: HTTPHeaderValue]
    public var body: String?
    /// How long one probe may take, redirects included.
    public var timeout: TimeSpan
    /// The proxy by which the request goes; nil: what the triggerer's environment says (`https_proxy`, `no_proxy`, …).
    public var proxy: String?
    /// The path of a PEM file with the authorities that vouch for the server; nil: those of the machine.
    public var ca: String?

    /// How often the URL is asked.
    public var period: HTTPPeriod {
        get { HTTPPeriod(every: every, slowest: slowest) }
        set { (every, slowest) = (newValue.every, newValue.slowest) }
    }

    /// A wait for an answer.
    public init(
        url: String, every: TimeSpan = .seconds(60), until: HTTPCondition = .success, method: String = "GET",
        headers: [String: HTTPHeaderValue] = [:], body: String? = nil, timeout: TimeSpan = .seconds(10),
        slowest: TimeSpan? = nil, proxy: String? = nil, ca: String? = nil
    ) {
        self.url = url
        self.every = every
        self.slowest = slowest
        self.proxy = proxy
        self.ca = ca
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
        if let slowest, slowest < every {
            problems.append("the period grows from \(every) to \(slowest), which is shorter")
        }
        if let proxy, !proxy.contains("{{"), let problem = HTTPAddress.problem(ofProxy: proxy) {
            problems.append(problem)
        }
        if let ca, !ca.hasPrefix("{{"), !ca.hasPrefix("/") || ca.utf8.contains(0) {
            problems.append("'ca' is '\(ca.shown(200))'; it is the absolute path of a PEM file")
        }
        for (name, span) in [("every", every), ("timeout", timeout), ("slowest", slowest ?? every)]
        where span > Self.longest {
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
            timeout: try container.decodeIfPresent(TimeSpan.self, forKey: .timeout) ?? .seconds(10),
            slowest: try container.decodeIfPresent(TimeSpan.self, forKey: .slowest),
            proxy: try container.decodeIfPresent(String.self, forKey: .proxy),
            ca: try container.decodeIfPresent(String.self, forKey: .ca))
    }

    enum CodingKeys: String, CodingKey {
        case url, every, until, method, headers, body, timeout, slowest, proxy, ca
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

extension Trigger where Self == HTTPTrigger {
    /// Asks a URL until its answer meets a condition. Waits for the same request share it, each with its own condition.
    ///
    /// - Parameters:
    ///   - url: `http` or `https`.
    ///   - every: The time from one probe to the next, give or take a tenth; longer while probes fail.
    ///   - until: What ends the wait: `.status(200)`, `.json("$.state", in: ["DONE"])`, …; any status from 200 to 299 by
    ///     default.
    ///   - headers: Texts, or secrets by reference: `.secret("API_TOKEN", prefix: "Bearer ")`.
    ///   - timeout: How long one probe may take.
    ///   - proxy: `http://host:port`, `socks5h://host:port`, …; what the triggerer's environment says by default.
    ///   - ca: The path of a PEM file with the authorities that vouch for the server.
    public static func http(
        _ url: String, every: Duration = .seconds(60), until: HTTPCondition = .success, method: String = "GET",
        headers: [String: HTTPHeaderValue] = [:], body: String? = nil, timeout: Duration = .seconds(10),
        proxy: String? = nil, ca: String? = nil
    ) -> HTTPTrigger {
        .http(
            url, period: .every(every), until: until, method: method, headers: headers, body: body, timeout: timeout,
            proxy: proxy, ca: ca)
    }

    /// Asks a URL until its answer meets a condition, more seldom while answers stay the same:
    /// `period: .adaptive(from: .seconds(5), to: .minutes(5))`.
    public static func http(
        _ url: String, period: HTTPPeriod, until: HTTPCondition = .success, method: String = "GET",
        headers: [String: HTTPHeaderValue] = [:], body: String? = nil, timeout: Duration = .seconds(10),
        proxy: String? = nil, ca: String? = nil
    ) -> HTTPTrigger {
        HTTPTrigger(
            url: url, every: period.every, until: until, method: method, headers: headers, body: body,
            timeout: TimeSpan(timeout), slowest: period.slowest, proxy: proxy, ca: ca)
    }
}
