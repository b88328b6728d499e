// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// A few threads for look-ups that block: files, the program of `secrets.command`, opening what is sealed. A thread ends when
/// there is nothing to do.
final class LookUpThreads: Sendable {
    private struct State {
        var waiting: [@Sendable () -> Void] = []
        var running = 0
    }

    private let state = Mutex(State())
    private let most: Int

    init(most: Int) { self.most = most }

    /// Runs a call on a thread, and gives what it gives.
    func perform<Value: Sendable>(_ call: @escaping @Sendable () throws -> Value) async throws -> Value {
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        let answer: Result<Value, any Error> = await withCheckedContinuation { waiter in
            add { waiter.resume(returning: Result { try call() }) }
        }
        return try answer.get()
    }

    private func add(_ work: @escaping @Sendable () -> Void) {
        let mustStart = state.withLock { state in
            state.waiting.append(work)
            guard state.running < most else { return false }
            state.running += 1
            return true
        }
        if mustStart { start() }
    }

    private func start() {
        let box = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<LookUpThreads>.fromOpaque(argument).takeRetainedValue().work()
                return nil
            }, box.toOpaque())
        guard failure != 0 else {
            pthread_detach(thread)
            return
        }
        box.release()
        // With no thread at all the caller's own has to do it.
        work()
    }

    private func work() {
        while true {
            let next = state.withLock { state -> (@Sendable () -> Void)? in
                if state.waiting.isEmpty {
                    state.running -= 1
                    return nil
                }
                return state.waiting.removeFirst()
            }
            guard let next else { return }
            next()
        }
    }
}
