// SPDX-License-Identifier: Apache-2.0

import PerchSDK
import Synchronization

/// A runtime that keeps the log and journals nothing, with connections of its own.
final class RecordingRuntime: AttemptRuntime {
    let facts: AttemptFacts
    let lines = Mutex<[String]>([])
    private let connections: [String: Connection]
    /// Called with each line.
    let onLine: @Sendable (String) -> Void

    /// - Parameter element: What a callback is told of, as JSON.
    init(
        _ connections: [String: Connection] = [:], element: String? = nil,
        onLine: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        var facts = AttemptFacts(
            dagID: "d", runID: "r", taskID: "t", logicalDate: Timestamp(microseconds: 1_767_225_600_000_000),
            dataIntervalStart: Timestamp(microseconds: 0), dataIntervalEnd: Timestamp(microseconds: 0),
            params: .object(["name": .string("Ann")]))
        facts.mapElement = element
        self.facts = facts
        self.connections = connections
        self.onLine = onLine
    }

    var now: Timestamp { facts.logicalDate }
    func randomBits() -> UInt64 { 4 }
    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String { try await body() }
    func wait(
        _ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?
    ) async throws -> WaitResult { .timeout }
    func log(_ level: AttemptLogLevel, _ message: String) {
        lines.withLock { $0.append("\(level.rawValue) \(message)") }
        onLine(message)
    }
    func onKill(_ handler: @escaping @Sendable () async throws -> Void) {}
    func connection(_ id: String) async throws -> Connection {
        guard let connection = connections[id] else { throw PerchError(.notFound, "there is no connection '\(id)'") }
        return connection
    }
}
