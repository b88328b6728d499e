// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// A wait that code of a bundle watches for, as the worker that hosts it takes it.
public struct HostedWait: Sendable, Hashable {
    public var wait: WaitRow
    /// The journal of the try that waits; a pure sensor has none.
    public var journal: [JournalEntry]
    /// Runs that failed, and how often it held its thread or ended its process.
    public var failures: Int
    public var offences: Int
    /// When it may run again; nil: at once.
    public var retryAt: Timestamp?

    /// A hosted wait from its parts.
    public init(
        wait: WaitRow, journal: [JournalEntry] = [], failures: Int = 0, offences: Int = 0, retryAt: Timestamp? = nil
    ) {
        self.wait = wait
        self.journal = journal
        self.failures = failures
        self.offences = offences
        self.retryAt = retryAt
    }
}

/// What a worker has to say about a wait that it hosts.
public struct HostedNote: Sendable, Hashable {
    public var waitID: Int64
    public var failures: Int
    public var offences: Int
    public var retryAt: Timestamp?
    /// What happened last, in a sentence.
    public var words: String

    /// A note from its parts.
    public init(waitID: Int64, failures: Int, offences: Int, retryAt: Timestamp?, words: String) {
        self.waitID = waitID
        self.failures = failures
        self.offences = offences
        self.retryAt = retryAt
        self.words = words
    }
}
