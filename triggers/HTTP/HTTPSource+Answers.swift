// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK

/// Making a request, following where it is redirected to, and saying how it ended.
extension HTTPSource {
    /// What came of a probe.
    private enum Result {
        case answer(HTTPAnswer)
        /// The last answer stands.
        case unchanged
        /// Nobody was met at the host.
        case missed(kind: String, String)
        /// No answer that could be looked at. `kind` tells classes of failures apart.
        case failure(kind: String, String)
        /// An answer that is too large to be looked at; asking again is no harm.
        case unreadable(kind: String, String)
    }

    private static let mostRedirects = 10

    func request(_ probe: HTTPProbe, url: String, method: String, body: String?) {
        do {
            // The clock may have been set back since.
            let left = min(probe.startedAt + probe.timeout - loop.now, probe.timeout)
            guard left > 0 else { return end(probe, timedOut(probe)) }
            guard let transport else { return }
            let headers = try headers(of: probe, for: url, hasBody: body != nil)
            probe.transfer = try transport.start(
                HTTPRequest(
                    method: method, url: url, headers: headers, body: body,
                    timeout: TimeSpan(microseconds: left), bodyLimit: options.bodyLimit, proxy: probe.key.proxy,
                    ca: probe.key.ca)
            ) { [weak self] outcome in
                self?.ended(probe, outcome, url: url, method: method, body: body)
            }
        } catch {
            // Ends in a later turn, as requests do: nobody expects it from within.
            loop.enqueue { [weak self] in
                guard probe.activity == .asking, probe.transfer == nil else { return }
                self?.end(probe, .failure(kind: "request", "\(error)"))
            }
        }
    }

    private func headers(
        of probe: HTTPProbe, for url: String, hasBody: Bool
    ) throws -> [(name: String, value: String)] {
        if probe.visited.isEmpty {
            let headers = probe.homeHeaders + probe.traceHeaders
            guard probe.isConditional, let validators = probe.validators else { return headers }
            return headers + validators.headers
        }
        // Secrets are for the host that they were meant for.
        let isHome = try HTTPAddress(url).origin == probe.origin
        return probe.headers.filter { header in
            (isHome || !header.isSecret) && (hasBody || header.name.lowercased() != "content-type")
        }.map { ($0.name, $0.value) }
    }

    private func ended(_ probe: HTTPProbe, _ outcome: HTTPOutcome, url: String, method: String, body: String?) {
        probe.transfer = nil
        if let fault = outcome.fault { return end(probe, failure(fault, outcome.status, probe)) }
        if outcome.status == 304, probe.isConditional {
            guard probe.isUnjudged else { return end(probe, .unchanged) }
            // A wait that has come meanwhile has not seen the answer that still stands.
            probe.isConditional = false
            probe.host.charge(now: loop.now)
            return request(probe, url: url, method: method, body: body)
        }
        guard outcome.status >= 301, outcome.status <= 308, ![304, 305, 306].contains(outcome.status),
            let next = outcome.redirect
        else { return end(probe, .answer(HTTPAnswer(outcome))) }
        // As browsers do it: the answer to a form is fetched, everything else is asked again as it was.
        let isFetched = outcome.status == 303 && method != "HEAD" || outcome.status < 303 && method == "POST"
        follow(probe, to: next, method: isFetched ? "GET" : method, body: isFetched ? nil : body)
    }

    private func follow(_ probe: HTTPProbe, to url: String, method: String, body: String?) {
        let shown = HTTPAddress.shown(url)
        probe.isConditional = false
        if url == probe.key.url || probe.visited.contains(url), method == "GET" || method == "HEAD" {
            return end(
                probe,
                .failure(kind: "redirect", "redirected in a circle, back to \(shown) after \(probe.visited.count + 1)"))
        }
        guard probe.visited.count < Self.mostRedirects else {
            return end(
                probe,
                .failure(kind: "redirect", "redirected more than \(Self.mostRedirects) times, at last to \(shown)"))
        }
        do {
            // A hop at home is one more of the requests that the host gets.
            if try HTTPAddress(url).origin == probe.origin { probe.host.charge(now: loop.now) }
        } catch {
            return end(probe, .failure(kind: "redirect", "redirected to what is not asked: \(error.message)"))
        }
        probe.visited.append(url)
        request(probe, url: url, method: method, body: body)
    }

    private func timedOut(_ probe: HTTPProbe) -> Result {
        .failure(kind: "timeout", "timed out after \(TimeSpan(microseconds: probe.timeout))")
    }

    /// The words for what went wrong.
    private func failure(_ fault: HTTPFault, _ status: Int, _ probe: HTTPProbe) -> Result {
        switch fault {
        case .bodyTooLong:
            .unreadable(kind: "large", "\(status), body larger than \(options.bodyLimit) bytes")
        case .headersTooLong: .unreadable(kind: "large", "\(status), headers too large")
        case .timedOut: timedOut(probe)
        case .connectTimedOut:
            missed(
                probe, kind: "connect timeout", "no connection within \(TimeSpan(microseconds: probe.timeout))")
        case .unknownName(let words): missed(probe, kind: "name", "the host's name is not known: \(words)")
        case .noConnection(ECONNREFUSED): missed(probe, kind: "connect", "connection refused")
        case .noConnection(let number):
            missed(probe, kind: "connect", "no connection: \(ReactorError.text(of: number))")
        case .noAnswer: .failure(kind: "empty", "the connection was closed without an answer")
        case .partialBody:
            .failure(kind: "partial", "\(status), the connection was closed in the middle of the body")
        case .broken(let words): .failure(kind: "reset", "the connection broke: \(words)")
        case .tls(let words): .failure(kind: "tls", "TLS: \(words)")
        case .other(let number, let words): .failure(kind: "curl \(number)", words)
        }
    }

    /// Nobody was met: at the host itself, or where it had redirected to, which says nothing about the host.
    private func missed(_ probe: HTTPProbe, kind: String, _ words: String) -> Result {
        probe.visited.isEmpty ? .missed(kind: kind, words) : .failure(kind: kind, words)
    }

    /// A probe is over: its waits that have what they wait for fire, the others go on.
    private func end(_ probe: HTTPProbe, _ result: Result) {
        guard probe.activity == .asking else { return }
        probe.probes += 1
        probe.lastAt = loop.now
        var fired: [Int64] = []
        var payload: JSONValue = .null
        var patience: Int64 = 0
        let kind: String
        var isAnswered = false
        switch result {
        case .answer(let answer):
            isAnswered = true
            fired = probe.conditions.filter { $0.key.evaluate(answer) }.flatMap(\.value).sorted()
            if !fired.isEmpty { payload = Self.payload(of: answer) }
            // What a redirect led to has validators of its own.
            let isDirect = probe.mayBeConditional && probe.visited.isEmpty
            probe.judged(answer, keeping: isDirect ? HTTPValidators(answer) : nil)
            patience = self.patience(answer)
            if answer.status == 429, patience > 0 { block(probe.host, for: patience) }
            // A server in trouble is given room; any other answer shows that it is well.
            probe.failures = answer.status >= 500 || answer.status == 429 ? probe.failures + 1 : 0
            kind = "\(answer.status)"
            // Those that stay are those whose condition was not met.
            let isOver = fired.count == probe.count
            probe.lastResult = "\(answer.status), condition \(isOver ? "met" : "not met")"
            met(probe)
        case .unchanged:
            isAnswered = true
            probe.failures = 0
            probe.count(unchanged: true)
            kind = "304"
            probe.lastResult = "\(probe.validators?.status ?? 200) as before (304), condition not met"
            met(probe)
        case .unreadable(let what, let text):
            probe.failures = 0
            probe.forgetAnswer()
            (kind, probe.lastResult) = (what, text)
            met(probe)
        case .failure(let what, let text):
            probe.failures += 1
            (kind, probe.lastResult) = (what, text)
        case .missed(let what, let text):
            // The host is tried more seldom, not this probe.
            (kind, probe.lastResult) = (what, text)
            missed(probe, text)
        }
        options.meter?.probed(
            took: max(0, loop.now - probe.startedAt), !fired.isEmpty ? .met : isAnswered ? .unmet : .failed)
        leave(probe)
        for waitID in fired { remove(waitID) }
        if probe.count > 0 {
            scheduleNext(probe, patience: patience)
            arm()
        }
        tell(probe, kind)
        for waitID in fired { report(.fired(waitID: waitID, payload: payload)) }
        let asked = probe.asked
        probe.asked = []
        for done in asked { done() }
    }

    private static func payload(of answer: HTTPAnswer) -> JSONValue {
        .object([
            "status": .integer(Int64(answer.status)), "headers": .object(answer.headers.mapValues { .string($0) }),
            "body": .string(answer.text),
        ])
    }

    /// Reports how the probe stands when the class of its answer has changed, and else every ten seconds.
    private func tell(_ probe: HTTPProbe, _ kind: String) {
        let now = loop.now
        guard kind != probe.lastClass || now - probe.reportedAt >= 10_000_000 else { return }
        probe.lastClass = kind
        probe.reportedAt = now
        report(.probed(state(of: probe)))
    }
}
