// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import Synchronization

/// What one dispatch asks the engine for: each question has a number, under which its answer comes.
final class AttemptLookUps: Sendable {
    private typealias Answer = Result<FoundSecret?, any Error>

    private struct State {
        var waiters: [Int64: CheckedContinuation<Answer, Never>] = [:]
        var last: Int64 = 0
        var isOver = false
    }

    private let state = Mutex(State())

    /// Asks, and returns with the answer.
    /// - Throws: `StaleDispatch` once the dispatch is over; what the engine says where it could not look.
    func ask(
        _ name: SecretName, of dispatchID: Int64, by outbox: any BundleOutbox
    ) async throws -> FoundSecret? {
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        let answer: Answer = await withCheckedContinuation { waiter in
            let number = state.withLock { state -> Int64? in
                guard !state.isOver else { return nil }
                state.last += 1
                state.waiters[state.last] = waiter
                return state.last
            }
            guard let number else { return waiter.resume(returning: .failure(StaleDispatch())) }
            do {
                try outbox.send(.lookUp(LookUp(dispatchID: dispatchID, number: number, name: name)), mayWait: false)
            } catch {
                take(number)?.resume(returning: .failure(PerchError(.invalid, "\(name) cannot be asked for: \(error)")))
            }
        }
        return try answer.get()
    }

    /// The engine has answered.
    func answered(_ answer: LookUpAnswer) {
        let result: Answer =
            switch answer.outcome {
            case .found(let found): .success(found)
            case .absent: .success(nil)
            case .problem(let code, let message):
                .failure(PerchError(PerchError.Code(rawValue: code), message))
            }
        take(answer.number)?.resume(returning: result)
    }

    /// The dispatch is over: nobody is answered any more.
    func end() {
        let waiters = state.withLock { state in
            state.isOver = true
            defer { state.waiters = [:] }
            return state.waiters
        }
        for (_, waiter) in waiters.sorted(by: { $0.key < $1.key }) {
            waiter.resume(returning: .failure(StaleDispatch()))
        }
    }

    private func take(_ number: Int64) -> CheckedContinuation<Answer, Never>? {
        state.withLock { $0.waiters.removeValue(forKey: number) }
    }
}
