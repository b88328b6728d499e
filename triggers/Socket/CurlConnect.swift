// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// Tries TCP connections with one libcurl multi handle on the event loop: names are looked up on libcurl's threads, and
/// all addresses of a name are tried.
final class CurlConnect {
    private static let isSetUp: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// A connection that is tried.
    final class Attempt: SocketAttempt {
        private weak var owner: CurlConnect?
        fileprivate let address: SocketAddress
        fileprivate let easy: UnsafeMutableRawPointer
        fileprivate let message: UnsafeMutablePointer<CChar>
        fileprivate let done: (SocketOutcome) -> Void

        fileprivate init(
            _ address: SocketAddress, _ owner: CurlConnect, _ easy: UnsafeMutableRawPointer,
            _ done: @escaping (SocketOutcome) -> Void
        ) {
            self.address = address
            self.owner = owner
            self.easy = easy
            self.done = done
            message = .allocate(capacity: Int(CURL_ERROR_SIZE))
            message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        }

        func cancel() { owner?.cancel(self) }

        deinit { message.deallocate() }
    }

    private let loop: any EventLoop
    private let multi: UnsafeMutableRawPointer
    private var attempts: [UnsafeMutableRawPointer: Attempt] = [:]
    private var timer: LoopTimer?
    private var sockets: Set<Int32> = []
    private var isClosed = false

    /// - Throws: `PerchError` where libcurl cannot be set up.
    init(loop: any EventLoop) throws {
        guard Self.isSetUp, let multi = curl_multi_init() else {
            throw PerchError(.unavailable, "libcurl cannot be set up")
        }
        self.loop = loop
        self.multi = multi
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_on_socket(multi, Self.onSocket, context)
        ccurl_multi_on_timer(multi, Self.onTimer, context)
    }

    func connect(
        to address: SocketAddress, timeout: TimeSpan, done: @escaping (SocketOutcome) -> Void
    ) throws -> any SocketAttempt {
        guard let easy = curl_easy_init() else {
            throw PerchError(.unavailable, "libcurl gives no more connections")
        }
        let attempt = Attempt(address, self, easy, done)
        setUp(attempt, timeout)
        attempts[easy] = attempt
        let result = curl_multi_add_handle(multi, easy)
        guard result == CURLM_OK else {
            attempts[easy] = nil
            curl_easy_cleanup(easy)
            throw PerchError(.unavailable, "libcurl: \(String(cString: curl_multi_strerror(result)))")
        }
        return attempt
    }

    private func setUp(_ attempt: Attempt, _ timeout: TimeSpan) {
        let easy = attempt.easy
        ccurl_request_text(easy, CURLOPT_URL, "http://\(attempt.address)/")
        ccurl_request_text(easy, CURLOPT_PROTOCOLS_STR, "http")
        ccurl_request_number(easy, CURLOPT_CONNECT_ONLY, 1)
        // A proxy of the environment would accept in place of the port.
        ccurl_request_text(easy, CURLOPT_PROXY, "")
        ccurl_request_number(easy, CURLOPT_FRESH_CONNECT, 1)
        ccurl_request_number(easy, CURLOPT_FORBID_REUSE, 1)
        ccurl_request_number(easy, CURLOPT_NOSIGNAL, 1)
        // Else ending an attempt would wait for the thread that looks its name up, for as long as the name server is
        // silent.
        ccurl_request_number(easy, CURLOPT_QUICK_EXIT, 1)
        let milliseconds = Int(min(max(1, timeout.microseconds / 1_000), Int64(Int32.max)))
        ccurl_request_number(easy, CURLOPT_TIMEOUT_MS, milliseconds)
        ccurl_request_number(easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds)
        ccurl_request_pointer(easy, CURLOPT_ERRORBUFFER, attempt.message)
    }

    private func cancel(_ attempt: Attempt) {
        guard attempts[attempt.easy] === attempt else { return }
        release(attempt)
    }

    /// Closes the connection with the handle: one that was only made serves nobody else.
    private func release(_ attempt: Attempt) {
        attempts[attempt.easy] = nil
        curl_multi_remove_handle(multi, attempt.easy)
        curl_easy_cleanup(attempt.easy)
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        for attempt in attempts.values { release(attempt) }
        curl_multi_cleanup(multi)
        for socket in sockets { loop.unwatch(socket) }
        sockets = []
        if let timer { loop.cancel(timer) }
        timer = nil
    }

    deinit { close() }

    // MARK: What libcurl asks of the loop

    private static let onSocket: curl_socket_callback = { _, socket, what, context, _ in
        guard let context else { return 0 }
        Unmanaged<CurlConnect>.fromOpaque(context).takeUnretainedValue().follow(socket, what)
        return 0
    }

    private static let onTimer: curl_multi_timer_callback = { _, milliseconds, context in
        guard let context else { return 0 }
        Unmanaged<CurlConnect>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
        return 0
    }

    private func follow(_ socket: Int32, _ what: Int32) {
        guard what != CURL_POLL_REMOVE else {
            sockets.remove(socket)
            return loop.unwatch(socket)
        }
        var interest: Readiness = []
        if what & CURL_POLL_IN != 0 { interest.insert(.read) }
        if what & CURL_POLL_OUT != 0 { interest.insert(.write) }
        do {
            try loop.watch(socket, for: interest) { [weak self] readiness in self?.ready(socket, readiness) }
            sockets.insert(socket)
        } catch {  // because the attempt of a socket that cannot be watched ends by its timeout, and says so
            loop.unwatch(socket)
        }
    }

    private func setTimer(_ milliseconds: Int) {
        if let timer { loop.cancel(timer) }
        timer = nil
        guard milliseconds >= 0, !isClosed else { return }
        timer = loop.schedule(at: loop.now + Int64(milliseconds) * 1_000) { [weak self] in
            self?.timer = nil
            self?.act(CURL_SOCKET_TIMEOUT, 0)
        }
    }

    private func ready(_ socket: Int32, _ readiness: Readiness) {
        var bits: Int32 = 0
        if readiness.contains(.read) { bits |= CURL_CSELECT_IN }
        if readiness.contains(.write) { bits |= CURL_CSELECT_OUT }
        if readiness.contains(.hangUp) { bits |= CURL_CSELECT_ERR }
        act(socket, bits)
    }

    private func act(_ socket: Int32, _ bits: Int32) {
        guard !isClosed else { return }
        var running: Int32 = 0
        // What goes wrong with an attempt comes as its message.
        _ = curl_multi_socket_action(multi, socket, bits, &running)
        var ended: [(Attempt, CURLcode)] = []
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle,
                let attempt = attempts[easy]
            else { continue }
            ended.append((attempt, ccurl_message_result(message)))
        }
        // Collected first: what follows from one may cancel another or begin a new one.
        for (attempt, code) in ended where attempts[attempt.easy] === attempt {
            let outcome = Self.outcome(of: attempt, code)
            release(attempt)
            attempt.done(outcome)
        }
    }

    private static func outcome(of attempt: Attempt, _ code: CURLcode) -> SocketOutcome {
        let easy = attempt.easy
        func end(_ host: CURLINFO, _ port: CURLINFO) -> String? {
            guard let text = ccurl_info_text(easy, host).map({ String(cString: $0) }), !text.isEmpty else { return nil }
            return SocketAddress.port(host: text, number: ccurl_info_number(easy, port)).description
        }
        let address = end(CURLINFO_PRIMARY_IP, CURLINFO_PRIMARY_PORT) ?? attempt.address.description
        let words = String(cString: attempt.message)
        switch code {
        case CURLE_OK:
            // The kernel may give a connection to a free local port that very port as its own: it then talks to itself.
            return end(CURLINFO_LOCAL_IP, CURLINFO_LOCAL_PORT) == address
                ? .refused(by: address) : .accepted(by: address)
        case CURLE_OPERATION_TIMEDOUT: return .timedOut
        case CURLE_COULDNT_RESOLVE_HOST: return .unknownName(words)
        case CURLE_COULDNT_CONNECT:
            let number = Int32(truncatingIfNeeded: ccurl_info_number(easy, CURLINFO_OS_ERRNO))
            return number == ECONNREFUSED ? .refused(by: address) : .noConnection(number)
        default:
            return .other(Int(code.rawValue), words.isEmpty ? String(cString: curl_easy_strerror(code)) : words)
        }
    }
}
