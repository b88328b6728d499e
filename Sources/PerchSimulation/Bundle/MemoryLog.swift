// SPDX-License-Identifier: Apache-2.0

package import PerchBundle
package import PerchExecutor
package import PerchMetastore

/// The logs of attempts in memory.
///
/// Unchecked, because a simulation runs on one thread.
package final class MemoryLog: AttemptLog, @unchecked Sendable {
    private struct Attempt: Hashable {
        var key: TaskInstanceKey
        var tryNumber: Int
    }

    private var lines: [Attempt: [LogLine]] = [:]
    private let keeps: Bool
    /// Called with each line as it comes.
    package var onLine: ((TaskInstanceKey, LogLine) -> Void)?

    /// - Parameter keeps: Whether lines are kept at all.
    package init(keeps: Bool) {
        self.keeps = keeps
    }

    package func append(_ new: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth) {
        if let onLine { for line in new { onLine(key, line) } }
        guard keeps else { return }
        let attempt = Attempt(key: key, tryNumber: tryNumber)
        switch worth {
        case .ifThere: lines[attempt]?.append(contentsOf: new)
        case .always(let past): lines[attempt, default: past] += new
        }
    }

    package func flush() async {}

    /// The log of a try.
    package func lines(of key: TaskInstanceKey, tryNumber: Int) -> [LogLine] {
        lines[Attempt(key: key, tryNumber: tryNumber)] ?? []
    }
}
