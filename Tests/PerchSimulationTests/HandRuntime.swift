// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK

/// The bundle's side of one dispatch in a few lines: answers from the journal, or asks the metastore at once.
final class HandRuntime: AttemptRuntime, @unchecked Sendable {  // because it is used from one thread
    /// The machine dies here.
    struct Crash: Error {}
    struct Stale: Error {}

    let facts: AttemptFacts
    let task: ClaimedTask
    let store: Metastore
    /// How many calls are made before the crash; nil: there is none.
    var callsLeft: Int?
    private var counts: [String: Int] = [:]
    private var journal: [String: JournalEntry] = [:]
    private(set) var suspended: (key: String, trigger: TriggerSpec, timeout: TimeSpan?)?
    private(set) var handlers: [@Sendable () async throws -> Void] = []

    init(_ task: ClaimedTask, _ store: Metastore) {
        self.task = task
        self.store = store
        facts = AttemptFacts(
            dagID: task.key.dagID, runID: task.key.runID, taskID: task.key.taskID, mapIndex: task.key.mapIndex,
            tryNumber: task.tryNumber, logicalDate: task.run.logicalDate,
            dataIntervalStart: task.run.dataIntervalStart, dataIntervalEnd: task.run.dataIntervalEnd)
        for entry in task.journal { journal[entry.key] = entry }
    }

    private func call(_ name: String, _ scope: [String]) throws -> String {
        if let left = callsLeft {
            callsLeft = left - 1
            if left <= 0 { throw Crash() }
        }
        if let suspended { throw Suspension(key: suspended.key) }
        let full = (scope + [name]).joined(separator: "/")
        defer { counts[full, default: 0] += 1 }
        return "\(full)#\(counts[full, default: 0])"
    }

    func step(
        _ name: String, scope: [String], keepAcrossRetries: Bool, body: @Sendable () async throws -> String
    ) async throws -> String {
        let key = try call(name, scope)
        if let known = journal[key] { return known.payload }
        let payload = try await body()
        let record = StepRecord(
            taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: key, payload: payload,
            keepAcrossRetries: keepAcrossRetries)
        guard try await store.write({ try $0.recordSteps([record]) }) == [true] else { throw Stale() }
        return payload
    }

    func wait(_ name: String, scope: [String], for trigger: TriggerSpec, timeout: TimeSpan?) async throws -> WaitResult
    {
        let key = try call(name, scope)
        if let text = journal[key]?.outcome {
            switch try WaitOutcome(json: JSONValue(parsing: text)) {
            case .event(let payload): return .event(payload)
            case .timeout: return .timeout
            case .cancelled(let intent): throw TaskCancelled(reason: intent.reason, by: intent.by)
            case .broken(let message): throw NonRetryable(message)
            }
        }
        if let cancel = task.cancel { throw TaskCancelled(reason: cancel.reason, by: cancel.by) }
        suspended = (key, trigger, timeout)
        throw Suspension(key: key)
    }

    func log(_ level: AttemptLogLevel, _ message: String) {}
    var now: Timestamp { store.clock.now }
    func randomBits() -> UInt64 { 7 }
    func onKill(_ handler: @escaping @Sendable () async throws -> Void) { handlers.append(handler) }
}
