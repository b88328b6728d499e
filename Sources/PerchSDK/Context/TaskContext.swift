// SPDX-License-Identifier: Apache-2.0

/// What a task's code holds while it runs: its names and dates, its log, its steps and its waits.
public struct TaskContext: Sendable {
    /// The machinery behind it.
    public let runtime: any AttemptRuntime

    /// A context on a runtime; for hosts and tests.
    public init(runtime: any AttemptRuntime) {
        self.runtime = runtime
    }
}
