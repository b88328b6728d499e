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
        /// The place of its look back in the request; nil where it has no past.
        var lookBack: Int?
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
        case reading(isBarrier: Bool)
    }

    var phase = Phase.idle
    /// Everything up to this event was delivered.
    var cursor: Int64 = 0
    /// Whether there may be more behind the cursor.
    var isDirty = false
    var newcomers: Deque<Newcomer> = []
    var members: [Member] = []
    var lookBacks: [InboxRequest.LookBack] = []
    var deliveries: Deque<Delivery> = []
    /// Deadlines of waits whose past has been looked through. An event received at or before them wins.
    var deadlines = TimerHeap<Int64>()
    private var places: [Interest: Int] = [:]

    private struct Interest: Hashable {
        var name: String
        var key: String?
    }

    var isReading: Bool {
        if case .reading = phase { true } else { false }
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
    mutating func listens(_ place: Int, name: String, key: String?) {
        let after = members[place].newcomer.after
        guard after < cursor else { return }
        let interest = Interest(name: name, key: key)
        if let known = places[interest] {
            lookBacks[known].after = min(lookBacks[known].after, after)
            members[place].lookBack = known
        } else {
            places[interest] = lookBacks.count
            members[place].lookBack = lookBacks.count
            lookBacks.append(.init(name: name, key: key, after: after))
        }
    }

    /// Takes a wait whose past is being looked through out of everything, so that it can begin again.
    mutating func forget(_ waitID: Int64) {
        newcomers.removeAll { $0.wait.waitID == waitID }
        members.removeAll { $0.newcomer.wait.waitID == waitID }
        deliveries.removeAll { delivery in
            switch delivery {
            case .past(let member, _), .pastEnd(let member, _, _): member.newcomer.wait.waitID == waitID
            case .tail, .end: false
            }
        }
    }

    /// Lines up what was read; `isBarrier` as it was asked.
    mutating func lineUp(_ page: InboxPage, isBarrier: Bool) {
        for member in members {
            guard let place = member.lookBack else {
                deliveries.append(.pastEnd(member, isComplete: true, upTo: cursor))
                continue
            }
            let past = page.lookBacks[place]
            for event in past.events where event.seq > member.newcomer.after {
                if let deadline = member.newcomer.wait.deadline, event.receivedAt > deadline { continue }
                deliveries.append(.past(member, event))
            }
            let seen = past.events.last?.seq ?? lookBacks[place].after
            deliveries.append(
                .pastEnd(
                    member, isComplete: past.isComplete,
                    upTo: past.isComplete ? cursor : max(member.newcomer.after, seen)))
        }
        members = []
        for event in page.tail { deliveries.append(.tail(event)) }
        deliveries.append(
            .end(readAt: page.readAt.microseconds, isComplete: page.isTailComplete, isBarrier: isBarrier))
        if !page.isTailComplete { isDirty = true }
        phase = .idle
    }
}
