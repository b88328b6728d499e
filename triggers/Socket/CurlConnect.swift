// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import Glibc
internal import PerchCurl
internal import PerchReactor
internal import PerchSDK

/// Tries TCP connections through libcurl: names are looked up on its threads, and all addresses of a name are tried. Where
/// it is wanted, it shakes hands by TLS and takes the server's certificate.
final class CurlConnect {
    /// A connection that is tried.
    final class Attempt: SocketAttempt {
        private weak var owner: CurlConnect?
        fileprivate let target: SocketTarget
        fileprivate let easy: UnsafeMutableRawPointer
        fileprivate let message: UnsafeMutablePointer<CChar>

        fileprivate init(_ target: SocketTarget, _ owner: CurlConnect, _ easy: UnsafeMutableRawPointer) {
            self.target = target
            self.owner = owner
            self.easy = easy
            message = .allocate(capacity: Int(CURL_ERROR_SIZE))
            message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        }

        func cancel() { owner?.release(self) }

        deinit { message.deallocate() }
    }

    private let curl: CurlLoop
    private var attempts: [UnsafeMutableRawPointer: Attempt] = [:]

    /// - Throws: `PerchError` where libcurl cannot be set up.
    init(loop: any EventLoop) throws {
        curl = try CurlLoop(loop: loop)
    }

    func connect(
        to target: SocketTarget, timeout: TimeSpan, done: @escaping (SocketOutcome) -> Void
    ) throws -> any SocketAttempt {
        guard let easy = curl_easy_init() else {
            throw PerchError(.unavailable, "libcurl gives no more connections")
        }
        let attempt = Attempt(target, self, easy)
        setUp(attempt, timeout)
        do {
            try curl.add(easy) { [weak self] code in
                let outcome = Self.outcome(of: attempt, code)
                self?.release(attempt)
                done(outcome)
            }
        } catch {
            curl_easy_cleanup(easy)
            throw error
        }
        attempts[easy] = attempt
        return attempt
    }

    private func setUp(_ attempt: Attempt, _ timeout: TimeSpan) {
        let easy = attempt.easy
        let scheme = attempt.target.isTLS ? "https" : "http"
        ccurl_request_text(easy, CURLOPT_URL, "\(scheme)://\(attempt.target.address)/")
        ccurl_request_text(easy, CURLOPT_PROTOCOLS_STR, scheme)
        ccurl_request_number(easy, CURLOPT_CONNECT_ONLY, 1)
        if attempt.target.isTLS {
            // It is looked at, whoever vouches for it, and where it has ended.
            ccurl_request_number(easy, CURLOPT_CERTINFO, 1)
            ccurl_request_number(easy, CURLOPT_SSL_VERIFYPEER, 0)
            ccurl_request_number(easy, CURLOPT_SSL_VERIFYHOST, 0)
            // What a session before showed is not what the server shows now.
            ccurl_request_number(easy, CURLOPT_SSL_SESSIONID_CACHE, 0)
        }
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

    /// Closes the connection with the handle: one that was only made serves nobody else.
    private func release(_ attempt: Attempt) {
        guard attempts[attempt.easy] === attempt else { return }
        attempts[attempt.easy] = nil
        curl.remove(attempt.easy)
        curl_easy_cleanup(attempt.easy)
    }

    func close() {
        for attempt in attempts.values { release(attempt) }
        curl.close()
    }

    deinit { close() }

    // MARK: How it ended

    private static func outcome(of attempt: Attempt, _ code: CURLcode) -> SocketOutcome {
        let easy = attempt.easy
        func end(_ host: CURLINFO, _ port: CURLINFO) -> String? {
            guard let text = ccurl_info_text(easy, host).map({ String(cString: $0) }), !text.isEmpty else { return nil }
            return SocketAddress.port(host: text, number: ccurl_info_number(easy, port)).description
        }
        let address = end(CURLINFO_PRIMARY_IP, CURLINFO_PRIMARY_PORT) ?? attempt.target.address.description
        let words = String(cString: attempt.message)
        switch code {
        case CURLE_OK:
            // The kernel may give a connection to a free local port that very port as its own: it then talks to itself.
            if end(CURLINFO_LOCAL_IP, CURLINFO_LOCAL_PORT) == address { return .refused(by: address) }
            guard attempt.target.isTLS else { return .accepted(by: address) }
            return certificate(easy).map { .shown($0, by: address) } ?? .other(0, "it has shown no certificate")
        case CURLE_OPERATION_TIMEDOUT: return .timedOut
        case CURLE_COULDNT_RESOLVE_HOST: return .unknownName(words)
        case CURLE_COULDNT_CONNECT:
            let number = Int32(truncatingIfNeeded: ccurl_info_number(easy, CURLINFO_OS_ERRNO))
            return number == ECONNREFUSED ? .refused(by: address) : .noConnection(number)
        default:
            return .other(Int(code.rawValue), words.isEmpty ? String(cString: curl_easy_strerror(code)) : words)
        }
    }

    /// The server's own certificate, the first of its chain.
    private static func certificate(_ easy: UnsafeMutableRawPointer) -> ServerCertificate? {
        guard let chain = ccurl_info_certificates(easy), chain.pointee.num_of_certs > 0,
            let lists = chain.pointee.certinfo
        else { return nil }
        var fields: [String: String] = [:]
        var line = lists[0]
        while let current = line {
            if let data = current.pointee.data {
                let parts = String(cString: data).split(separator: ":", maxSplits: 1).map(String.init)
                if parts.count == 2 { fields[parts[0]] = parts[1] }
            }
            line = current.pointee.next
        }
        guard let from = fields["Start date"].flatMap(instant), let until = fields["Expire date"].flatMap(instant)
        else { return nil }
        return ServerCertificate(
            subject: fields["Subject"] ?? "", issuer: fields["Issuer"] ?? "", notBefore: from, notAfter: until)
    }

    private static func instant(_ text: String) -> Timestamp? {
        let seconds = curl_getdate(text, nil)
        return seconds == -1 ? nil : Timestamp(microseconds: Int64(seconds) * 1_000_000)
    }
}
