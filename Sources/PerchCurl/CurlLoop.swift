// SPDX-License-Identifier: Apache-2.0

package import CCurl
package import PerchReactor
internal import PerchSDK

/// One libcurl multi handle on an event loop, through its socket interface. Whoever uses it makes the handles of requests,
/// and is told when one has ended.
package final class CurlLoop {
    /// A request's handle while it is added.
    private final class Entry {
        let ended: (CURLcode) -> Void
        init(_ ended: @escaping (CURLcode) -> Void) { self.ended = ended }
    }

    private static let isSetUp: Bool = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    private let loop: any EventLoop
    private let multi: UnsafeMutableRawPointer
    private var entries: [UnsafeMutableRawPointer: Entry] = [:]
    private var timer: LoopTimer?
    private var sockets: Set<Int32> = []
    private var isClosed = false
    /// Called each time libcurl has worked, before requests that have ended are told of.
    package var onTurn: (() -> Void)?

    /// - Throws: `PerchError` where libcurl cannot be set up.
    package init(loop: any EventLoop) throws {
        guard Self.isSetUp, let multi = curl_multi_init() else {
            throw PerchError(.unavailable, "libcurl cannot be set up")
        }
        self.loop = loop
        self.multi = multi
        let context = Unmanaged.passUnretained(self).toOpaque()
        ccurl_multi_on_socket(multi, Self.onSocket, context)
        ccurl_multi_on_timer(multi, Self.onTimer, context)
    }

    /// Sets an option of the multi handle.
    package func set(_ option: CURLMoption, _ value: Int) { ccurl_multi_number(multi, option, value) }

    /// How many sockets are watched.
    package var socketCount: Int { sockets.count }

    /// Begins a request. `ended` is called in a later turn of the loop; the handle is still added then.
    /// - Throws: `PerchError` where libcurl does not take it; the handle is the caller's then.
    package func add(_ easy: UnsafeMutableRawPointer, ended: @escaping (CURLcode) -> Void) throws {
        let result = curl_multi_add_handle(multi, easy)
        guard result == CURLM_OK else {
            throw PerchError(.unavailable, "libcurl: \(String(cString: curl_multi_strerror(result)))")
        }
        entries[easy] = Entry(ended)
    }

    /// Takes a request out, whether it has ended or not; its `ended` is not called any more.
    package func remove(_ easy: UnsafeMutableRawPointer) {
        guard entries.removeValue(forKey: easy) != nil else { return }
        curl_multi_remove_handle(multi, easy)
    }

    /// Ends. The handles of requests have to be taken out before.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        curl_multi_cleanup(multi)
        for socket in sockets { loop.unwatch(socket) }
        sockets = []
        if let timer { loop.cancel(timer) }
        timer = nil
        onTurn = nil
    }

    deinit { close() }

    // MARK: What libcurl asks of the loop

    private static let onSocket: curl_socket_callback = { _, socket, what, context, _ in
        guard let context else { return 0 }
        Unmanaged<CurlLoop>.fromOpaque(context).takeUnretainedValue().follow(socket, what)
        return 0
    }

    private static let onTimer: curl_multi_timer_callback = { _, milliseconds, context in
        guard let context else { return 0 }
        Unmanaged<CurlLoop>.fromOpaque(context).takeUnretainedValue().setTimer(milliseconds)
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
        } catch {  // because the request of a socket that cannot be watched ends by its timeout, and says so
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
        // What goes wrong with a request comes as its message.
        _ = curl_multi_socket_action(multi, socket, bits, &running)
        onTurn?()
        guard !isClosed else { return }
        var ended: [(UnsafeMutableRawPointer, Entry, CURLcode)] = []
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle, let entry = entries[easy]
            else { continue }
            ended.append((easy, entry, ccurl_message_result(message)))
        }
        // Collected first: what follows from one may take another out or begin a new one.
        for (easy, entry, code) in ended where entries[easy] === entry { entry.ended(code) }
    }
}
