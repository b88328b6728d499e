// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchSDK

/// One request through libcurl.
package struct HTTPExchange: Sendable {
    private let request: HTTPOperator
    /// As errors call it.
    private let name: String
    private let followsRedirects: Bool
    private let ca: String?
    private let silence: Duration?

    /// - Parameters:
    ///   - name: What errors call it instead of its address.
    ///   - followsRedirects: Whether it goes where the server sends it; what has secrets in its headers does not.
    ///   - ca: A file of certificates that are trusted instead of the machine's.
    ///   - silence: How long the other side may say nothing before it is given up, in whole seconds; nil: as long as it likes.
    package init(
        _ request: HTTPOperator, name: String? = nil, followsRedirects: Bool = true, ca: String? = nil,
        silence: Duration? = nil
    ) {
        self.silence = silence
        self.ca = ca
        self.request = request
        self.followsRedirects = followsRedirects
        self.name = name ?? "\(request.method.uppercased()) \(Self.shown(request.url))"
    }

    /// Makes the request on a thread of its own; a cancellation of the Swift task ends it within a second.
    package func run() async throws -> HTTPResponse {
        try await OperatorThread.run("a request") { try perform($0) }
    }

    /// The same, for a body that comes piece by piece.
    /// - Parameter sink: Takes each piece, on that thread; the response has none of them.
    package func run(into sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) async throws
        -> HTTPResponse
    {
        try await OperatorThread.run("a request") { try perform($0, into: sink) }
    }

    /// An address without the name and password that it may hold, and without its query.
    static func shown(_ url: String) -> String {
        var text = url.prefix { $0 != "?" && $0 != "#" }
        guard let scheme = text.firstRange(of: "://") else { return String(text) }
        let authority = text[scheme.upperBound...].prefix { $0 != "/" }
        if let at = authority.lastIndex(of: "@") {
            text = text[..<scheme.upperBound] + text[text.index(after: at)...]
        }
        return String(text)
    }

    /// What the callbacks fill.
    private final class Received {
        let limit: Int
        let sink: ((UnsafeRawBufferPointer) throws -> Void)?
        var body: [UInt8] = []
        var count = 0
        var headers: [String: String] = [:]
        var isTooLong = false
        var failure: (any Error)?

        init(_ limit: Int, _ sink: ((UnsafeRawBufferPointer) throws -> Void)?) {
            self.limit = limit
            self.sink = sink
        }

        func take(header line: String) {
            // A new status line: what came before belongs to a redirect or to an interim answer.
            if line.hasPrefix("HTTP/") { return headers = [:] }
            guard let colon = line.firstIndex(of: ":") else { return }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].trimmed
            headers[name] = headers[name].map { "\($0), \(value)" } ?? value
        }

        /// How much of it was taken.
        func take(body bytes: UnsafeRawBufferPointer) -> Int {
            count += bytes.count
            guard count <= limit else {
                isTooLong = true
                return 0
            }
            guard let sink else {
                body.append(contentsOf: bytes)
                return bytes.count
            }
            do {
                try sink(bytes)
                return bytes.count
            } catch {
                failure = error
                return 0
            }
        }
    }

    /// Makes the request. Blocks.
    ///
    /// - Parameter sink: Where the body goes instead of into the response.
    func perform(
        _ stop: StopSignal, into sink: ((UnsafeRawBufferPointer) throws -> Void)? = nil
    ) throws -> HTTPResponse {
        let transfer = try CurlTransfer(stop, timeout: request.timeout)
        let received = Received(request.maximumBodySize, sink)
        var lines: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(lines) }
        for (name, value) in request.headers.sorted(by: { $0.key < $1.key }) {
            lines = curl_slist_append(lines, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        setUp(transfer, received)
        ccurl_request_headers(transfer.handle, lines)
        if let words = try withExtendedLifetime(received, { try transfer.perform() }) {
            if let failure = received.failure { throw failure }
            if received.isTooLong {
                throw NonRetryable("\(name): the body is longer than \(request.maximumBodySize) bytes")
            }
            throw PerchError(.unavailable, "\(name): \(words)")
        }
        return HTTPResponse(
            status: transfer.status, headers: received.headers, body: String(decoding: received.body, as: UTF8.self))
    }

    private func setUp(_ transfer: CurlTransfer, _ received: Received) {
        transfer.text(CURLOPT_URL, request.url)
        transfer.text(CURLOPT_USERAGENT, "perch")
        if let ca { transfer.text(CURLOPT_CAINFO, ca) }
        if let silence {
            transfer.number(CURLOPT_LOW_SPEED_LIMIT, 1)
            transfer.number(CURLOPT_LOW_SPEED_TIME, Int(silence.components.seconds))
        }
        transfer.number(CURLOPT_FOLLOWLOCATION, followsRedirects ? 1 : 0)
        transfer.number(CURLOPT_MAXREDIRS, 10)
        transfer.text(CURLOPT_PROTOCOLS_STR, "http,https")
        transfer.text(
            CURLOPT_REDIR_PROTOCOLS_STR, request.url.lowercased().hasPrefix("https://") ? "https" : "http,https")
        transfer.text(CURLOPT_ACCEPT_ENCODING, "")
        let method = request.method.uppercased()
        if method == "HEAD" { transfer.number(CURLOPT_NOBODY, 1) }
        if let body = request.body {
            ccurl_request_size(transfer.handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.utf8.count))
            transfer.text(CURLOPT_COPYPOSTFIELDS, body)
        }
        if method != "HEAD" { transfer.text(CURLOPT_CUSTOMREQUEST, method) }
        transfer.on(CURLOPT_WRITEFUNCTION, CURLOPT_WRITEDATA, received) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let data = UnsafeRawBufferPointer(start: bytes, count: size * count)
            return Unmanaged<Received>.fromOpaque(context).takeUnretainedValue().take(body: data)
        }
        transfer.on(CURLOPT_HEADERFUNCTION, CURLOPT_HEADERDATA, received) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
            Unmanaged<Received>.fromOpaque(context).takeUnretainedValue().take(header: line)
            return size * count
        }
    }
}
