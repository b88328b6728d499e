// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A thread for work on files of which nobody knows how long they take: those of another machine may not answer for hours. Who
/// asks for it holds no thread meanwhile, and nothing else that runs does.
///
/// There is a thread only while there is work.
package final class FileThread: Sendable {
    private struct State {
        var line: [@Sendable () -> Void] = []
        var isRunning = false
    }

    private let state = Mutex(State())
    private let name: StaticString

    package init(name: StaticString) { self.name = name }

    /// Does work after all that it was given before. Returns when it is done; where it never is, never.
    package func run<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        let result: Result<Value, any Error> = await withCheckedContinuation { continuation in
            add { continuation.resume(returning: Result { try work() }) }
        }
        return try result.get()
    }

    private func add(_ work: @escaping @Sendable () -> Void) {
        let mustStart = state.withLock { state in
            state.line.append(work)
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { WorkerThread.start(name: name) { self.workOff() } }
    }

    private func workOff() {
        while let next = takeNext() { next() }
    }

    private func takeNext() -> (@Sendable () -> Void)? {
        state.withLock { state in
            guard state.line.isEmpty else { return state.line.removeFirst() }
            state.isRunning = false
            return nil
        }
    }
}
