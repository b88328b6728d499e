// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchReactor
import PerchSDK

/// Brings inbox and waits together in one ordered queue, so that no event is missed and the earliest that matches wins.
///
/// A step arms some waits, reads in one snapshot their past up to the cursor and the tail behind it, delivers the past to
/// those waits, and then the tail to all. Nothing is armed and nothing delivered while a read is under way. A wait whose
/// past is too long for one step is taken from its source again, so that it does not see the tail, and goes on in the
/// next step; nobody else waits for it.
struct InboxPump {
    /// A wait whose past has not been looked through.
    struct Newcomer {
        var wait: WaitToArm
        /// Events up to this one are not for it, or have been looked at.
        var after: Int64
    }

    /// A newcomer in the step that is under way.
    struct Member {
        var newcomer: Newcomer
        /// The places of its looks back in the request; none where it has no past.
        var lookBacks: [Int] = []
        /// See `InboxInterest.checkpoint`.
        var checkpoint: Int64?
    }

    /// The next checkpoint of a wait, with the deadline that is to be watched after it.
    struct Checkpoint {
        var instant: Int64
        var deadline: Int64?
    }

    enum Delivery {
        case past(Member, InboxEvent)
        case pastEnd(Member, isComplete: Bool, upTo: Int64)
        case tail(InboxEvent)
        case end(readAt: Int64, isComplete: Bool, isBarrier: Bool)
    }

    enum Phase {
        case idle
        /// The members have been handed to their sources, which are saying what they listen to.
        case armed
        case reading
        /// Nothing is to be read: a read of the tail stands in the metastore, to be made by the very transaction that
        /// brings the next event.
        case standing
        /// The next events are being stored by the triggerer itself: they are the tail, unless another comes between.
        case storing
    }

    var phase = Phase.idle
    /// Everything up to this event was delivered.
    var cursor: Int64 = 0
    /// Whether there may be more behind the cursor.
    var isDirty = false
    /// The bell of an event that a standing read has brought asks for what is known most likely: no look before this
    /// instant.
    var lookAt: Int64 = .min
    var newcomers: Deque<Newcomer> = []
    var members: [Member] = []
    var lookBacks: [InboxRequest.LookBack] = []
    var deliveries: Deque<Delivery> = []
    /// Deadlines of waits whose past has been looked through. An event received at or before them wins.
    /// A wait with a checkpoint stands here with whichever comes first.
    var deadlines = TimerHeap<Int64>()
    var checkpoints: [Int64: Checkpoint] = [:]
    private var places: [Place: Int] = [:]

    /// What a look back is for.
    private struct Place: Hashable {
        var address: InboxInterest.Address
        var receivedBy: Timestamp?
    }

    /// Whether an answer is awaited before anything is armed or delivered.
    var isReading: Bool {
        switch phase {
        case .reading, .storing: true
        case .idle, .armed, .standing: false
        }
    }

    var isStoring: Bool {
        if case .storing = phase { true } else { false }
    }

    /// Whether a deadline has passed, so that the inbox has to be read up to now.
    mutating func isOverdue(at now: Int64) -> Bool {
        deadlines.earliest.map { $0 < now } ?? false
    }

    /// Takes the newcomers of the next step that are still waited for.
    mutating func nextMembers(limit: Int, isWaiting: (Int64) -> Bool) -> [WaitToArm] {
        members = []
        lookBacks = []
        places = [:]
        while members.count < limit, let newcomer = newcomers.popFirst() {
            if isWaiting(newcomer.wait.waitID) { members.append(Member(newcomer: newcomer)) }
        }
        return members.map(\.newcomer.wait)
    }

    /// Notes what a member listens to; waits of the same name and key share one look back.
    mutating func listens(_ place: Int, to interest: InboxInterest) {
        members[place].checkpoint = interest.checkpoint?.microseconds
        let after = members[place].newcomer.after
        guard after < cursor else { return }
        for address in interest.addresses {
            let receivedBy = address.past == .latest ? members[place].newcomer.wait.deadline : nil
            let wanted = Place(address: address, receivedBy: receivedBy)
            if let known = places[wanted] {
                lookBacks[known].after = min(lookBacks[known].after, after)
                members[place].lookBacks.append(known)
            } else {
                places[wanted] = lookBacks.count
                members[place].lookBacks.append(lookBacks.count)
                lookBacks.append(
                    .init(
                        name: address.name, key: address.key, past: address.past, after: after, receivedBy: receivedBy))
            }
        }
    }

    /// Begins to mind the deadline of a wait, and its checkpoint. False where it has neither.
    mutating func mind(_ waitID: Int64, deadline: Int64?, checkpoint: Int64?) -> Bool {
        guard let earliest = [deadline, checkpoint].compactMap({ $0 }).min() else { return false }
        deadlines.insert(deadline: earliest, id: waitID)
        if let checkpoint { checkpoints[waitID] = Checkpoint(instant: checkpoint, deadline: deadline) }
        return true
    }

    /// Minds a wait no longer.
    mutating func release(_ waitID: Int64) {
        deadlines.remove(waitID)
        checkpoints[waitID] = nil
    }

    /// Takes waits whose past is being looked through out of everything, so that they can begin again.
    mutating func forget(_ waits: Set<Int64>) {
        newcomers.removeAll { waits.contains($0.wait.waitID) }
        members.removeAll { waits.contains($0.newcomer.wait.waitID) }
        deliveries.removeAll { delivery in
            switch delivery {
            case .past(let member, _), .pastEnd(let member, _, _): waits.contains(member.newcomer.wait.waitID)
            case .tail, .end: false
            }
        }
    }

    /// The past of a member in the order of commits, each event once.
    private func past(of member: Member, _ page: InboxPage) -> [InboxEvent] {
        guard member.lookBacks.count != 1 else { return page.lookBacks[member.lookBacks[0]].events }
        var seen: Set<Int64> = []
        return member.lookBacks.flatMap { page.lookBacks[$0].events }.filter { seen.insert($0.seq).inserted }
            .sorted { $0.seq < $1.seq }
    }

    /// Up to which event everything that concerns a member has been read.
    private func lookedUpTo(_ member: Member, _ page: InboxPage) -> Int64 {
        var upTo = cursor
        for place in member.lookBacks where !page.lookBacks[place].isComplete {
            upTo = min(
                upTo, max(member.newcomer.after, page.lookBacks[place].events.last?.seq ?? lookBacks[place].after))
        }
        return upTo
    }

    /// Lines up what was read; `isBarrier` where it holds every event that was received before it was read.
    mutating func lineUp(_ page: InboxPage, isBarrier: Bool) {
        for member in members {
            let upTo = lookedUpTo(member, page)
            for event in past(of: member, page) where event.seq > member.newcomer.after && event.seq <= upTo {
                if let deadline = member.newcomer.wait.deadline, event.receivedAt > deadline { continue }
                deliveries.append(.past(member, event))
            }
            let isComplete = member.lookBacks.allSatisfy { page.lookBacks[$0].isComplete }
            deliveries.append(.pastEnd(member, isComplete: isComplete, upTo: upTo))
        }
        members = []
        for event in page.tail { deliveries.append(.tail(event)) }
        deliveries.append(
            .end(readAt: page.readAt.microseconds, isComplete: page.isTailComplete, isBarrier: isBarrier))
        if !page.isTailComplete { isDirty = true }
        phase = .idle
    }
}
