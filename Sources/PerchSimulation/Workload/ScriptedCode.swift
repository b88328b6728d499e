// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Lets virtual time pass in a task's code; throws where the Swift task was cancelled meanwhile.
package typealias VirtualWork = @Sendable (TimeSpan) async throws -> Void

/// Does what a script says, through the real context of a task.
struct ScriptedCode: Sendable {
    let script: TaskScript
    let ledger: Ledger
    let work: VirtualWork

    /// The error of a try that fails as its script says.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    /// Runs one dispatch; `base` is what the task received from others, added to each number that it gives.
    func run(_ context: TaskContext, base: Int) async throws -> [Int] {
        let attempt = AttemptName(context.runtime.facts)
        ledger.began(attempt)
        if let span = script.onKill {
            context.onKill { [ledger, work] in
                ledger.killRan(attempt)
                if span.microseconds > 0 { try await work(span) }
            }
        }
        do {
            try await perform(context, attempt)
        } catch {
            ledger.ended(attempt, error is Suspension ? "suspended" : "threw: \(error)")
            throw error
        }
        ledger.ended(attempt, "returned")
        return (0..<script.items).map { base + $0 }
    }

    private func perform(_ context: TaskContext, _ attempt: AttemptName) async throws {
        var occurrences: [String: Int] = [:]
        func key(_ name: String) -> String {
            defer { occurrences[name, default: 0] += 1 }
            return "\(name)#\(occurrences[name, default: 0])"
        }
        for action in script.actions {
            switch action {
            case .step(let name, let span, let keep):
                let key = key(name)
                let value = try await context.step(name, keep: keep ? .acrossRetries : .thisTry) { [ledger, work] in
                    let value = ledger.stepRuns(attempt, key: key, idempotencyKey: context.idempotencyKey)
                    if span.microseconds > 0 { try await work(span) }
                    return value
                }
                ledger.stepAnswered(attempt, key: key, value: value)
            case .wait(let name, let wait, let timeout, let onTimeout):
                let key = key(name)
                let event = try await event(of: wait.trigger, context, name, timeout, onTimeout, attempt, key)
                ledger.waitAnswered(attempt, key: key, answer: event)
                if event == nil { try ended(onTimeout) }
            case .sleep(let name, let span):
                let key = key(name)
                try await context.sleep(for: span.duration, as: name)
                ledger.waitAnswered(attempt, key: key, answer: "awake")
            case .work(let span): try await work(span)
            case .failTries(let last):
                if attempt.tryNumber <= last { throw Failure(description: "fails up to try \(last)") }
            case .fail: throw Failure(description: "fails always")
            case .failForGood: throw NonRetryable("fails for good")
            case .skip: throw SkipTask("skips")
            }
        }
    }

    /// The event as JSON text, nil after a timeout.
    private func event<T: Trigger>(
        of trigger: T, _ context: TaskContext, _ name: String, _ timeout: TimeSpan?,
        _ onTimeout: TaskScript.OnTimeout, _ attempt: AttemptName, _ key: String
    ) async throws -> String? {
        do {
            return try JSONValue(
                encoding: try await context.wait(for: trigger, timeout: timeout?.duration, as: name)
            ).text
        } catch let error as WaitTimeout {
            guard onTimeout == .fail else { return nil }
            ledger.waitAnswered(attempt, key: key, answer: nil)
            throw error
        }
    }

    private func ended(_ onTimeout: TaskScript.OnTimeout) throws {
        switch onTimeout {
        case .fail, .goOn: break
        case .skip: throw SkipTask("skips after a timeout")
        case .failForGood: throw NonRetryable("fails for good after a timeout")
        }
    }
}
