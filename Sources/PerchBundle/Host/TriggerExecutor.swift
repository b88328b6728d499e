// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Where the code of one hosted trigger, or of one attempt, runs: on the threads of all, but each slice of it, from one
/// suspension to the next, is watched.
final class TriggerExecutor: TaskExecutor {
    private let threads: ElasticExecutor
    private let watch: SliceWatch
    private let budget: TimeSpan
    private let again: Bool
    private let onHeld: @Sendable (TimeSpan) -> Void

    init(
        threads: ElasticExecutor, watch: SliceWatch, budget: TimeSpan, again: Bool = false,
        onHeld: @escaping @Sendable (TimeSpan) -> Void
    ) {
        self.threads = threads
        self.watch = watch
        self.budget = budget
        self.again = again
        self.onHeld = onHeld
    }

    func enqueue(_ job: consuming ExecutorJob) {
        threads.add(UnownedJob(job), of: self)
    }

    /// A slice begins; nil where nobody wants to know how long it takes.
    func begin() -> UInt64? {
        budget.microseconds > 0 ? watch.begin(budget: budget, again: again, onHeld: onHeld) : nil
    }

    func end(_ slice: UInt64) { watch.end(slice) }
}
