// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Tells a server what has happened, as JSON: a notifier for `dag.on`, and a task like others.
///
/// - The body is `{"text": …}` where there is a `text`, as Slack, Mattermost and others read it; the `body` where there is one; else
///   what has happened (`CallbackCause`), or in a task its names and dates.
/// - An address that is a secret, and a name and password, belong into a connection of the type `http` or `https`:
///   `https://hooks.slack.com/services/…`. Messages name the connection alone.
/// - `secret` is the id of a connection whose password signs the body: `X-Perch-Timestamp`, and `X-Perch-Signature` with
///   `sha256=` and the HMAC-SHA256 of the time, a dot and the body, as the engine's own API takes it.
/// - `Idempotency-Key` is the same each time that a try sends.
public struct WebhookOperator: Operator {
    /// What the server answered.
    public typealias Output = HTTPResponse

    /// The address, or with a connection what follows its own. May hold templates.
    public var url: String
    public var connection: String?
    /// May hold templates.
    public var text: String?
    /// Strings in it may hold templates.
    public var body: JSONValue?
    /// Values may hold templates.
    public var headers: [String: String]
    public var secret: String?
    /// How long the request may take.
    public var timeout: Duration

    /// A message with its bounds.
    public init(
        _ url: String = "", connection: String? = nil, text: String? = nil, body: JSONValue? = nil,
        headers: [String: String] = [:], secret: String? = nil, timeout: Duration = .seconds(30)
    ) {
        self.url = url
        self.connection = connection
        self.text = text
        self.body = body
        self.headers = headers
        self.secret = secret
        self.timeout = timeout
    }

    /// Everything that may hold templates.
    public var templates: [String] { templateFields.map(\.text) }

    /// The same by its names.
    public var templateFields: [TemplateField] {
        var fields = [TemplateField("url", url)]
        for (name, value) in [("connection", connection), ("text", text), ("secret", secret)] {
            if let value { fields.append(TemplateField(name, value)) }
        }
        if let body { fields.add("body", body) }
        fields.add("headers", headers)
        return fields
    }

    /// No address, or one that is none.
    public var problems: [String] {
        var found: [String] = []
        if connection == nil { found += request(url, "").problems }
        if connection?.isEmpty == true { found.append("the connection's id is empty") }
        if text != nil, body != nil { found.append("a webhook has either 'text' or 'body'") }
        return found
    }

    private func request(_ url: String, _ body: String) -> HTTPOperator {
        HTTPOperator(
            url, method: "POST", headers: headers, body: body, timeout: timeout, maximumBodySize: 1 << 20)
    }

    /// Sends the message.
    public func execute(_ context: TaskContext) async throws -> HTTPResponse {
        let address = try await context.render(url)
        var request = request(address, try await content(context).text)
        for (name, value) in headers.sorted(by: { $0.key < $1.key }) {
            let value = try await context.render(value)
            request.headers[name] = value
        }
        var name = "POST \(HTTPExchange.shown(request.url))"
        if let connection {
            let id = try await context.render(connection)
            let server = try HTTPConnection(try await context.connection(id), id: id)
            request.url = server.address + request.url
            for (name, value) in server.headers where request.headers[name] == nil { request.headers[name] = value }
            name = "the webhook of the connection '\(id.shown(80))'"
        }
        set("Content-Type", "application/json", &request)
        set("Idempotency-Key", context.idempotencyKey, &request)
        if let secret { try await sign(&request, secret, context) }
        if let problem = request.problems.first {
            throw NonRetryable(connection == nil ? problem : "\(name): it makes no request")
        }
        let exchange = HTTPExchange(request, name: name, followsRedirects: connection == nil)
        let response = try await context.step("send") { try await exchange.run() }
        guard (200...299).contains(response.status) else {
            let start = response.body.shown(200)
            throw PerchError(
                .unavailable,
                "\(name) gave \(response.status), expected was 200 to 299" + (start.isEmpty ? "" : ": \(start)"))
        }
        context.log.info("\(name): \(response.status)")
        return response
    }

    private func set(_ name: String, _ value: String, _ request: inout HTTPOperator) {
        guard !request.headers.keys.contains(where: { $0.lowercased() == name.lowercased() }) else { return }
        request.headers[name] = value
    }

    private func sign(_ request: inout HTTPOperator, _ secret: String, _ context: TaskContext) async throws {
        let id = try await context.render(secret)
        guard let key = try await context.connection(id).password, !key.isEmpty else {
            throw NonRetryable("the connection '\(id.shown(80))', which signs, has no password")
        }
        let time = "\(try await context.now.microseconds / 1_000_000)"
        let signed = Array("\(time).\(request.body ?? "")".utf8)
        request.headers["X-Perch-Timestamp"] = time
        request.headers["X-Perch-Signature"] = "sha256=" + Signature.hexadecimal(of: signed, key: Array(key.utf8))
    }

    private func content(_ context: TaskContext) async throws -> JSONValue {
        if let text {
            let text = try await context.render(text)
            return .object(["text": .string(text)])
        }
        if let body {
            return try await TemplatedValues.rendered([body], context)[0]
        }
        // What a callback is told of is the element of its instance.
        if let cause = context.runtime.facts.mapElement { return try JSONValue(parsingEnvelope: cause) }
        return .object([
            "dag_id": .string(context.dagID), "run_id": .string(context.runID), "task_id": .string(context.taskID),
            "try_number": .integer(Int64(context.tryNumber)), "logical_date": .string(context.ts),
        ])
    }
}

extension Operator where Self == WebhookOperator {
    /// A notifier, or a task, that tells a server what has happened; see `WebhookOperator`.
    public static func webhook(
        _ url: String = "", connection: String? = nil, text: String? = nil, body: JSONValue? = nil,
        headers: [String: String] = [:], secret: String? = nil
    ) -> WebhookOperator {
        WebhookOperator(
            url, connection: connection, text: text, body: body, headers: headers, secret: secret)
    }
}
