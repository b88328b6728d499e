// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchSDK

/// Which shards are this triggerer's, and what is under way with them.
///
/// A shard that is asked for is first *left*: its waits are forgotten at once, but it stays this triggerer's until every
/// fire that was found before is stored. With that commit, or after it, it is released.
struct ShardBook {
    /// Waits of shards that came later than the waits were registered: they are read from the beginning.
    struct CatchUp {
        var shards: ShardSet
        var since: Int64
        /// How far they are read, and how far they are to be; the rest comes with all others.
        var after: Int64 = 0
        var upTo: Int64?
        var waits = 0
    }

    /// Those whose waits are watched, and read.
    private(set) var watched = ShardSet()
    /// Left, and not released yet.
    private(set) var leaving = ShardSet()
    /// Being released by the commit that is under way.
    private(set) var releasing = ShardSet()
    var catchUps: Deque<CatchUp> = []

    /// Takes in how things stand in the metastore. No release may be under way.
    mutating func take(_ share: ShardShare) -> (gained: ShardSet, lost: ShardSet) {
        let now = share.owned.subtracting(share.asked)
        let gained = now.subtracting(watched)
        let lost = watched.subtracting(now)
        watched = now
        leaving = share.asked
        if !lost.isEmpty {
            for place in catchUps.indices { catchUps[place].shards.subtract(lost) }
            catchUps.removeAll { $0.shards.isEmpty }
        }
        return (gained, lost)
    }

    /// Those that go with the next commit.
    mutating func beginRelease() -> ShardSet {
        releasing = leaving
        leaving = ShardSet()
        return releasing
    }

    mutating func released() { releasing = ShardSet() }

    mutating func releaseFailed() {
        leaving.formUnion(releasing)
        releasing = ShardSet()
    }
}

/// Numbers for shards of queues, small enough to stand beside each wait.
struct ShardPlaces {
    private var queues: [String: UInt16] = [:]
    private var last: (queue: String, place: UInt16)?

    /// A number that no other shard has. Of more queues than `Transaction.mostQueues` no triggerer holds shards.
    mutating func place(queue: String, shard: Int) -> UInt16 {
        if let last, last.queue == queue { return last.place + UInt16(shard) }
        let place = queues[queue] ?? UInt16(queues.count * ShardKey.count)
        queues[queue] = place
        last = (queue, place)
        return place + UInt16(shard)
    }

    mutating func places(of set: ShardSet) -> Set<UInt16> {
        var places: Set<UInt16> = []
        for queue in set.queues {
            for shard in set.shards(of: queue) { places.insert(place(queue: queue, shard: shard)) }
        }
        return places
    }
}
