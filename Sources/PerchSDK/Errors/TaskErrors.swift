// SPDX-License-Identifier: Apache-2.0

/// Thrown by a wait whose timeout came before what it waited for.
public struct WaitTimeout: Error, Sendable, Hashable, CustomStringConvertible {
    /// The journal key of the wait.
    public var key: String
    /// What was waited for, in words.
    public var target: String
    /// How long it was allowed to take; nil where the limit was the task's own.
    public var timeout: TimeSpan?

    /// A timeout of one wait.
    public init(key: String, target: String, timeout: TimeSpan?) {
        self.key = key
        self.target = target
        self.timeout = timeout
    }

    /// What was waited for, and for how long.
    public var description: String {
        let limit = timeout.map { "\($0)" } ?? "the task's timeout"
        return "the wait '\(key)' for \(target) was not over after \(limit)"
    }
}

/// Thrown by every wait of a task that is being cancelled. Clean up with `context.onKill` and let it through.
public struct TaskCancelled: Error, Sendable, Hashable, CustomStringConvertible {
    /// Why: `user`, `timeout`, `run`, ….
    public var reason: String
    /// Who asked for it.
    public var by: String

    /// A cancel, with its reason.
    public init(reason: String, by: String) {
        self.reason = reason
        self.by = by
    }

    /// Why, and who asked.
    public var description: String { "the task is being cancelled (\(reason), by \(by))" }
}

/// Two steps of one name are in flight at once in one scope, so that neither could be told from the other on a replay.
public struct AmbiguousStep: Error, Sendable, Hashable, CustomStringConvertible {
    /// The name with its scope.
    public var name: String

    /// An ambiguity about one name.
    public init(name: String) { self.name = name }

    /// What happened, and how to resolve it.
    public var description: String {
        "two steps named '\(name)' are in flight at once; give each a scope of its own with context.scope(key)"
    }
}

/// A wait was asked for while something else of the try was still in flight: the attempt cannot unwind around it.
public struct ConcurrentWait: Error, Sendable, Hashable, CustomStringConvertible {
    /// The key of the wait that was asked for.
    public var wait: String
    /// The key of what was in flight.
    public var inFlight: String

    /// A conflict between a wait and something in flight.
    public init(wait: String, inFlight: String) {
        self.wait = wait
        self.inFlight = inFlight
    }

    /// Both sides, and how to resolve it.
    public var description: String {
        """
        the wait '\(wait)' was asked for while '\(inFlight)' is in flight; a task waits for one thing at a time, with no \
        step under way
        """
    }
}

/// The code asks for something else than what the journal of its try holds: it changed its meaning while it slept, or
/// depends on something that is not journalled (the time, a random number, the order of a set).
public struct JournalMismatch: Error, Sendable, Hashable, CustomStringConvertible {
    /// The journal key at which they differ.
    public var key: String
    /// What the journal holds, in words.
    public var recorded: String
    /// What the code asks for, in words.
    public var requested: String

    /// A difference at one key.
    public init(key: String, recorded: String, requested: String) {
        self.key = key
        self.recorded = recorded
        self.requested = requested
    }

    /// Both sides, and how to go on.
    public var description: String {
        """
        the journal holds \(recorded) under '\(key)', but the code asks for \(requested); clear the task to start a new \
        try, and read times and random numbers from the context, which journals them
        """
    }
}

/// The task's code caught the `Suspension` of a wait and ended in another way.
public struct SwallowedSuspension: Error, Sendable, Hashable, CustomStringConvertible {
    /// The journal key of the wait.
    public var key: String

    /// A swallowed suspension of one wait.
    public init(key: String) { self.key = key }

    /// What happened, and how to mend it.
    public var description: String {
        """
        the wait '\(key)' was recorded, but the code caught its Suspension and went on; let it through: catch only the \
        errors that you expect, and clean up with context.onKill
        """
    }
}

/// Whether and when a failed try is tried again.
public enum Retry: Sendable, Hashable {
    /// As the task's options say.
    case usual
    /// Not at all, whatever retries are left.
    case never
    /// So long after the failure, while retries are left.
    case after(Duration)
}

/// An error that says for itself whether and when the task is tried again: a policy by the type of the error.
///
/// ```swift
/// extension RateLimited: RetryDeciding {
///     var retry: Retry { .after(.seconds(resetsIn)) }
/// }
/// ```
public protocol RetryDeciding: Error {
    /// What is to come after a try that ended with this error.
    var retry: Retry { get }
}

/// Fails the task at once, whatever retries are left.
public struct NonRetryable: RetryDeciding, Sendable, Hashable, CustomStringConvertible {
    /// Why the task failed, for people.
    public var message: String

    /// A failure that a retry cannot mend.
    public init(_ message: String) { self.message = message }

    /// Never.
    public var retry: Retry { .never }

    /// The message.
    public var description: String { message }
}

/// Fails the try; the next one comes after a delay of its own: what a server asked for, say.
public struct RetryAfter: RetryDeciding, Sendable, Hashable, CustomStringConvertible {
    /// How long after the failure.
    public var delay: Duration
    /// Why the try failed, for people.
    public var message: String

    /// A failure after which it is too early for so long.
    public init(_ delay: Duration, _ message: String) {
        self.delay = delay
        self.message = message
    }

    /// After the delay.
    public var retry: Retry { .after(delay) }

    /// The message.
    public var description: String { message }
}

/// Ends the task as skipped.
public struct SkipTask: Error, Sendable, Hashable, CustomStringConvertible {
    /// Why it was skipped, for people.
    public var message: String

    /// A skip, with its reason.
    public init(_ message: String) { self.message = message }

    /// The message.
    public var description: String { message }
}
