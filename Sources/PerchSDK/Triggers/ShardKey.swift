// SPDX-License-Identifier: Apache-2.0

/// Places waits on shards, on which triggerers hold their leases.
public enum ShardKey {
    /// How many shards there are. Stored with every wait, so never changed.
    public static let count = 1_024

    /// The shard of a wait: a stable hash of its queue, kind and target, so that waits that share a probe share a shard.
    public static func shard(queue: String, kind: String, target: String) -> Int {
        var hash = StableHash()
        hash.combine(queue)
        hash.combine(kind)
        hash.combine(target)
        return Int(hash.value % UInt64(count))
    }
}
