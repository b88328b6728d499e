// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Requests that bring rows, or take them.
public struct TransferRequest: Hashable, Sendable {
    /// Where the next page of an answer is.
    public enum Next: Hashable, Sendable {
        /// There is one page.
        case none
        /// In the answer's header `Link`, as `rel="next"`.
        case link
        /// At a path of the body, which is JSON: `$.paging.next`. Nothing or null there: this page is the last one.
        case at(String)
    }

    /// The address, or with a connection what follows its own. May hold templates.
    public var url: String
    public var format: DataFormat
    /// The id of a connection of the type `http` or `https`: where to go, and as whom. May hold templates.
    public var connection: String?
    /// Values may hold templates.
    public var headers: [String: String]
    /// The path in a body of JSON at which the rows are: `$.data.items`; nil: the body is the array.
    public var rows: String?
    public var next: Next
    public var method: String
    /// How long one request may take.
    public var timeout: Duration
    /// The longest body that is read, in bytes; it passes through a file. Of pages with `rows` or `.at`, which are read whole, 64 MiB.
    public var maximumBodySize: Int

    /// Whom it is done for; see `TransferOperator`.
    var key = ""
    /// As messages call it.
    var name = ""

    /// A request with its bounds.
    public init(
        _ url: String, as format: DataFormat = .json, connection: String? = nil, headers: [String: String] = [:],
        rows: String? = nil, next: Next = .none, method: String = "GET", timeout: Duration = .seconds(600),
        maximumBodySize: Int = 8 << 30
    ) {
        self.url = url
        self.format = format
        self.connection = connection
        self.headers = headers
        self.rows = rows
        self.next = next
        self.method = method
        self.timeout = timeout
        self.maximumBodySize = maximumBodySize
    }

    var templateFields: [TemplateField] {
        var fields = [TemplateField("url", url)]
        if let connection { fields.append(TemplateField("connection", connection)) }
        fields.add("headers", headers)
        return fields
    }

    var problems: [String] {
        var found = format.problems
        if connection == nil { found += request(url).problems }
        if connection != nil, url.contains("://") {
            found.append("beside a connection the address is what follows its own, and not '\(url.shown(120))'")
        }
        var paths = [rows].compactMap(\.self)
        if case .at(let path) = next { paths.append(path) }
        for path in paths {
            if let problem = JSONPath(path).problem { found.append("the path '\(path.shown(60))': \(problem)") }
            if case .json = format { continue }
            found.append("a path leads into a body of JSON alone")
        }
        if connection?.isEmpty == true { found.append("the connection's id is empty") }
        return found
    }

    /// One request of them. With a connection it goes nowhere else, for nobody else is to know as whom.
    func exchange(_ request: HTTPOperator, name: String) -> HTTPExchange {
        HTTPExchange(request, name: name, followsRedirects: connection == nil)
    }

    /// Whether pages are read whole, to look into them.
    var isLookedInto: Bool { if case .at = next { true } else { rows != nil } }

    func request(_ url: String, body: String? = nil) -> HTTPOperator {
        HTTPOperator(
            url, method: method, headers: headers, body: body, timeout: timeout,
            maximumBodySize: isLookedInto ? min(maximumBodySize, 64 << 20) : maximumBodySize)
    }

    func rendered(_ context: TaskContext) async throws -> TransferRequest {
        var ready = self
        ready.url = try await context.render(url)
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            let value = try await context.render(value)
            ready.headers[name] = value
        }
        if let connection {
            let id = try await context.render(connection)
            let server = try HTTPConnection(try await context.connection(id), id: id)
            ready.url = server.address + ready.url
            for (name, value) in server.headers where ready.headers[name] == nil { ready.headers[name] = value }
            ready.name = "\(method.uppercased()) at the connection '\(id.shown(80))'"
        } else {
            ready.name = "\(method.uppercased()) \(HTTPExchange.shown(ready.url))"
        }
        if let problem = ready.request(ready.url).problems.first { throw NonRetryable(problem) }
        return ready
    }
}
