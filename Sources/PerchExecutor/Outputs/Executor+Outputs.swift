// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import PerchMetastore
internal import PerchSDK

/// A long output that is to be brought elsewhere, or here.
enum Exchange {
    /// It has to be found by others before this is reported.
    case publish(TaskReport)
    /// The attempt begins when it is here.
    case fetch(Attempt)
}

extension Executor {
    /// Does it after what was asked for before; nothing else waits for that.
    func exchange(_ one: Exchange) {
        exchanges.append(one)
        guard !isExchanging else { return }
        isExchanging = true
        Task(executorPreference: reactor) { await self.exchangeAll() }
    }

    private func exchangeAll() async {
        while !exchanges.isEmpty {
            await carryOut(exchanges.removeFirst())
            pump()
        }
        isExchanging = false
    }

    /// Tries until it is done, or nobody wants it any more: what is not stored is not reported.
    private func carryOut(_ exchange: Exchange) async {
        guard let outputs else { return }
        var failures = 0
        while isWanted(exchange) {
            do {
                switch exchange {
                case .publish(let report):
                    if case .success(let output, _) = report.outcome {
                        try await outputs.publish(output, of: report.dispatch)
                    }
                    core.published(report)
                case .fetch(let attempt):
                    try await outputs.fetch(attempt.storedInputs)
                    core.fetched(attempt, now: now)
                }
                return
            } catch let fault as OutputExchange.Fault {
                return fail(exchange, fault.words)
            } catch let error as PerchError where error.code != .unavailable && failures >= Self.mostRefusals {
                // What is refused for good must not hold up what comes after it.
                return fail(exchange, "its long output cannot be exchanged: \(error.message)")
            } catch {
                failures += 1
                let seconds = Int64(1) << Int64(min(failures - 1, 5))
                logger.error(
                    "a long output waits for the metastore",
                    metadata: ["error": "\(error)", "next_try_in": "\(seconds) s"])
                await pause(microseconds: seconds * 1_000_000)
            }
        }
    }

    /// So often is tried what is refused for another reason than that nobody is there.
    private static var mostRefusals: Int { 4 }

    private func isWanted(_ exchange: Exchange) -> Bool {
        guard life == .running || life == .draining else { return false }
        return switch exchange {
        case .publish(let report): core.attempts[report.dispatchID] != nil
        case .fetch(let attempt): core.attempts[attempt.dispatchID] === attempt && !attempt.isOver
        }
    }

    private func fail(_ exchange: Exchange, _ words: String) {
        switch exchange {
        case .publish(var report):
            report.outcome = .failure(message: words, retryable: true)
            core.published(report)
        case .fetch(let attempt): core.fetchFailed(attempt, words, now: now)
        }
    }
}

extension TaskReport {
    fileprivate var dispatch: DispatchReference {
        DispatchReference(taskInstanceID: taskInstanceID, dispatchID: dispatchID)
    }
}
