// SPDX-License-Identifier: Apache-2.0

import PerchSDK

@testable import PerchMetastore
@testable import PerchTriggerer

/// What the metastore does for a triggerer, in memory, with everything that a test wants to know afterwards.
struct ModelStore {
    struct Wait {
        var row: WaitToArm
        /// An event wait: which value it wants.
        var wanted: Int?
        /// Whether it takes its event for itself.
        var isAlone = false
        var outcome: WaitOutcome?
        var eventSeq: Int64?
        var firedByHand = false
    }

    var waits: [Int64: Wait] = [:]
    var open: [Int64] = []
    var events: [InboxEvent] = []
    /// Which wait has taken which event for itself; 0: one that another triggerer watches.
    var claimed: [Int64: Int64] = [:]
    var notes: [(seq: Int64, waitID: Int64)] = []
    /// Waits that timed out before their deadlines.
    var early: [Int64] = []
    var owner: Int64 = 0
    /// Who holds which shard: an owner, the rival, or nobody.
    var holders = [Int64](repeating: 0, count: Self.shards)
    var wanted: Set<Int> = []
    static let shards = 4
    static let rival: Int64 = -1
    /// Fires of waits whose shards were another's.
    var trespasses: [Int64] = []
    private var lastWait: Int64 = 0
    private var lastNote: Int64 = 0
    private var lastOwner: Int64 = 0

    mutating func register(
        kind: String, wanted: Int? = nil, isAlone: Bool = false, deadline: Int64?, floor: Int64 = 0, now: Int64
    ) {
        lastWait += 1
        let definition = wanted.map { "{\"value\":\($0)}" }
        let row = WaitToArm(
            waitID: lastWait, kind: kind, target: "t", due: nil, deadline: deadline.map(Timestamp.init(microseconds:)),
            since: Timestamp(microseconds: now), definition: definition, progress: nil, eventFloor: floor,
            queue: "default", shard: Self.shard(of: lastWait))
        waits[lastWait] = Wait(row: row, wanted: wanted, isAlone: isAlone)
        open.append(lastWait)
    }

    mutating func emit(name: String, value: Int, now: Int64) {
        let seq = Int64(events.count + 1)
        events.append(
            InboxEvent(
                seq: seq, eventID: "e\(seq)", name: name, payload: .integer(Int64(value)),
                receivedAt: Timestamp(microseconds: now)))
    }

    private static func shard(of waitID: Int64) -> Int { Int(waitID) % shards }

    func isHeld(_ waitID: Int64, by owner: Int64) -> Bool { holders[Self.shard(of: waitID)] == owner }

    /// Another process takes the place of the owner.
    mutating func acquire() -> (owner: Int64, share: ShardShare) {
        lastOwner += 1
        for shard in holders.indices where holders[shard] == owner { holders[shard] = 0 }
        owner = lastOwner
        return (owner, share())
    }

    /// The owner takes what is nobody's.
    mutating func share() -> ShardShare {
        var share = ShardShare(owned: ShardSet())
        for shard in holders.indices {
            if holders[shard] == 0 { holders[shard] = owner }
            guard holders[shard] == owner else { continue }
            share.owned.insert(queue: "default", shard: shard)
            if wanted.contains(shard) { share.asked.insert(queue: "default", shard: shard) }
        }
        return share
    }

    /// The rival gives up what it has.
    mutating func rivalEnds() {
        wanted = []
        for shard in holders.indices where holders[shard] == Self.rival { holders[shard] = 0 }
    }

    mutating func fireByHand(_ waitID: Int64) {
        guard win(waitID, .event(.null), seq: nil) else { return }
        waits[waitID]?.firedByHand = true
        note(waitID)
    }

    /// Moves the deadline of a wait, if it is still there.
    mutating func extend(_ waitID: Int64, to deadline: Int64?) {
        guard open.contains(waitID) else { return }
        waits[waitID]?.row.deadline = deadline.map(Timestamp.init(microseconds:))
        note(waitID)
    }

    private mutating func note(_ waitID: Int64) {
        lastNote += 1
        notes.append((lastNote, waitID))
    }

    mutating func fire(_ group: CommitGroup, now: Int64) throws -> [FireResult] {
        guard group.owner == owner else { throw PerchError(.conflict, "not yours") }
        defer {
            for shard in group.releases.shards(of: "default") where holders[shard] == owner {
                holders[shard] = wanted.remove(shard) == nil ? 0 : Self.rival
            }
        }
        return group.firings.map { firing in
            if open.contains(firing.waitID), !isHeld(firing.waitID, by: owner) { trespasses.append(firing.waitID) }
            if firing.outcome == .timeout {
                if notes.contains(where: { $0.seq > group.noted && $0.waitID == firing.waitID }) { return .lost }
                let isOver = waits[firing.waitID]?.row.deadline.map { $0.microseconds <= now } ?? false
                if open.contains(firing.waitID), !isOver { early.append(firing.waitID) }
            }
            if firing.claims, case .event = firing.outcome, let seq = firing.eventSeq, open.contains(firing.waitID) {
                guard claimed[seq] == nil else {
                    note(firing.waitID)
                    return .taken
                }
                claimed[seq] = firing.waitID
            }
            return win(firing.waitID, firing.outcome, seq: firing.eventSeq) ? .won : .lost
        }
    }

    /// What an event ends in the transaction that stores it.
    mutating func fire(_ foreseen: [Int64], _ event: InboxEvent, owner firing: Int64) -> [Int64] {
        guard firing == owner else { return [] }
        return foreseen.filter { waitID in
            if let deadline = waits[waitID]?.row.deadline, deadline < event.receivedAt { return false }
            if open.contains(waitID), !isHeld(waitID, by: owner) { trespasses.append(waitID) }
            return win(waitID, .event(event.payload), seq: event.seq)
        }
    }

    private mutating func win(_ waitID: Int64, _ outcome: WaitOutcome, seq: Int64?) -> Bool {
        guard let place = open.firstIndex(of: waitID) else { return false }
        open.remove(at: place)
        waits[waitID]?.outcome = outcome
        waits[waitID]?.eventSeq = seq
        return true
    }

    func page(_ request: WaitsRequest) -> WaitsPage {
        let looked = open.filter { $0 > request.after && $0 <= request.upTo ?? .max }.prefix(request.limit)
        return WaitsPage(
            waits: looked.compactMap { waits[$0]?.row }.filter {
                request.shards.contains(queue: $0.queue, shard: $0.shard)
            },
            last: looked.last ?? request.after, isComplete: looked.count < request.limit,
            notes: notes.filter { $0.seq > request.notedAfter }.prefix(request.limit).map { note in
                WaitNote(
                    seq: note.seq, waitID: note.waitID, queue: "default", shard: Self.shard(of: note.waitID),
                    wait: open.contains(note.waitID) ? waits[note.waitID]?.row : nil
                )
            })
    }

    func page(_ request: InboxRequest, now: Int64) -> InboxPage {
        var left = request.limit
        var lookBacks: [(events: [InboxEvent], isComplete: Bool)] = []
        for (place, past) in request.lookBacks.enumerated() {
            let all = events.filter {
                $0.name == past.name && $0.seq > past.after && $0.seq <= request.upTo
                    && (past.past != .unclaimed || claimed[$0.seq] == nil)
            }
            let some = Array(all.prefix(max(1, left / (request.lookBacks.count - place))))
            left -= some.count
            lookBacks.append((some, some.count == all.count))
        }
        let tail = events.filter { $0.seq > request.upTo }
        return InboxPage(
            lookBacks: lookBacks, tail: Array(tail.prefix(request.limit)), isTailComplete: tail.count <= request.limit,
            readAt: Timestamp(microseconds: now))
    }

    /// The event that is to fire an event wait: the first that it wants, in time. One that takes its event for itself is
    /// fired by the one that it has taken; else any that is nobody's had to do.
    func rightEvent(of wait: Wait) -> InboxEvent? {
        events.first { event in
            event.name == wait.row.kind && event.seq > wait.row.eventFloor
                && event.payload == wait.wanted.map { .integer(Int64($0)) }
                && event.receivedAt <= wait.row.deadline ?? event.receivedAt
                && (!wait.isAlone || claimed[event.seq] == (wait.eventSeq == nil ? nil : wait.row.waitID))
        }
    }
}
