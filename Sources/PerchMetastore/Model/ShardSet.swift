// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Some shards of some queues.
public struct ShardSet: Sendable, Hashable {
    private static let words = ShardKey.count / 64

    /// A bit for each shard; no queue stands here without one.
    private var bits: [String: [UInt64]] = [:]

    /// No shards.
    public init() {}

    /// Every shard of some queues.
    public static func all(of queues: [String]) -> ShardSet {
        var set = ShardSet()
        for queue in queues { set.bits[queue] = Array(repeating: .max, count: words) }
        return set
    }

    /// Whether there is none.
    public var isEmpty: Bool { bits.isEmpty }

    /// How many there are.
    public var count: Int { bits.values.reduce(0) { $0 + $1.reduce(0) { $0 + $1.nonzeroBitCount } } }

    /// The queues of which there are some, by name.
    public var queues: [String] { bits.keys.sorted() }

    /// The shards of a queue, ascending.
    public func shards(of queue: String) -> [Int] {
        guard let words = bits[queue] else { return [] }
        return (0..<ShardKey.count).filter { words[$0 >> 6] & (1 << UInt64($0 & 63)) != 0 }
    }

    /// Whether a shard of a queue is one of them.
    public func contains(queue: String, shard: Int) -> Bool {
        guard let words = bits[queue] else { return false }
        return words[shard >> 6] & (1 << UInt64(shard & 63)) != 0
    }

    /// Adds a shard of a queue.
    public mutating func insert(queue: String, shard: Int) {
        bits[queue, default: Array(repeating: 0, count: Self.words)][shard >> 6] |= 1 << UInt64(shard & 63)
    }

    /// Adds those of another set.
    public mutating func formUnion(_ other: ShardSet) {
        bits.merge(other.bits) { own, others in zip(own, others).map { $0 | $1 } }
    }

    /// Takes those of another set away.
    public mutating func subtract(_ other: ShardSet) {
        for (queue, words) in other.bits {
            guard let own = bits[queue] else { continue }
            let left = zip(own, words).map { $0 & ~$1 }
            bits[queue] = left.contains { $0 != 0 } ? left : nil
        }
    }

    /// Without those of another set.
    public func subtracting(_ other: ShardSet) -> ShardSet {
        var set = self
        set.subtract(other)
        return set
    }

    /// Those that are in another set too.
    public func intersection(_ other: ShardSet) -> ShardSet { subtracting(subtracting(other)) }
}
