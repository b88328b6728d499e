// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchSDK
internal import Synchronization

/// One request through libcurl, on a thread of its own.
///
/// libcurl and not URLSession: the bundle has it for its waits anyway, while FoundationNetworking costs megabytes.
final class HTTPExchange: Sendable {
    private let request: HTTPOperator
    private let isCancelled = Atomic(false)

    init(_ request: HTTPOperator) { self.request = request }

    /// Makes the request; a cancellation of the Swift task ends it within a second.
    func run() async throws -> HTTPResponse {
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation {
                (continuation: CheckedContinuation<Result<HTTPResponse, any Error>, Never>) in
                let isStarted = OperatorThread.start { continuation.resume(returning: Result { try self.perform() }) }
                if !isStarted {
                    let error = PerchError(.unavailable, "no thread is left for a request")
                    continuation.resume(returning: .failure(error))
                }
            }
        } onCancel: {
            isCancelled.store(true, ordering: .relaxed)
        }
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        return try answer.get()
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
        let exchange: HTTPExchange
        var body: [UInt8] = []
        var headers: [String: String] = [:]
        var isTooLong = false

        init(_ exchange: HTTPExchange) { self.exchange = exchange }

        func take(header line: String) {
            // A new status line: what came before belongs to a redirect or to an interim answer.
            if line.hasPrefix("HTTP/") { return headers = [:] }
            guard let colon = line.firstIndex(of: ":") else { return }
            let name = line[..<colon].lowercased()
            let value = line[line.index(after: colon)...].trimmed
            headers[name] = headers[name].map { "\($0), \(value)" } ?? value
        }
    }

    private static let isSetUp: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    private func perform() throws -> HTTPResponse {
        guard Self.isSetUp, let handle = curl_easy_init() else {
            throw PerchError(.unavailable, "libcurl cannot be set up")
        }
        defer { curl_easy_cleanup(handle) }
        let received = Received(self)
        let context = Unmanaged.passUnretained(received).toOpaque()
        var lines: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(lines) }
        for (name, value) in request.headers.sorted(by: { $0.key < $1.key }) {
            lines = curl_slist_append(lines, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        defer { message.deallocate() }

        setUp(handle, context)
        ccurl_request_pointer(handle, CURLOPT_ERRORBUFFER, message)
        ccurl_request_headers(handle, lines)
        let result = withExtendedLifetime(received) { curl_easy_perform(handle) }
        let method = request.method.uppercased()
        guard result == CURLE_OK else {
            if isCancelled.load(ordering: .relaxed) { throw CancellationError() }
            if received.isTooLong {
                throw NonRetryable(
                    "\(method) \(Self.shown(request.url)): the body is longer than \(request.maximumBodySize) bytes")
            }
            let detail = String(cString: message)
            let words = detail.isEmpty ? String(cString: curl_easy_strerror(result)) : detail
            throw PerchError(.unavailable, "\(method) \(Self.shown(request.url)): \(words)")
        }
        var status = 0
        ccurl_request_status(handle, &status)
        return HTTPResponse(
            status: status, headers: received.headers, body: String(decoding: received.body, as: UTF8.self))
    }

    private func setUp(_ handle: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer) {
        let milliseconds = max(1, TimeSpan(request.timeout).microseconds / 1_000)
        ccurl_request_text(handle, CURLOPT_URL, request.url)
        ccurl_request_text(handle, CURLOPT_USERAGENT, "perch")
        ccurl_request_number(handle, CURLOPT_TIMEOUT_MS, Int(milliseconds))
        ccurl_request_number(handle, CURLOPT_NOSIGNAL, 1)
        ccurl_request_number(handle, CURLOPT_FOLLOWLOCATION, 1)
        ccurl_request_number(handle, CURLOPT_MAXREDIRS, 10)
        ccurl_request_text(handle, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_request_text(
            handle, CURLOPT_REDIR_PROTOCOLS_STR,
            request.url.lowercased().hasPrefix("https://") ? "https" : "http,https")
        ccurl_request_text(handle, CURLOPT_ACCEPT_ENCODING, "")
        let method = request.method.uppercased()
        if method == "HEAD" { ccurl_request_number(handle, CURLOPT_NOBODY, 1) }
        if let body = request.body {
            ccurl_request_size(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.utf8.count))
            ccurl_request_text(handle, CURLOPT_COPYPOSTFIELDS, body)
        }
        if method != "HEAD" { ccurl_request_text(handle, CURLOPT_CUSTOMREQUEST, method) }
        ccurl_request_pointer(handle, CURLOPT_WRITEDATA, context)
        ccurl_request_pointer(handle, CURLOPT_HEADERDATA, context)
        ccurl_request_pointer(handle, CURLOPT_XFERINFODATA, context)
        ccurl_request_number(handle, CURLOPT_NOPROGRESS, 0)
        ccurl_request_on_data(handle, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let received = Unmanaged<Received>.fromOpaque(context).takeUnretainedValue()
            let length = size * count
            guard received.body.count + length <= received.exchange.request.maximumBodySize else {
                received.isTooLong = true
                return 0
            }
            received.body.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: length))
            return length
        }
        ccurl_request_on_data(handle, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
            Unmanaged<Received>.fromOpaque(context).takeUnretainedValue().take(header: line)
            return size * count
        }
        ccurl_request_on_progress(handle) { context, _, _, _, _ in
            guard let context else { return 0 }
            let exchange = Unmanaged<Received>.fromOpaque(context).takeUnretainedValue().exchange
            return exchange.isCancelled.load(ordering: .relaxed) ? 1 : 0
        }
    }
}
