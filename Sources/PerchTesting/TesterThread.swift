// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PerchSDK

/// The thread of one tester: its world is stepped here and nowhere else, so that no thread of the cooperative pool is held
/// up while code of tasks really waits.
final class TesterThread: @unchecked Sendable {  // because everything is guarded by the condition
    private let condition = NSCondition()
    private var jobs: [@Sendable () -> Void] = []
    private var isEnded = false

    /// A thread that waits for jobs, until it is ended.
    init() {
        let thread = Thread { [self] in
            while let job = next() { job() }
        }
        thread.name = "perch tester"
        thread.stackSize = 8 << 20
        thread.start()
    }

    private func next() -> (@Sendable () -> Void)? {
        condition.lock()
        defer { condition.unlock() }
        while jobs.isEmpty, !isEnded { condition.wait() }
        return jobs.isEmpty ? nil : jobs.removeFirst()
    }

    /// Adds a job. False where the thread is ended.
    private func submit(_ job: @escaping @Sendable () -> Void) -> Bool {
        condition.lock()
        defer { condition.unlock() }
        guard !isEnded else { return false }
        jobs.append(job)
        condition.signal()
        return true
    }

    /// Runs something on the thread.
    func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        let result: Result<Value, any Error> = await withCheckedContinuation { continuation in
            let isTaken = submit { continuation.resume(returning: Result { try body() }) }
            if !isTaken { continuation.resume(returning: .failure(PerchError(.unavailable, "the tester is closed"))) }
        }
        return try result.get()
    }

    /// Does a last job, after all that were submitted before, and ends. A second call only says at once that it is ended.
    func end(_ job: @escaping @Sendable () -> Void, whenEnded: @escaping @Sendable () -> Void = {}) {
        condition.lock()
        let isFirst = !isEnded
        if isFirst {
            jobs.append {
                job()
                whenEnded()
            }
            isEnded = true
            condition.signal()
        }
        condition.unlock()
        if !isFirst { whenEnded() }
    }
}
