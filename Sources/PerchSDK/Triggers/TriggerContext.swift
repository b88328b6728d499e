// SPDX-License-Identifier: Apache-2.0

/// What an `AsyncTrigger` holds while it runs: its wait's dates, its log, its sleep, and what it must not forget.
public struct TriggerContext: Sendable {
    /// The machinery behind it.
    public let runtime: any TriggerRuntime

    /// A context on a runtime; for hosts and tests.
    public init(runtime: any TriggerRuntime) {
        self.runtime = runtime
    }

    /// When the wait was registered.
    public var since: Timestamp { runtime.facts.since }
    /// When the wait times out; nil: never. Later moves of the deadline do not show here.
    public var deadline: Timestamp? { runtime.facts.deadline }
    /// How many runs of it failed before this one.
    public var failures: Int { runtime.facts.failures }
    /// The engine's time.
    public var now: Timestamp { runtime.now }

    /// Sleeps on the engine's clock; nothing is held meanwhile but the memory of the Swift task.
    /// - Throws: `CancellationError` where the wait has ended, or the trigger is moved to another process.
    public func sleep(for duration: Duration) async throws {
        try await sleep(until: now + TimeSpan(duration))
    }

    /// Sleeps until an instant of the engine's clock; returns at once where that has passed.
    /// - Throws: As `sleep(for:)`.
    public func sleep(until instant: Timestamp) async throws {
        try await runtime.sleep(until: instant)
    }

    /// Stores what the next run of this wait must know, in place of what was stored before. Returns once it is durable.
    /// - Throws: `PerchError` (`invalid`) where the value cannot be coded or is too large; `CancellationError`.
    public func checkpoint(_ value: some Encodable & Sendable) async throws {
        try await runtime.checkpoint(JSONValue(encoding: value))
    }

    /// What was stored last for this wait, by this run or an earlier one; nil where nothing was.
    /// - Throws: `PerchError` (`invalid`) where it is of another type.
    public func checkpoint<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value? {
        try runtime.lastCheckpoint?.decode(type)
    }

    /// The log of the attempt that waits.
    public var log: TriggerLog { TriggerLog(runtime: runtime) }
}

/// What carries an `AsyncTrigger`: the bundle process implements it against the engine, tests against memory.
public protocol TriggerRuntime: Sendable {
    /// Which wait it is.
    var facts: TriggerFacts { get }
    /// The engine's clock.
    var now: Timestamp { get }
    /// What was stored last.
    var lastCheckpoint: JSONValue? { get }
    /// Returns when the engine's clock has reached the instant.
    func sleep(until instant: Timestamp) async throws
    /// Returns when the value is durable.
    func checkpoint(_ value: JSONValue) async throws
    /// Adds a line to the log of the attempt that waits. Lines keep their order.
    func log(_ level: AttemptLogLevel, _ message: String)
}

/// The dates of one wait.
public struct TriggerFacts: Sendable, Hashable {
    public var waitID: Int64
    public var since: Timestamp
    public var deadline: Timestamp?
    /// How many runs failed before.
    public var failures: Int

    /// Facts from their parts.
    public init(waitID: Int64, since: Timestamp, deadline: Timestamp? = nil, failures: Int = 0) {
        self.waitID = waitID
        self.since = since
        self.deadline = deadline
        self.failures = failures
    }
}

/// The log of a trigger: lines among those of the attempt that waits. Lines keep their order.
public struct TriggerLog: Sendable {
    let runtime: any TriggerRuntime

    /// A line for those who look for the cause of something.
    public func debug(_ message: String) { runtime.log(.debug, message) }
    /// A line about what happens as it should.
    public func info(_ message: String) { runtime.log(.info, message) }
    /// A line about what may be wrong.
    public func warning(_ message: String) { runtime.log(.warning, message) }
    /// A line about what went wrong.
    public func error(_ message: String) { runtime.log(.error, message) }
}
