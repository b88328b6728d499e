// SPDX-License-Identifier: Apache-2.0

internal import CCurl
internal import PerchSDK

/// One transfer through libcurl that blocks its thread: what requests and mails have in common.
///
/// libcurl and not URLSession: the bundle has it for its waits anyway, while FoundationNetworking costs megabytes.
final class CurlTransfer {
    let handle: UnsafeMutableRawPointer
    private let stop: StopSignal
    private let message: UnsafeMutablePointer<CChar>
    private static let isSetUp: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// - Throws: `PerchError` (`unavailable`) where libcurl has no memory.
    init(_ stop: StopSignal, timeout: Duration) throws {
        guard Self.isSetUp, let handle = curl_easy_init() else {
            throw PerchError(.unavailable, "libcurl cannot be set up")
        }
        self.handle = handle
        self.stop = stop
        message = .allocate(capacity: Int(CURL_ERROR_SIZE))
        message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        ccurl_request_pointer(handle, CURLOPT_ERRORBUFFER, message)
        number(CURLOPT_TIMEOUT_MS, Int(max(1, TimeSpan(timeout).microseconds / 1_000)))
        number(CURLOPT_NOSIGNAL, 1)
        number(CURLOPT_NOPROGRESS, 0)
        ccurl_request_pointer(handle, CURLOPT_XFERINFODATA, Unmanaged.passUnretained(stop).toOpaque())
        ccurl_request_on_progress(handle) { context, _, _, _, _ in
            guard let context else { return 0 }
            return Unmanaged<StopSignal>.fromOpaque(context).takeUnretainedValue().isRaised ? 1 : 0
        }
    }

    deinit {
        curl_easy_cleanup(handle)
        message.deallocate()
    }

    func text(_ option: CURLoption, _ value: String) { ccurl_request_text(handle, option, value) }
    func number(_ option: CURLoption, _ value: Int) { ccurl_request_number(handle, option, value) }

    /// Calls with what arrives, or with room for what is to be sent; `context` must outlive the transfer.
    func on(
        _ function: CURLoption, _ data: CURLoption, _ context: AnyObject, _ taker: @escaping ccurl_request_taker
    ) {
        ccurl_request_pointer(handle, data, Unmanaged.passUnretained(context).toOpaque())
        ccurl_request_on_data(handle, function, taker)
    }

    /// Makes the transfer; gives why it failed, or nil. It ends within a second once it is to stop.
    /// - Throws: `CancellationError` where it was stopped.
    func perform() throws -> String? {
        let result = withExtendedLifetime(stop) { curl_easy_perform(handle) }
        if result == CURLE_OK { return nil }
        try stop.check()
        let detail = String(cString: message)
        return detail.isEmpty ? String(cString: curl_easy_strerror(result)) : detail
    }

    /// The number of the last answer.
    var status: Int {
        var status = 0
        ccurl_request_status(handle, &status)
        return status
    }
}
