// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// What a triggerer takes on.
public struct TriggererTerms: Sendable, Hashable {
    /// The queues whose waits it watches; nil: every queue.
    public var queues: [String]?
    /// How many waits it is meant for. Triggerers share the waits in proportion to it; more are watched all the same.
    public var capacity: Int64

    /// Terms; without any, every queue, and a million waits.
    public init(queues: [String]? = nil, capacity: Int64 = 1_000_000) {
        self.queues = queues
        self.capacity = capacity
    }

    /// Whether it watches the waits of a queue.
    public func serves(_ queue: String) -> Bool { queues?.contains(queue) ?? true }
}

/// A triggerer as the metastore knows it.
public struct TriggererRow: Sendable, Hashable {
    public var process: ProcessRow
    public var terms: TriggererTerms
    /// Whether it was told to hand over all that it has, and to take no more.
    public var isDraining: Bool
    /// How many waits it watched when it last said so.
    public var waits: Int64
    /// How many shards it holds.
    public var shards: Int
}

extension TriggererRow {
    /// `active`, `draining`, `drained`, or `dead` where its lease has ended.
    package func state(at now: Timestamp) -> String {
        if process.leaseUntil <= now { return "dead" }
        guard isDraining else { return "active" }
        return shards == 0 ? "drained" : "draining"
    }
}

/// How the shards stand for one triggerer.
public struct ShardShare: Sendable, Hashable {
    /// Its own: nobody else takes them while it lives.
    public var owned: ShardSet
    /// Those of its own that it is to release: another is to have them, or it is to have none.
    public var asked: ShardSet

    /// A share from its parts.
    public init(owned: ShardSet, asked: ShardSet = ShardSet()) {
        self.owned = owned
        self.asked = asked
    }
}
