// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

// Who watches which waits. A shard leaves a living triggerer only by its own release. Everything else takes the triggerer
// whole: its row in `process` goes, and with the row all that it may do. So whoever has its row, and a lease that has not
// ended, may fire whatever it believes to be its own; ids of processes are never used again.
extension Transaction {
    /// A triggerer holds shards of so many queues at most: the first by name.
    public static let mostQueues = 64

    /// Records a triggerer; gives its process id. It has no shards yet.
    public func registerTriggerer(
        _ identity: ProcessIdentity, terms: TriggererTerms, lease: TimeSpan
    ) throws -> Int64 {
        let owner = try registerProcess(
            role: TriggererRow.role, pid: identity.pid, startTime: identity.startTime, bootID: identity.bootID,
            host: identity.host, lease: lease)
        try run(
            "INSERT INTO triggerer (process_id, queues, capacity, is_draining, waits) VALUES (:1, :2, :3, 0, 0)",
            owner, terms.queues?.joined(separator: ","), max(1, terms.capacity))
        ring(.owners)
        return owner
    }

    /// Forgets a triggerer: its shards are free, and it can fire nothing any more.
    public func removeTriggerer(_ owner: Int64) throws {
        try removeProcess(owner)
        try run("DELETE FROM triggerer WHERE process_id = :1", owner)
        ring(.owners)
    }

    /// Tells a triggerer to hand over all that it has, or to take its share again. False where there is none.
    public func drainTriggerer(_ owner: Int64, isDraining: Bool) throws -> Bool {
        let changed = try run("UPDATE triggerer SET is_draining = :2 WHERE process_id = :1", owner, isDraining)
        ring(.owners)
        return changed == 1
    }

    /// Notes how many waits a triggerer watches.
    public func storeWatched(_ waits: Int, owner: Int64) throws {
        try run("UPDATE triggerer SET waits = :2 WHERE process_id = :1 AND waits <> :2", owner, waits)
    }

    /// Throws `conflict` unless the triggerer is recorded and its lease has not ended.
    public func checkLease(of owner: Int64) throws {
        guard try isLeaseHeld(by: owner) else {
            throw PerchError(.conflict, "triggerer \(owner) holds no lease any more")
        }
    }

    /// Whether a triggerer or a worker is recorded and its lease has not ended.
    public func isLeaseHeld(by owner: Int64) throws -> Bool {
        if leaseholders.contains(owner) { return true }
        guard
            try number("SELECT 1 FROM process WHERE process_id = :1 AND lease_until > :2", owner, now) != nil
        else { return false }
        leaseholders.insert(owner)
        return true
    }

    /// Works out the share of a triggerer: takes what is nobody's, and asks others for what it lacks.
    ///
    /// The shards of a queue are divided among the triggerers that serve it in proportion to their capacities. What is
    /// nobody's is taken by the first who looks, so that no wait is left alone; what is more than its share it gives away
    /// when another asks.
    /// - Throws: `conflict` unless the triggerer is recorded and its lease has not ended.
    public func shareShards(_ owner: Int64) throws -> ShardShare {
        try checkLease(of: owner)
        try removeDeadTriggerers()
        let living = try triggerers()
        guard let own = living.first(where: { $0.process.processID == owner }) else {
            throw PerchError(.conflict, "triggerer \(owner) is recorded as a process, but not as a triggerer")
        }
        var share = ShardShare(owned: ShardSet())
        for queue in try waitQueues().filter(own.terms.serves).prefix(Self.mostQueues) {
            var shards = try shards(of: queue)
            let members = living.filter { $0.terms.serves(queue) && !$0.isDraining }
            let targets = Self.targets(of: members)
            if !own.isDraining {
                try takeFree(&shards, of: queue, for: owner, living: living)
                try ask(&shards, of: queue, for: owner, targets: targets)
            }
            for shard in shards where shard.owner == owner {
                share.owned.insert(queue: queue, shard: shard.shard)
                let isWanted = living.contains { $0.process.processID == shard.wantedBy && !$0.isDraining }
                if own.isDraining || isWanted { share.asked.insert(queue: queue, shard: shard.shard) }
            }
        }
        return share
    }

    /// Gives shards of its own to those who asked for them, or to nobody. Nothing of them may be under way any more.
    public func releaseShards(_ shards: ShardSet, of owner: Int64) throws {
        for queue in shards.queues {
            for shard in shards.shards(of: queue) {
                try post(
                    """
                    UPDATE shard SET owner = wanted_by, wanted_by = 0 WHERE queue = :1 AND shard = :2 AND owner = :3
                    """, queue, shard, owner)
            }
        }
        if !shards.isEmpty { ring(.owners) }
    }

    /// Notes that there are waits of a queue.
    func noteQueue(_ queue: String) throws {
        guard queue != TaskDefinition.defaultQueue else { return }
        let added = try run("INSERT INTO wait_queue (queue) VALUES (:1) ON CONFLICT (queue) DO NOTHING", queue)
        if added == 1 { ring(.owners) }
    }

    // MARK: shares

    private struct Shard {
        var shard: Int
        var owner: Int64
        var wantedBy: Int64
    }

    /// Those whose lease has ended, or whose process row somebody has taken away.
    private func removeDeadTriggerers() throws {
        let dead = try rows(
            """
            SELECT t.process_id FROM triggerer t LEFT JOIN process p ON p.process_id = t.process_id
            WHERE p.process_id IS NULL OR p.lease_until <= :1 ORDER BY t.process_id
            """, now
        ) { $0.int64(0) }
        for owner in dead { try removeTriggerer(owner) }
    }

    /// How many shards of a queue each is to have, in the order of their ids.
    private static func targets(of members: [TriggererRow]) -> [(owner: Int64, count: Int)] {
        let total = members.reduce(0.0) { $0 + Double($1.terms.capacity) }
        var targets: [(owner: Int64, count: Int)] = []
        var sum = 0.0
        var given = 0
        for member in members {
            sum += Double(member.terms.capacity)
            // Rounded where the shares meet: together they are all.
            let upTo = Int((sum / total * Double(ShardKey.count)).rounded())
            targets.append((member.process.processID, upTo - given))
            given = upTo
        }
        return targets
    }

    private func shards(of queue: String) throws -> [Shard] {
        let known = try rows(
            "SELECT shard, owner, wanted_by FROM shard WHERE queue = :1 ORDER BY shard", queue
        ) { Shard(shard: $0.int(0), owner: $0.int64(1), wantedBy: $0.int64(2)) }
        guard known.isEmpty else { return known }
        return try (0..<ShardKey.count).map { shard in
            try post("INSERT INTO shard (queue, shard, owner, wanted_by) VALUES (:1, :2, 0, 0)", queue, shard)
            return Shard(shard: shard, owner: 0, wantedBy: 0)
        }
    }

    private func takeFree(_ shards: inout [Shard], of queue: String, for owner: Int64, living: [TriggererRow]) throws {
        let ids = Set(living.map(\.process.processID))
        for place in shards.indices where !ids.contains(shards[place].owner) {
            shards[place].owner = owner
            shards[place].wantedBy = 0
            try post(
                "UPDATE shard SET owner = :3, wanted_by = 0 WHERE queue = :1 AND shard = :2", queue,
                shards[place].shard, owner)
        }
    }

    /// Asks those who have more than their share, whoever has most too many first.
    private func ask(
        _ shards: inout [Shard], of queue: String, for owner: Int64, targets: [(owner: Int64, count: Int)]
    ) throws {
        let members = Set(targets.map(\.owner))
        func holds(_ shard: Shard, _ id: Int64) -> Bool {
            // What is promised counts as handed over already.
            members.contains(shard.wantedBy) ? shard.wantedBy == id : shard.owner == id
        }
        let target = targets.first { $0.owner == owner }?.count ?? 0
        var lacking = target - shards.count { holds($0, owner) }
        guard lacking > 0 else { return }
        let owners = Set(shards.map(\.owner)).subtracting([owner]).sorted()
        let surplus = owners.map { id in
            (id: id, count: shards.count { holds($0, id) } - (targets.first { $0.owner == id }?.count ?? 0))
        }.filter { $0.count > 0 }.sorted { ($1.count, $0.id) < ($0.count, $1.id) }
        for (id, count) in surplus where lacking > 0 {
            var left = min(count, lacking)
            // From the end: the first shards stay where they are.
            for place in shards.indices.reversed()
            where left > 0 && shards[place].owner == id && holds(shards[place], id) {
                shards[place].wantedBy = owner
                try post(
                    "UPDATE shard SET wanted_by = :3 WHERE queue = :1 AND shard = :2", queue, shards[place].shard, owner
                )
                left -= 1
                lacking -= 1
            }
        }
        ring(.owners)
    }
}

extension TriggererRow {
    /// The role of triggerers among the processes.
    public static let role = "triggerer"
}

extension Snapshot {
    /// The triggerers that are recorded, in the order of their ids. One whose lease has ended may be among them.
    public func triggerers() throws -> [TriggererRow] {
        let processes = try processes(role: TriggererRow.role)
        let held = Dictionary(
            try rows("SELECT owner, COUNT(*) FROM shard GROUP BY owner") { ($0.int64(0), $0.int(1)) },
            uniquingKeysWith: +)
        return try rows(
            "SELECT process_id, queues, capacity, is_draining, waits FROM triggerer ORDER BY process_id"
        ) { row in
            processes.first { $0.processID == row.int64(0) }.map { process in
                TriggererRow(
                    process: process,
                    terms: TriggererTerms(
                        queues: row.optionalText(1)?.split(separator: ",").map(String.init), capacity: row.int64(2)),
                    isDraining: row.bool(3), waits: row.int64(4), shards: held[process.processID] ?? 0)
            }
        }.compactMap { $0 }
    }

    /// The queues of waits, by name.
    public func waitQueues() throws -> [String] {
        try rows("SELECT queue FROM wait_queue ORDER BY queue") { $0.text(0) }
    }

    /// The triggerer that holds a shard of a queue and is recorded; nil where none is.
    public func owner(ofShard shard: Int, queue: String) throws -> ProcessRow? {
        let owner = try number("SELECT owner FROM shard WHERE queue = :1 AND shard = :2", queue, shard)
        return try processes(role: TriggererRow.role).first { $0.processID == owner }
    }

    /// The queues of waits that no living triggerer serves, by name.
    public func unservedQueues() throws -> [String] {
        let living = try triggerers().filter { !$0.isDraining && $0.process.leaseUntil > now }
        return try waitQueues().filter { queue in !living.contains { $0.terms.serves(queue) } }
    }

    /// Waits of a queue whose deadline was before an instant, in the order of their ids. Looks at every wait.
    public func overdueWaits(ofQueue queue: String, before instant: Timestamp, limit: Int) throws -> [Int64] {
        try rows(
            "SELECT wait_id FROM wait WHERE queue = :1 AND deadline < :2 ORDER BY wait_id LIMIT :3", queue, instant,
            limit
        ) { $0.int64(0) }
    }

    /// How many waits of a queue there are. Looks at every wait.
    public func waitCount(ofQueue queue: String) throws -> Int {
        Int(try number("SELECT COUNT(*) FROM wait WHERE queue = :1", queue) ?? 0)
    }

    /// Who holds which shards.
    public func shardOwners() throws -> ShardOwners {
        var owners = ShardOwners()
        for process in try processes(role: TriggererRow.role) { owners.names[process.processID] = process.name }
        try each("SELECT queue, shard, owner FROM shard") { row in
            owners.owners[ShardOwners.Place(queue: row.text(0), shard: row.int(1))] = row.int64(2)
        }
        return owners
    }
}

/// Who holds which shards at a moment.
public struct ShardOwners: Sendable {
    struct Place: Hashable {
        var queue: String
        var shard: Int
    }

    var owners: [Place: Int64] = [:]
    var names: [Int64: String] = [:]

    /// The triggerer that watches a wait, `host:pid`; nil where none does.
    public func name(of wait: WaitRow) -> String? {
        owners[Place(queue: wait.queue, shard: wait.shard)].flatMap { names[$0] }
    }

    /// Every triggerer, `host:pid`, by name.
    public var triggerers: [String] { names.values.sorted() }
}
