// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What the executor says in the log of an attempt, and why an attempt failed.
enum AttemptWords {
    static func handOut(_ task: ClaimedTask) -> String {
        var text = "try \(task.tryNumber), dispatch \(task.dispatchID)"
        if let cancel = task.cancel { text += ", to clean up (\(cancel.reason), by \(cancel.by))" }
        if task.isSuspect || task.definition.isolation == .process { text += ", alone in a process of its own" }
        if let wait = task.journal.last(where: { $0.kind == .wait }) { text += ": \(ended(wait))" }
        return text
    }

    /// How the wait ended that let the task go on.
    static func ended(_ wait: JournalEntry) -> String {
        guard let outcome = wait.outcome else { return "the wait '\(wait.key)' has not ended" }
        let word =
            outcome.hasPrefix("{\"event\"")
            ? "is over" : outcome.hasPrefix("{\"timeout\"") ? "ran into its timeout" : "has ended"
        return "the wait '\(wait.key)' \(word)"
    }

    static func wait(_ key: String, _ trigger: TriggerSpec, _ timeout: TimeSpan?) -> String {
        let limit = timeout.map { ", at most \($0)" } ?? ""
        switch trigger.due {
        case nil: return "waits for \(trigger.kind) \(trigger.target) ('\(key)'\(limit))"
        case .at(let text): return "sleeps until \(text) ('\(key)'\(limit))"
        case .after(let span): return "sleeps for \(span) ('\(key)'\(limit))"
        case .tick, .within: return "waits for \(trigger.target) ('\(key)'\(limit))"
        }
    }

    static func cancel(_ intent: CancelIntent) -> String {
        "is being cancelled (\(intent.reason), by \(intent.by)), to end as \(intent.finalState.rawValue)"
    }

    static let killed = "its code did not stop in time: the bundle process is ended"
    static let endedForOther = "the bundle process was ended because of another task: the task is queued again"

    static func timeoutLine(_ task: ClaimedTask) -> String {
        let limit = task.definition.executionTimeout.map { " of \($0)" } ?? ""
        return "ran longer than its execution timeout\(limit)"
    }

    static func timeout(_ task: ClaimedTask) -> TaskReport.Outcome {
        .failure(message: timeoutLine(task), retryable: true)
    }

    static func held(_ span: TimeSpan) -> String {
        "has held a thread for \(span): code that computes for long or blocks keeps it from others; await something, or ask for "
            + "isolation: process"
    }

    static func crash(_ death: ExecutorCore.Death) -> TaskReport.Outcome {
        .failure(message: "its bundle process \(death.words)", retryable: true)
    }

    static func crashOfMany(_ death: ExecutorCore.Death, _ count: Int) -> String {
        """
        the bundle process \(death.words) while it ran \(count) tasks: each is queued again and runs alone, so that the \
        one at fault shows
        """
    }
}
