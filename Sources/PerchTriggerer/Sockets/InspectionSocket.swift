// SPDX-License-Identifier: Apache-2.0

public import Logging
public import PerchReactor
public import PerchSDK

/// Answers, at a socket in the home, what the triggerer knows at this moment: `{"explain": <wait id>}` is answered by
/// `{"explanation": …}` (a coded `WaitExplanation`, or null), `{"summary": true}` by `{"summary": …}` (a coded
/// `TriggererSummary`), `{"metrics": true}` by `{"metrics": "…"}` (the text of Prometheus), anything else by `{"error": "…"}`. It changes nothing, and nothing depends on it.
public actor InspectionSocket {
    /// The triggerer's thread, on which the socket is served.
    public nonisolated let reactor: any Reactor
    /// The reactor's executor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    private let path: String
    private let triggerer: Triggerer
    private let log: Logger
    private let metrics: (@Sendable (TriggererSummary) -> String)?
    private var server: LineServer?

    /// A socket that nobody can reach yet; it is served on the triggerer's thread.
    ///
    /// - Parameter metrics: the process's figures as text, with those of the triggerer; nil where there are none.
    public init(
        path: String, triggerer: Triggerer, log: Logger, metrics: (@Sendable (TriggererSummary) -> String)? = nil
    ) {
        self.metrics = metrics
        self.path = path
        self.triggerer = triggerer
        self.log = log
        reactor = triggerer.reactor
    }

    /// Listens.
    /// - Throws: `PerchError` that names the path: `conflict` where somebody listens there, `unavailable` where the system
    ///   refuses.
    public func start() throws(PerchError) {
        guard server == nil else { return }
        var limits = LineServer.Limits()
        limits.longestLine = 4_096
        server = try LineServer(path: path, loop: reactor.loop, limits: limits) { [weak self] connection, items in
            self?.assumeIsolated { inspection in
                inspection.server?.answer(connection, items.map(inspection.answer))
            }
        }
    }

    /// Closes the socket.
    public func stop() {
        server?.shutDown()
        server = nil
    }

    private func answer(_ item: LineBuffer.Item) -> String {
        do {
            guard case .line(let text) = item, case .object(let request) = try JSONValue(parsing: text) else {
                throw PerchError(.invalid, "a request is an object: {\"explain\": 42} or {\"summary\": true}")
            }
            return try answer(request).text
        } catch {
            log.debug("a request that cannot be answered", metadata: ["error": "\(error)"])
            return JSONValue.object(["error": .string("\(error)")]).text
        }
    }

    private func answer(_ request: [String: JSONValue]) throws -> JSONValue {
        if case .integer(let waitID)? = request["explain"] {
            let explanation = triggerer.assumeIsolated { $0.explain(waitID) }
            return .object(["explanation": try explanation.map { try JSONValue(encoding: $0) } ?? .null])
        }
        if case .bool(true)? = request["summary"] {
            return .object(["summary": try JSONValue(encoding: triggerer.assumeIsolated { $0.summary() })])
        }
        if case .bool(true)? = request["metrics"] {
            guard let metrics else { throw PerchError(.unavailable, "this process keeps no metrics") }
            return .object(["metrics": .string(metrics(triggerer.assumeIsolated { $0.summary() }))])
        }
        throw PerchError(.invalid, "a request is {\"explain\": 42}, {\"summary\": true} or {\"metrics\": true}")
    }
}
