// SPDX-License-Identifier: Apache-2.0

internal import CCurl

/// Saying how a request ended.
extension CurlMulti {
    static func outcome(of transfer: Transfer, _ code: CURLcode) -> HTTPOutcome {
        let easy = transfer.easy
        return HTTPOutcome(
            fault: fault(of: transfer, code), status: ccurl_info_number(easy, CURLINFO_RESPONSE_CODE),
            headers: transfer.headers, body: transfer.body,
            redirect: ccurl_info_text(easy, CURLINFO_REDIRECT_URL).map { String(cString: $0) })
    }

    private static func fault(of transfer: Transfer, _ code: CURLcode) -> HTTPFault? {
        guard code != CURLE_OK else { return nil }
        if transfer.isBodyTooLong { return .bodyTooLong }
        if transfer.areHeadersTooLong { return .headersTooLong }
        let message = String(cString: transfer.message)
        let words = message.isEmpty ? String(cString: curl_easy_strerror(code)) : message
        switch code {
        case CURLE_OPERATION_TIMEDOUT:
            // Nothing was sent: there was nobody to send it to.
            return ccurl_info_number(transfer.easy, CURLINFO_REQUEST_SIZE) == 0 ? .connectTimedOut : .timedOut
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return .unknownName(words)
        case CURLE_COULDNT_CONNECT:
            return .noConnection(Int32(truncatingIfNeeded: ccurl_info_number(transfer.easy, CURLINFO_OS_ERRNO)))
        case CURLE_GOT_NOTHING: return .noAnswer
        case CURLE_PARTIAL_FILE: return .partialBody
        case CURLE_RECV_ERROR, CURLE_SEND_ERROR: return .broken(words)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_INVALIDCERTSTATUS:
            return .tls(words)
        default: return .other(Int(code.rawValue), words)
        }
    }
}
