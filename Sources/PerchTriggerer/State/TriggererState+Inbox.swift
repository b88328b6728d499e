// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchReactor
import PerchSDK

extension TriggererState {
    /// So much of a standing read is made on the writer's thread; more than that is read beside it.
    private static let mostStandingEvents = 100
    static let restAfterStanding: Int64 = 2_000

    mutating func nextInboxWork(now: Int64) -> TriggererWork? {
        while let delivery = pump.deliveries.first {
            if let work = deliver(delivery, now: now) { return work }
        }
        return pump.isReading ? nil : nextInboxStep(now: now)
    }

    private mutating func nextInboxStep(now: Int64) -> TriggererWork? {
        if case .idle = pump.phase, !pump.newcomers.isEmpty {
            let limit = min(configuration.eventsPerRead, pace.size(of: ArmingPace.inbox))
            let waits = pump.nextMembers(limit: limit) { table[$0] != nil }
            if !waits.isEmpty {
                pump.phase = .armed
                return .armInbox(waits)
            }
        }
        guard now >= readAt else { return nil }
        let isBarrier = pump.isOverdue(at: now)
        let isDirty = pump.isDirty && now >= pump.lookAt
        if case .standing = pump.phase { return isDirty || isBarrier || !pump.newcomers.isEmpty ? .withdrawInbox : nil }
        guard isDirty || isBarrier || !pump.lookBacks.isEmpty else {
            // Nothing has to be read: newcomers without a past are ready.
            guard case .armed = pump.phase else { return standInbox() }
            pump.lineUp(
                InboxPage(
                    lookBacks: [], tail: [], isTailComplete: true, readAt: Timestamp(microseconds: now)),
                isBarrier: false)
            return nextInboxWork(now: now)
        }
        pump.phase = .reading
        pump.isDirty = false
        return .readInbox(
            InboxRequest(
                generation: generation, lookBacks: pump.lookBacks, upTo: pump.cursor,
                limit: configuration.eventsPerRead, manner: isBarrier ? .barrier : .snapshot))
    }

    private mutating func standInbox() -> TriggererWork {
        pump.phase = .standing
        return .standInbox(
            InboxRequest(
                generation: generation, lookBacks: [], upTo: pump.cursor,
                limit: Self.mostStandingEvents, manner: .standing))
    }

    /// The standing read is out of the metastore again, `storing` where the next events are being stored in its place; or
    /// else it is under way.
    mutating func inboxWithdrawn(_ isOut: Bool, storing: Bool = false) {
        guard case .standing = pump.phase else { return }
        pump.phase = isOut ? storing ? .storing : .idle : .reading
    }

    /// What the wait at a place of `armInbox` listens to, now that its source has it; nil where the source does not want it.
    mutating func listens(at place: Int, to interest: InboxInterest?) {
        guard let interest else { return }
        pump.listens(place, to: interest)
    }

    mutating func inboxRead(_ request: InboxRequest, _ page: InboxPage, now: Int64) {
        guard request.generation == generation else { return }
        switch pump.phase {
        case .reading, .standing: break
        case .idle, .armed, .storing: return
        }
        readFailures = 0
        if request.manner == .standing, page.isTailComplete { pump.lookAt = now + Self.restAfterStanding }
        pump.lineUp(page, isBarrier: request.manner != .snapshot)
        pump.lookBacks = []
    }

    /// The step is made again: its members are still with their sources, and nothing has been delivered meanwhile.
    mutating func inboxReadFailed() {
        pump.phase = .armed
        pump.isDirty = true
    }

    /// Makes the first delivery in the line. Nil where it was none for a source; it is then gone from the line.
    private mutating func deliver(_ delivery: InboxPump.Delivery, now: Int64) -> TriggererWork? {
        switch delivery {
        case .past(let member, let event):
            pump.deliveries.removeFirst()
            let waitID = member.newcomer.wait.waitID
            guard let entry = table[waitID] else { return nil }
            currentEvent = event.seq
            return .lookBack(waitID: waitID, source: kinds.source(of: entry), event)
        case .pastEnd(let member, let isComplete, let upTo):
            pump.deliveries.removeFirst()
            return endPast(member, isComplete: isComplete, upTo: upTo, now: now)
        case .tail(let event):
            // Who had to have it before this event was received gets none any more.
            if let (_, waitID) = pump.deadlines.popDue(event.receivedAt.microseconds - 1) {
                return inboxReached(waitID, now: now)
            }
            pump.deliveries.removeFirst()
            pump.cursor = event.seq
            currentEvent = event.seq
            return .offer(event)
        case .end(let readAt, let isComplete, let isBarrier):
            if isComplete, isBarrier, let (_, waitID) = pump.deadlines.popDue(readAt - 1) {
                return inboxReached(waitID, now: now)
            }
            pump.deliveries.removeFirst()
            return nil
        }
    }

    private mutating func endPast(
        _ member: InboxPump.Member, isComplete: Bool, upTo: Int64, now: Int64
    ) -> TriggererWork? {
        var wait = member.newcomer.wait
        guard let entry = table[wait.waitID] else { return nil }
        guard isComplete else {
            if let latest = inboxProgress[wait.waitID] { wait.progress = latest.text }
            pump.newcomers.append(.init(wait: wait, after: upTo))
            return .disarm(waitID: wait.waitID, source: kinds.source(of: entry))
        }
        table.clear(.isLookingBack, of: wait.waitID)
        let deadline = wait.deadline?.microseconds
        if pump.mind(wait.waitID, deadline: deadline, checkpoint: member.checkpoint) {
            table.set(.hasInboxDeadline, of: wait.waitID)
        }
        if let deadline, deadline <= now { table.set(.isOverdue, of: wait.waitID) }
        return nil
    }

    /// The deadline of a wait has come, or its checkpoint, and no event from before it is missing.
    private mutating func inboxReached(_ waitID: Int64, now: Int64) -> TriggererWork? {
        table.clear(.hasInboxDeadline, of: waitID)
        guard let entry = table[waitID] else { return nil }
        if let checkpoint = pump.checkpoints[waitID], checkpoint.instant <= checkpoint.deadline ?? .max {
            return .checkpoint(
                waitID: waitID, source: kinds.source(of: entry), Timestamp(microseconds: checkpoint.instant))
        }
        pump.checkpoints[waitID] = nil
        guard entry.flags.contains(.isOverdue) else { return timeOut(waitID) }
        return lastProbe(waitID, entry, now: now)
    }

    /// The source of a wait knows of its checkpoint; `next` is the one after it.
    mutating func checkpointed(_ waitID: Int64, next: Timestamp?) {
        guard let passed = pump.checkpoints.removeValue(forKey: waitID), table[waitID] != nil else { return }
        if pump.mind(waitID, deadline: passed.deadline, checkpoint: next?.microseconds) {
            table.set(.hasInboxDeadline, of: waitID)
        }
    }
}
