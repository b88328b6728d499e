// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Makes one HTTP request and gives the response.
///
/// Certificates are verified, redirects followed (at most ten, and never from HTTPS to HTTP). A status other than the
/// expected ones fails the try. The body is read up to `maximumBodySize`; a longer one fails the try at once.
public struct HTTPOperator: Operator {
    /// What came back.
    public typealias Output = HTTPResponse

    /// The address, `http://…` or `https://…`. May hold templates.
    public var url: String
    public var method: String
    /// Values may hold templates.
    public var headers: [String: String]
    /// May hold templates.
    public var body: String?
    /// Statuses that count as success.
    public var expectedStatus: ClosedRange<Int>
    /// How long the whole request may take.
    public var timeout: Duration
    /// The longest body that is read, in bytes.
    public var maximumBodySize: Int

    /// A request with its bounds.
    public init(
        _ url: String, method: String = "GET", headers: [String: String] = [:], body: String? = nil,
        expectedStatus: ClosedRange<Int> = 200...299, timeout: Duration = .seconds(60),
        maximumBodySize: Int = 4 << 20
    ) {
        self.url = url
        self.method = method
        self.headers = headers
        self.body = body
        self.expectedStatus = expectedStatus
        self.timeout = timeout
        self.maximumBodySize = maximumBodySize
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields = [TemplateField("url", url)]
        fields.add("headers", headers)
        if let body { fields.append(TemplateField("body", body)) }
        return fields
    }

    /// An address, method, header or bound that no request can have.
    public var problems: [String] {
        var found: [String] = []
        let scheme = url.lowercased()
        if !scheme.hasPrefix("http://"), !scheme.hasPrefix("https://"), !scheme.hasPrefix("{{") {
            found.append("the URL '\(url)' does not start with http:// or https://")
        }
        if method.isEmpty || !method.utf8.allSatisfy({ (0x41...0x5A).contains($0 & 0xDF) }) {
            found.append("'\(method)' is no HTTP method")
        }
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            if name.isEmpty || name.contains(":") || name.utf8.contains(where: { $0 <= 0x20 }) {
                found.append("'\(name)' is no header's name")
            }
            if value.utf8.contains(where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 }) {
                found.append("the value of the header '\(name)' has an end of line in it")
            }
        }
        if timeout <= .zero { found.append("the timeout is not positive") }
        if maximumBodySize < 0 { found.append("maximumBodySize is negative") }
        return found
    }

    /// Makes the request.
    public func execute(_ context: TaskContext) async throws -> HTTPResponse {
        var request = self
        request.url = try await context.render(url)
        if let body { request.body = try await context.render(body) }
        for (name, value) in headers { request.headers[name] = try await context.render(value) }
        if let problem = request.problems.first { throw NonRetryable(problem) }
        let response = try await HTTPExchange(request).run()
        context.log.info("\(method.uppercased()) \(HTTPExchange.shown(request.url)): \(response.status)")
        guard expectedStatus.contains(response.status) else {
            let start = response.body.prefix(200)
            throw PerchError(
                .unavailable,
                "\(method.uppercased()) \(HTTPExchange.shown(request.url)) gave \(response.status), expected was "
                    + "\(expectedStatus.lowerBound) to \(expectedStatus.upperBound)"
                    + (start.isEmpty ? "" : ": \(start)"))
        }
        return response
    }
}

/// What a server answered.
public struct HTTPResponse: Codable, Sendable, Hashable {
    public var status: Int
    /// Names in lower case; the values of a header that came several times are joined by `, `.
    public var headers: [String: String]
    /// The body as text; what is not UTF-8 in it is replaced.
    public var body: String

    /// A response from its parts.
    public init(status: Int, headers: [String: String] = [:], body: String = "") {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// The body as JSON.
    /// - Throws: `PerchError` (`invalid`) where it is none.
    public var json: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }

    /// The body as a type.
    /// - Throws: `PerchError` (`invalid`) that names the place and what was wanted there.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try JSONText.decode(type, from: body)
    }
}

extension Operator where Self == HTTPOperator {
    /// A task that makes one HTTP request; see `HTTPOperator`.
    public static func httpRequest(
        _ url: String, method: String = "GET", headers: [String: String] = [:], body: String? = nil,
        expectedStatus: ClosedRange<Int> = 200...299, timeout: Duration = .seconds(60),
        maximumBodySize: Int = 4 << 20
    ) -> HTTPOperator {
        HTTPOperator(
            url, method: method, headers: headers, body: body, expectedStatus: expectedStatus, timeout: timeout,
            maximumBodySize: maximumBodySize)
    }
}
