// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What a worker takes on.
public struct WorkerTerms: Sendable, Hashable {
    /// The queues whose tasks it takes; nil: every queue.
    public var queues: [String]?
    /// How many dispatches it runs at once.
    public var slots: Int
    /// The bundle whose tasks it takes.
    public var bundle: String

    /// The bundle of a home that has no other.
    public static let defaultBundle = "default"

    /// Terms; without any, every queue, and 32 slots.
    public init(queues: [String]? = nil, slots: Int = 32, bundle: String = WorkerTerms.defaultBundle) {
        self.queues = queues
        self.slots = slots
        self.bundle = bundle
    }
}

/// A worker as the metastore knows it.
public struct WorkerRow: Sendable, Hashable {
    /// Its role, in the table of processes.
    public static let role = "worker"

    public var process: ProcessRow
    public var terms: WorkerTerms
    /// How many dispatches it holds.
    public var running: Int
    /// Why its bundle does not come up; nil where it does.
    public var trouble: BundleTrouble?
}

/// Why the bundle of a worker does not come up.
public struct BundleTrouble: Sendable, Hashable {
    /// What was said last.
    public var words: String
    /// How often it was so in a row.
    public var count: Int
    public var since: Timestamp
}
