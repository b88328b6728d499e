// SPDX-License-Identifier: Apache-2.0

/// What a worker takes on.
public struct WorkerTerms: Sendable, Hashable {
    /// The queues whose tasks it takes; nil: every queue.
    public var queues: [String]?
    /// How many dispatches it runs at once.
    public var slots: Int

    /// Terms; without any, every queue, and 32 slots.
    public init(queues: [String]? = nil, slots: Int = 32) {
        self.queues = queues
        self.slots = slots
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
}
