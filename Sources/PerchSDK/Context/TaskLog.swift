// SPDX-License-Identifier: Apache-2.0

/// The log of one attempt. Lines keep their order; the attempt's waits stand between them.
public struct TaskLog: Sendable {
    let runtime: any AttemptRuntime

    /// A line for those who look for the cause of something.
    public func debug(_ message: String) { runtime.log(.debug, message) }
    /// A line about what happens as it should.
    public func info(_ message: String) { runtime.log(.info, message) }
    /// A line about what may be wrong.
    public func warning(_ message: String) { runtime.log(.warning, message) }
    /// A line about what went wrong.
    public func error(_ message: String) { runtime.log(.error, message) }
}
