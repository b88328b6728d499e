// SPDX-License-Identifier: Apache-2.0
import PerchSDK
import Synchronization

/// A runtime against memory: one dispatch after another on one journal.
final class MemoryRuntime: AttemptRuntime {
    struct State {
        var journal: [String: String] = [:]
        var counts: [String: Int] = [:]
        var waits: [String: TriggerSpec] = [:]
        var outcomes: [String: WaitResult] = [:]
        var timeouts: [String: TimeSpan?] = [:]
        var kept: Set<String> = []
        var lines: [String] = []
        var killHandlers: [@Sendable () async throws -> Void] = []
        var random = Seeded(9)
    }

    let facts: AttemptFacts
    let state = Mutex(State())

    init(_ facts: AttemptFacts) { self.facts = facts }

    convenience init(taskID: String = "task", tryNumber: Int = 1, mapIndex: Int = -1, params: JSONValue = [:]) {
        let date = Timestamp(microseconds: 1_767_225_600_000_000)
        self.init(
            AttemptFacts(
                dagID: "dag", runID: "run", taskID: taskID, mapIndex: mapIndex, tryNumber: tryNumber, logicalDate: date,
                dataIntervalStart: date + .seconds(-86_400), dataIntervalEnd: date, params: params))
    }

    /// Starts the next dispatch: the journal stays.
    func dispatch() -> TaskContext {
        state.withLock { $0.counts = [:] }
        return TaskContext(runtime: self)
    }

    private func key(_ name: String, _ scope: [String]) -> String {
        let full = (scope + [name]).joined(separator: "/")
        return state.withLock { state in
            defer { state.counts[full, default: 0] += 1 }
            return "\(full)#\(state.counts[full, default: 0])"
        }
    }

    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String {
        let key = key(name, scope)
        if let known = state.withLock({ $0.journal[key] }) { return known }
        let result = try await body()
        state.withLock { state in
            state.journal[key] = result
            if keepAcrossRetries { state.kept.insert(key) }
        }
        return result
    }

    func wait(_ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?) async throws -> WaitResult
    {
        let key = key(name, scope)
        if let outcome = state.withLock({ $0.outcomes[key] }) { return outcome }
        state.withLock { state in
            state.waits[key] = trigger
            state.timeouts[key] = timeout
        }
        throw Suspension(key: key)
    }

    func log(_ level: AttemptLogLevel, _ message: String) {
        state.withLock { $0.lines.append("\(level.rawValue): \(message)") }
    }

    var now: Timestamp { facts.logicalDate + .seconds(Int64(state.withLock { $0.journal.count })) }
    func randomBits() -> UInt64 { state.withLock { $0.random.next() } }
    func onKill(_ handler: @escaping @Sendable () async throws -> Void) {
        state.withLock { $0.killHandlers.append(handler) }
    }

    func fire(_ key: String, _ result: WaitResult) { state.withLock { $0.outcomes[key] = result } }
}
