// SPDX-License-Identifier: Apache-2.0

internal import PerchReactor
internal import PerchSDK

/// Holding connections, and judging what comes by them.
extension StreamSource {
    private static let mostRedirects = 10

    func connect(_ channel: StreamChannel, at instant: Int64) {
        stopTimer(channel)
        channel.nextAt = instant
        channel.timer = loop.schedule(at: instant) { [weak self, weak channel] in
            guard let self, let channel else { return }
            channel.timer = nil
            channel.nextAt = nil
            channel.redirects = 0
            channel.connections += 1
            request(channel, url: channel.key.url)
        }
    }

    func close(_ channel: StreamChannel) {
        stopTimer(channel)
        channel.transfer?.cancel()
        channel.transfer = nil
        channel.isOpen = false
    }

    private func stopTimer(_ channel: StreamChannel) {
        if let timer = channel.timer { loop.cancel(timer) }
        channel.timer = nil
    }

    private func request(_ channel: StreamChannel, url: String) {
        channel.isOpen = false
        channel.heardAt = loop.now
        channel.parser = EventStreamParser(lastID: channel.lastID, limit: options.eventLimit)
        do {
            // Secrets are for the host that they were meant for.
            let isHome = try url == channel.key.url || HTTPAddress(url).origin == HTTPAddress(channel.key.url).origin
            var headers = channel.headers.filter { isHome || !$0.isSecret }.map { (name: $0.name, value: $0.value) }
            headers.append(("Accept", "text/event-stream"))
            headers.append(("Cache-Control", "no-store"))
            if !channel.lastID.isEmpty { headers.append(("Last-Event-ID", channel.lastID)) }
            var request = HTTPRequest(
                method: "GET", url: url, headers: headers, body: nil, timeout: TimeSpan(microseconds: 0),
                bodyLimit: 0, proxy: channel.key.proxy, ca: channel.key.ca)
            request.stream = { [weak self, weak channel] status, headers, bytes in
                guard let self, let channel else { return }
                take(channel, status, headers, bytes)
            }
            guard let transport else { return }
            channel.transfer = try transport.start(request) { [weak self, weak channel] outcome in
                guard let self, let channel else { return }
                ended(channel, outcome)
            }
            watchSilence(channel)
        } catch {
            failed(channel, "\(error)")
        }
    }

    /// A connection on which nothing comes any more may have died unseen.
    private func watchSilence(_ channel: StreamChannel) {
        stopTimer(channel)
        let silence = TimeSpan(options.longestSilence).microseconds
        channel.timer = loop.schedule(at: channel.heardAt + silence) { [weak self, weak channel] in
            guard let self, let channel else { return }
            channel.timer = nil
            guard loop.now - channel.heardAt >= silence else { return watchSilence(channel) }
            channel.transfer?.cancel()
            failed(channel, "nothing came for \(TimeSpan(microseconds: silence))")
        }
    }

    private func take(_ channel: StreamChannel, _ status: Int, _ headers: [String: String], _ bytes: [UInt8]) {
        guard channel.transfer != nil, status == 200, Self.isStream(headers) else { return }
        channel.heardAt = loop.now
        if !channel.isOpen {
            channel.isOpen = true
            channel.failures = 0
            channel.lastResult = "connected"
            report(.probed(state(of: channel)))
        }
        do {
            guard let events = try channel.parser?.take(bytes) else { return }
            channel.lastID = channel.parser?.lastID ?? channel.lastID
            if let retry = channel.parser?.retry { channel.retry = min(max(retry, 100), 3_600_000) * 1_000 }
            for event in events { judge(event, channel) }
            store(channel)
        } catch {
            channel.transfer?.cancel()
            failed(channel, "an event is larger than \(options.eventLimit) bytes")
        }
    }

    private func judge(_ event: StreamEvent, _ channel: StreamChannel) {
        channel.events += 1
        var read: JSONValue??
        func json() -> JSONValue? {
            if let read { return read }
            let value = try? JSONValue(parsing: Array(event.data.utf8))  // because data need not be JSON
            read = .some(value)
            return value
        }
        let fired = channel.waits.filter { $0.key.isMet(by: event, json) }.flatMap(\.value).sorted()
        guard !fired.isEmpty else { return }
        let payload: JSONValue = .object([
            "event": .string(event.event), "id": .string(event.id), "data": .string(event.data),
        ])
        for waitID in fired { remove(waitID) }
        for waitID in fired { report(.fired(waitID: waitID, payload: payload)) }
    }

    /// The last id outlives a restart, not each on its own: what is heard twice is judged twice, in the same way.
    private func store(_ channel: StreamChannel) {
        let now = loop.now
        guard channel.lastID != channel.storedID else { return }
        guard now >= channel.storeAt || channel.storeAt - now > 3_600_000_000 else { return }
        channel.storedID = channel.lastID
        channel.storeAt = now + TimeSpan(options.storeEvery).microseconds
        let progress: JSONValue = .object(["last_id": .string(channel.lastID)])
        for waitID in channel.waits.values.flatMap(\.self).sorted() {
            report(.progressed(waitID: waitID, progress: progress))
        }
    }

    private static func isStream(_ headers: [String: String]) -> Bool {
        (headers["content-type"] ?? "").lowercased().hasPrefix("text/event-stream")
    }

    private func ended(_ channel: StreamChannel, _ outcome: HTTPOutcome) {
        guard channel.transfer != nil else { return }
        channel.transfer = nil
        stopTimer(channel)
        if channel.isOpen { return failed(channel, "the stream ended") }
        if let fault = outcome.fault { return failed(channel, Self.words(fault)) }
        if (301...308).contains(outcome.status), let next = outcome.redirect {
            channel.redirects += 1
            guard channel.redirects <= Self.mostRedirects else { return failed(channel, "redirected too often") }
            return request(channel, url: next)
        }
        guard outcome.status != 204 else {
            // How a server says that there is nothing more to come.
            let ended = channel.waits.values.flatMap(\.self).sorted()
            for waitID in ended { remove(waitID) }
            let message = "the server has ended the stream \(HTTPAddress.shown(channel.key.url)) for good (204)"
            for waitID in ended { report(.broken(waitID: waitID, message: message)) }
            return
        }
        let type = outcome.status == 200 ? ", not a text/event-stream" : ""
        failed(channel, "\(outcome.status)\(type)")
    }

    /// The connection is over; the next one comes later, ever later while none brings anything.
    private func failed(_ channel: StreamChannel, _ words: String) {
        channel.transfer = nil
        if !channel.isOpen || words != "the stream ended" { channel.failures += 1 }
        channel.isOpen = false
        channel.lastResult = words
        let longest = max(TimeSpan(options.longestBackOff).microseconds, channel.retry)
        let span = min(channel.retry << Int64(min(max(channel.failures - 1, 0), 12)), longest)
        connect(channel, at: loop.now + span - span / 10 + loop.random(in: 0...(span / 5)))
        report(.probed(state(of: channel)))
    }

    private static func words(_ fault: HTTPFault) -> String {
        switch fault {
        case .bodyTooLong, .headersTooLong: "the answer is too large"
        case .timedOut, .connectTimedOut: "no connection in time"
        case .unknownName(let words): "the host's name is not known: \(words)"
        case .noConnection(let number): "no connection: \(ReactorError.text(of: number))"
        case .noAnswer: "the connection was closed without an answer"
        case .partialBody: "the connection was closed in the middle"
        case .broken(let words): "the connection broke: \(words)"
        case .tls(let words): "TLS: \(words)"
        case .other(_, let words): words
        }
    }
}
