// SPDX-License-Identifier: Apache-2.0

/// An event loop that is an executor too: actors pinned to it and callbacks of its loop share its thread, so neither ever
/// waits for the other.
///
/// ```swift
/// actor Triggerer {
///     nonisolated let reactor: any Reactor
///     nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }
/// }
/// ```
///
/// `ThreadReactor` is the one of production; a simulation has one on virtual time.
public protocol Reactor: SerialExecutor, TaskExecutor {
    /// What it is called in messages.
    var name: String { get }
    /// Its loop, for code that runs on it.
    var loop: any EventLoop { get }
    /// Whether the caller runs on it.
    var isCurrent: Bool { get }
    /// Begins to run what was submitted. To be called once.
    func start()
    /// Ends after what was submitted before. Callbacks that still wait are dropped, and what is submitted or enqueued
    /// afterwards never runs: stop the actors on it first. Not to be called on the reactor itself; more than once does no
    /// harm.
    func stop()
    /// Runs an action on it, in the order of submission. From any thread.
    func submit(_ action: @escaping @Sendable () -> Void)
}
