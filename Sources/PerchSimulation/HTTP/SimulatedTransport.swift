// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchReactor
internal import PerchSDK
package import PerchTriggersHTTP

/// How one process reaches the servers of a simulated world. Closed or dead, it delivers nothing.
///
/// Unchecked, because a simulation runs on one thread.
package final class SimulatedTransport: HTTPTransport, @unchecked Sendable {
    private final class Transfer: HTTPTransfer {
        weak var transport: SimulatedTransport?
        let number: UInt64
        var timer: LoopTimer?

        init(_ transport: SimulatedTransport, _ number: UInt64) {
            self.transport = transport
            self.number = number
        }

        func cancel() { transport?.cancel(self) }
    }

    private let servers: SimulatedHTTP
    private let loop: any EventLoop
    private var transfers: [UInt64: Transfer] = [:]
    private var lastNumber: UInt64 = 0
    private var isClosed = false

    init(_ servers: SimulatedHTTP, loop: any EventLoop) {
        self.servers = servers
        self.loop = loop
    }

    package var socketCount: Int { transfers.count }

    package func start(_ request: HTTPRequest, done: @escaping (HTTPOutcome) -> Void) throws -> any HTTPTransfer {
        lastNumber += 1
        let transfer = Transfer(self, lastNumber)
        guard !isClosed else { return transfer }
        transfers[lastNumber] = transfer
        servers.began()
        let now = loop.now
        let answer = servers.answer(request, at: now)
        var latency = answer.latency?.microseconds ?? loop.random(in: servers.latency)
        var outcome = Self.outcome(of: answer, to: request)
        // As libcurl counts it: in whole milliseconds, at least one.
        let timeout =
            request.stream == nil ? max(1, request.timeout.microseconds / 1_000) * 1_000 : 30_000_000
        if answer.fault == .hang || answer.fault == .silence || latency >= timeout {
            latency = timeout
            outcome = HTTPOutcome(fault: answer.fault == .silence ? .connectTimedOut : .timedOut)
        }
        transfer.timer = loop.schedule(at: now + max(0, latency)) { [weak self] in
            guard let self, transfers.removeValue(forKey: transfer.number) != nil else { return }
            servers.ended()
            if let stream = request.stream, outcome.fault == nil {
                stream(outcome.status, outcome.headers, outcome.body)
                outcome.body = []
            }
            done(outcome)
        }
        return transfer
    }

    private func cancel(_ transfer: Transfer) {
        guard transfers.removeValue(forKey: transfer.number) != nil else { return }
        servers.ended()
        if let timer = transfer.timer { loop.cancel(timer) }
    }

    package func close() {
        for number in transfers.keys.sorted() { if let transfer = transfers[number] { cancel(transfer) } }
        isClosed = true
    }

    /// The process was killed, and its loop with it: nothing arrives any more, and it asks for nothing.
    package func die() {
        for _ in transfers { servers.ended() }
        transfers = [:]
        isClosed = true
    }

    private static func outcome(of answer: SimulatedAnswer, to request: HTTPRequest) -> HTTPOutcome {
        switch answer.fault {
        case .hang: return HTTPOutcome(fault: .timedOut)
        case .silence: return HTTPOutcome(fault: .connectTimedOut)
        case .refused: return HTTPOutcome(fault: .noConnection(ECONNREFUSED))
        case .unknownName: return HTTPOutcome(fault: .unknownName("Could not resolve host"))
        case .noAnswer: return HTTPOutcome(fault: .noAnswer)
        case .reset: return HTTPOutcome(fault: .broken("Recv failure: Connection reset by peer"))
        case .resetInBody:
            return HTTPOutcome(fault: .broken("Recv failure: Connection reset by peer"), status: answer.status)
        case .partialBody: return HTTPOutcome(fault: .partialBody, status: answer.status)
        case .tls: return HTTPOutcome(fault: .tls("certificate has expired"))
        case nil: break
        }
        var headers: [String: String] = [:]
        for (name, value) in answer.headers {
            let name = name.lowercased()
            headers[name] = headers[name].map { "\($0), \(value)" } ?? value
        }
        let body = request.method == "HEAD" ? [] : answer.body
        guard request.stream != nil || body.count <= request.bodyLimit else {
            return HTTPOutcome(fault: .bodyTooLong, status: answer.status, headers: headers)
        }
        return HTTPOutcome(
            status: answer.status, headers: headers, body: body,
            redirect: headers["location"].map { absolute($0, from: request.url) })
    }

    /// A location as a URL of its own.
    private static func absolute(_ location: String, from url: String) -> String {
        guard !location.contains("://"), let scheme = url.firstRange(of: "://") else { return location }
        let path = url[scheme.upperBound...].firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? url.endIndex
        if location.hasPrefix("/") { return url[..<path] + location }
        let directory = url[path...].prefix { $0 != "?" && $0 != "#" }.lastIndex(of: "/") ?? path
        return "\(url[..<directory])/\(location)"
    }
}
