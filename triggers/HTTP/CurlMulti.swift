// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchCurl
internal import PerchReactor
internal import PerchSDK

/// Requests by one libcurl multi handle. Connections are kept alive and request handles used again.
final class CurlMulti: HTTPTransport {
    /// Longer headers in all end a request: libcurl itself has no bound in older versions.
    private static let headerLimit = 128 * 1_024
    /// The most milliseconds that libcurl takes.
    private static let longestTimeout = Int64(Int32.max)

    /// A request under way.
    final class Transfer: HTTPTransfer {
        private weak var multi: CurlMulti?
        fileprivate let request: HTTPRequest
        let easy: UnsafeMutableRawPointer
        let message: UnsafeMutablePointer<CChar>
        fileprivate var lines: UnsafeMutablePointer<curl_slist>?
        fileprivate var done: (HTTPOutcome) -> Void
        fileprivate(set) var isUnderWay = true
        fileprivate(set) var headers: [String: String] = [:]
        fileprivate var headerBytes = 0
        fileprivate(set) var areHeadersTooLong = false
        fileprivate(set) var body: [UInt8] = []
        fileprivate(set) var isBodyTooLong = false

        fileprivate init(
            _ request: HTTPRequest, _ multi: CurlMulti, _ easy: UnsafeMutableRawPointer,
            _ done: @escaping (HTTPOutcome) -> Void
        ) {
            self.request = request
            self.multi = multi
            self.easy = easy
            self.done = done
            message = .allocate(capacity: Int(CURL_ERROR_SIZE))
            message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        }

        func cancel() { multi?.cancel(self) }

        deinit {
            message.deallocate()
            curl_slist_free_all(lines)
        }

        fileprivate func takeBody() -> [UInt8] {
            defer { body = [] }
            return body
        }

        fileprivate func take(header line: String) -> Bool {
            headerBytes += line.utf8.count
            guard headerBytes <= CurlMulti.headerLimit else {
                areHeadersTooLong = true
                return false
            }
            if line.hasPrefix("HTTP/") {
                // What came before was an interim answer.
                headers = [:]
            } else if let colon = line.firstIndex(of: ":") {
                let name = line[..<colon].lowercased()
                let value = line[line.index(after: colon)...].trimmingBlanks()
                headers[name] = headers[name].map { "\($0), \(value)" } ?? value
            }
            return true
        }

        fileprivate func take(body bytes: UnsafeRawBufferPointer) -> Bool {
            if request.stream != nil {
                // Handed on when libcurl has returned: what takes it may break this request off.
                if body.isEmpty { multi?.streaming.append(self) }
                body.append(contentsOf: bytes)
                return true
            }
            guard body.count + bytes.count <= request.bodyLimit else {
                isBodyTooLong = true
                body = []
                return false
            }
            body.append(contentsOf: bytes)
            return true
        }
    }

    private let curl: CurlLoop
    private var transfers: [UnsafeMutableRawPointer: Transfer] = [:]
    /// Those with bytes to hand on.
    fileprivate var streaming: [Transfer] = []
    private var spare: [UnsafeMutableRawPointer] = []

    /// - Throws: `PerchError` where libcurl cannot be set up.
    init(loop: any EventLoop, connections: Int) throws {
        curl = try CurlLoop(loop: loop)
        curl.set(CURLMOPT_MAXCONNECTS, connections)
        curl.set(CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        curl.onTurn = { [weak self] in self?.handOn() }
    }

    var socketCount: Int { curl.socketCount }

    func start(_ request: HTTPRequest, done: @escaping (HTTPOutcome) -> Void) throws -> any HTTPTransfer {
        guard let easy = spare.popLast() ?? curl_easy_init() else {
            throw PerchError(.unavailable, "libcurl gives no more requests")
        }
        let transfer = Transfer(request, self, easy, done)
        setUp(transfer)
        do {
            try curl.add(easy) { [weak self] code in self?.end(transfer, code) }
        } catch {
            curl_easy_cleanup(easy)
            throw error
        }
        transfers[easy] = transfer
        return transfer
    }

    private func cancel(_ transfer: Transfer) {
        if transfer.isUnderWay { release(transfer) }
    }

    private func end(_ transfer: Transfer, _ code: CURLcode) {
        let outcome = Self.outcome(of: transfer, code)
        release(transfer)
        transfer.done(outcome)
    }

    private func release(_ transfer: Transfer) {
        transfer.isUnderWay = false
        transfers[transfer.easy] = nil
        curl.remove(transfer.easy)
        curl_easy_reset(transfer.easy)
        if spare.count < 64 { spare.append(transfer.easy) } else { curl_easy_cleanup(transfer.easy) }
    }

    func close() {
        for transfer in transfers.values { release(transfer) }
        for easy in spare { curl_easy_cleanup(easy) }
        spare = []
        curl.close()
    }

    deinit { close() }

    private func setUp(_ transfer: Transfer) {
        let easy = transfer.easy
        let request = transfer.request
        ccurl_request_text(easy, CURLOPT_URL, request.url)
        ccurl_request_text(easy, CURLOPT_USERAGENT, "perch")
        ccurl_request_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        ccurl_request_number(easy, CURLOPT_FOLLOWLOCATION, 0)
        ccurl_request_number(easy, CURLOPT_NOSIGNAL, 1)
        // Else the end of a request whose name is still being looked up waits for the thread that looks.
        ccurl_request_number(easy, CURLOPT_QUICK_EXIT, 1)
        ccurl_request_number(
            easy, request.stream == nil ? CURLOPT_TIMEOUT_MS : CURLOPT_CONNECTTIMEOUT_MS,
            Int(request.stream == nil ? min(max(1, request.timeout.microseconds / 1_000), Self.longestTimeout) : 30_000)
        )
        // One connection for all requests to a host that speaks HTTP/2; a new request waits for it to be found out.
        ccurl_request_number(easy, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
        if request.url.hasPrefix("https") { ccurl_request_number(easy, CURLOPT_PIPEWAIT, 1) }
        if let proxy = request.proxy { ccurl_request_text(easy, CURLOPT_PROXY, proxy) }
        if let ca = request.ca { ccurl_request_text(easy, CURLOPT_CAINFO, ca) }
        if let body = request.body {
            ccurl_request_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.utf8.count))
            ccurl_request_text(easy, CURLOPT_COPYPOSTFIELDS, body)
        }
        switch request.method {
        case "HEAD": ccurl_request_number(easy, CURLOPT_NOBODY, 1)
        case "GET" where request.body == nil: break
        default: ccurl_request_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        }
        for (name, value) in request.headers {
            transfer.lines = curl_slist_append(transfer.lines, value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        // A body goes along at once.
        transfer.lines = curl_slist_append(transfer.lines, "Expect:")
        ccurl_request_headers(easy, transfer.lines)
        ccurl_request_pointer(easy, CURLOPT_ERRORBUFFER, transfer.message)
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        ccurl_request_pointer(easy, CURLOPT_WRITEDATA, context)
        ccurl_request_pointer(easy, CURLOPT_HEADERDATA, context)
        ccurl_request_on_data(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.take(body: UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
        }
        ccurl_request_on_data(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let line = String(decoding: UnsafeRawBufferPointer(start: bytes, count: size * count), as: UTF8.self)
            return Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().take(header: line) ? size * count : 0
        }
    }

    /// What streams have brought.
    private func handOn() {
        let ready = streaming
        streaming = []
        for transfer in ready where transfer.isUnderWay {
            let bytes = transfer.takeBody()
            transfer.request.stream?(
                ccurl_info_number(transfer.easy, CURLINFO_RESPONSE_CODE), transfer.headers, bytes)
        }
    }
}

extension Substring {
    fileprivate func trimmingBlanks() -> String {
        var text = self[...]
        while let first = text.first, first.isWhitespace { text.removeFirst() }
        while let last = text.last, last.isWhitespace { text.removeLast() }
        return String(text)
    }
}
