// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchReactor
import PerchSDK

extension TriggererState {
    /// Newcomers that wait for their look back are not let grow without bound.
    private var mostNewcomers: Int { configuration.waitsPerRead * 2 }

    mutating func nextWaitsRequest(now: Int64) -> WaitsRequest? {
        guard !isReadingWaits, now >= readAt, pump.newcomers.count < mostNewcomers else { return nil }
        var request = WaitsRequest(
            generation: generation, shards: shards.watched, after: lastWait, notedAfter: lastNote,
            limit: configuration.waitsPerRead)
        if areWaitsDirty {
            areWaitsDirty = false
        } else if let catchUp = shards.catchUps.first {
            shards.catchUps[0].upTo = catchUp.upTo ?? lastWait
            request.shards = catchUp.shards
            request.after = catchUp.after
            request.upTo = catchUp.upTo ?? lastWait
        } else {
            return nil
        }
        isReadingWaits = true
        return request
    }

    /// Takes in what was read: arms the new waits, forgets the removed ones.
    mutating func waitsRead(_ request: WaitsRequest, _ page: WaitsPage, now: Int64) {
        guard request.generation == generation else { return }
        isReadingWaits = false
        readFailures = 0
        var bySource: [[WaitToArm]] = []
        var admitted = 0
        // A shard that was left and stays after all: what was found of its waits before is on its way.
        let isOver = request.upTo == nil ? [] : firedMeanwhile.union(fires.waits)
        for wait in page.waits where shards.watched.contains(queue: wait.queue, shard: wait.shard) {
            guard !isOver.contains(wait.waitID) else { continue }
            admit(wait, into: &bySource, now: now)
            admitted += 1
        }
        arm(bySource)
        if request.upTo == nil { lastWait = page.last }
        lastNote = page.notes.last?.seq ?? lastNote
        var changed: [[WaitToArm]] = []
        for note in page.notes where shards.watched.contains(queue: note.queue, shard: note.shard) {
            if let wait = note.wait { change(wait, into: &changed, now: now) } else { drop(note.waitID) }
        }
        arm(changed)
        firedMeanwhile = []
        if page.notes.count >= request.limit { areWaitsDirty = true }
        guard request.upTo == nil else { return caughtUp(request, page, admitted: admitted, now: now) }
        if !page.isComplete { areWaitsDirty = true }
        if !areWaitsDirty, let since = loadingSince {
            loadingSince = nil
            commands.append(.loaded(waits: table.count, after: now - since))
        }
    }

    private mutating func arm(_ bySource: [[WaitToArm]]) {
        for (source, waits) in bySource.enumerated() where !waits.isEmpty {
            commands.append(.arm(waits[...], source: source))
        }
    }

    /// The next command for a source. Of many waits it is given as many as it can take in a few milliseconds: between two
    /// such groups others of the loop have their turn.
    mutating func nextCommand() -> TriggererWork? {
        guard let command = commands.popFirst() else { return nil }
        guard case .arm(let waits, let source) = command else { return command }
        let group = waits.prefix(pace.size(of: source))
        if group.count < waits.count { commands.prepend(.arm(waits[group.endIndex...], source: source)) }
        return .arm(group, source: source)
    }

    private mutating func caughtUp(_ request: WaitsRequest, _ page: WaitsPage, admitted: Int, now: Int64) {
        // What is caught up with may have been given away while it was read.
        guard var catchUp = shards.catchUps.first, catchUp.upTo == request.upTo, catchUp.after == request.after else {
            return
        }
        catchUp.after = page.last
        catchUp.waits += admitted
        shards.catchUps[0] = catchUp
        guard page.isComplete else { return }
        shards.catchUps.removeFirst()
        commands.append(.caughtUp(waits: catchUp.waits, after: now - catchUp.since))
    }

    mutating func readFailed(_ failedGeneration: Int, ofWaits: Bool, now: Int64) {
        guard failedGeneration == generation else { return }
        readFailures += 1
        readAt = now + min(5_000_000, 50_000 << Int64(min(readFailures - 1, 7)))
        if ofWaits {
            isReadingWaits = false
            areWaitsDirty = true
        } else {
            inboxReadFailed()
        }
    }

    /// The deadline of a wait was moved.
    private mutating func change(_ wait: WaitToArm, into bySource: inout [[WaitToArm]], now: Int64) {
        // One that is still to be read comes as it is.
        guard wait.waitID <= lastWait else { return }
        guard let entry = table[wait.waitID] else {
            // The note about a claim that was lost may be read before the answer to it.
            if fires.isClaiming(wait.waitID) {
                claimants[wait.waitID] = wait
                return
            }
            // Its timeout, if that was it, does not count. Every other fire of it stands.
            guard fires.withdrawTimeout(of: wait.waitID), !firedMeanwhile.contains(wait.waitID) else { return }
            admit(wait, into: &bySource, now: now)
            return
        }
        guard !kinds.isInbox[Int(entry.kind)] else {
            // Events that came after the old deadline may be in time for the new one: it is looked through again.
            var wait = wait
            let latest = inboxProgress[wait.waitID]
            if let latest { wait.progress = latest.text }
            let unsaved = progress[wait.waitID]
            pump.forget([wait.waitID])
            drop(wait.waitID)
            admit(wait, into: &bySource, now: now)
            inboxProgress[wait.waitID] = latest
            if let unsaved { progress[wait.waitID] = unsaved }
            return
        }
        if entry.flags.contains(.hasDeadline) { deadlines.remove(wait.waitID) }
        if entry.flags.contains(.isProbing) {
            probeBounds.remove(wait.waitID)
            probing -= 1
        }
        table.clear([.hasDeadline, .isProbing, .isOverdue], of: wait.waitID)
        guard let deadline = Self.timer(of: wait) else { return }
        table.set(deadline.microseconds <= now ? [.hasDeadline, .isOverdue] : .hasDeadline, of: wait.waitID)
        deadlines.insert(deadline: deadline.microseconds, id: wait.waitID)
    }

    /// The deadline that has to be watched: what comes at it or before needs none.
    private static func timer(of wait: WaitToArm) -> Timestamp? {
        if let due = wait.due, let last = wait.deadline, due <= last { return nil }
        return wait.deadline
    }

    private mutating func admit(_ wait: WaitToArm, into bySource: inout [[WaitToArm]], now: Int64) {
        guard let kind = kinds.place(of: wait.kind) else {
            let known = kinds.names.sorted().joined(separator: ", ")
            let message = "nothing here watches waits of kind '\(wait.kind)'; the kinds of this triggerer are \(known)"
            fires.append(Firing(waitID: wait.waitID, outcome: .broken(message), by: Self.name))
            return
        }
        var entry = WaitEntry(kind: kind, flags: [], place: place(of: wait))
        guard !kinds.isInbox[Int(kind)] else {
            entry.flags = .isLookingBack
            guard table.insert(wait.waitID, entry) else { return }
            pump.newcomers.append(.init(wait: wait, after: wait.eventFloor))
            return
        }
        let deadline = Self.timer(of: wait)
        if let deadline {
            entry.flags.insert(.hasDeadline)
            if deadline.microseconds <= now { entry.flags.insert(.isOverdue) }
        }
        guard table.insert(wait.waitID, entry) else { return }
        if let deadline { deadlines.insert(deadline: deadline.microseconds, id: wait.waitID) }
        let source = kinds.source(of: entry)
        while bySource.count <= source { bySource.append([]) }
        bySource[source].append(wait)
    }

    /// What a wait has claimed is another's: it is armed again, where the note about it has been read.
    mutating func lostClaim(_ waitID: Int64, now: Int64) {
        guard let wait = claimants.removeValue(forKey: waitID),
            shards.watched.contains(queue: wait.queue, shard: wait.shard)
        else { return }
        var bySource: [[WaitToArm]] = []
        admit(wait, into: &bySource, now: now)
    }

    /// The wait has ended, or is another's.
    mutating func drop(_ waitID: Int64) {
        guard let entry = forget(waitID) else { return }
        commands.append(.disarm(waitID: waitID, source: kinds.source(of: entry)))
    }

    /// Takes a wait out of everything but its source.
    mutating func forget(_ waitID: Int64) -> WaitEntry? {
        guard let entry = table.remove(waitID) else { return nil }
        if entry.flags.contains(.hasDeadline) { deadlines.remove(waitID) }
        if entry.flags.contains(.hasInboxDeadline) { pump.release(waitID) }
        if entry.flags.contains(.isProbing) {
            probeBounds.remove(waitID)
            probing -= 1
        }
        if !progress.isEmpty { progress[waitID] = nil }
        if !inboxProgress.isEmpty { inboxProgress[waitID] = nil }
        return entry
    }

    static let name = "triggerer"
}

// MARK: what the sources say
extension TriggererState {
    /// Takes a source's report. One about a wait that is gone is too late and means nothing.
    mutating func reported(_ report: SourceReport, now: Int64) {
        switch report {
        case .fired(let waitID, let payload):
            guard forget(waitID) != nil else { return }
            fires.append(
                Firing(waitID: waitID, outcome: .event(payload), eventSeq: currentEvent, by: Self.name))
        case .claimed(let waitID, let seq, let payload):
            guard forget(waitID) != nil else { return }
            fires.append(
                Firing(waitID: waitID, outcome: .event(payload), eventSeq: seq, by: Self.name, claims: true))
        case .broken(let waitID, let message):
            guard forget(waitID) != nil else { return }
            fires.append(Firing(waitID: waitID, outcome: .broken(message), by: Self.name))
        case .progressed(let waitID, let value):
            guard let entry = table[waitID] else { return }
            progress[waitID] = value
            if kinds.isInbox[Int(entry.kind)] { inboxProgress[waitID] = value }
        case .probed(let state):
            probes.take(state, at: now)
        }
    }
}

// MARK: deadlines
extension TriggererState {
    private static let mostProbes = 1_000

    mutating func nextDeadlineWork(now: Int64) -> TriggererWork? {
        while let (_, waitID) = probeBounds.popDue(now) {
            table.clear(.isProbing, of: waitID)
            probing -= 1
            if let work = timeOut(waitID) { return work }
        }
        while let (_, waitID) = deadlines.popDue(now) {
            guard let entry = table[waitID] else { continue }
            table.clear(.hasDeadline, of: waitID)
            if entry.flags.contains(.isOverdue) {
                toProbe.append(waitID)
            } else if let work = timeOut(waitID) {
                return work
            }
        }
        while probing < Self.mostProbes, let waitID = toProbe.popFirst() {
            // Its deadline may have been moved meanwhile.
            guard let entry = table[waitID], entry.flags.isDisjoint(with: [.hasDeadline, .isProbing]),
                entry.flags.contains(.isOverdue)
            else { continue }
            return lastProbe(waitID, entry, now: now)
        }
        return nil
    }

    /// Has an overdue wait probed once before its timeout.
    mutating func lastProbe(_ waitID: Int64, _ entry: WaitEntry, now: Int64) -> TriggererWork {
        table.set(.isProbing, of: waitID)
        probing += 1
        probeBounds.insert(deadline: now + configuration.overdueProbe.microseconds, id: waitID)
        return .probe(waitID: waitID, source: kinds.source(of: entry))
    }

    /// The last probe of an overdue wait has its answer, and it was not yes.
    mutating func probed(_ waitID: Int64, generation probedGeneration: Int) {
        guard probedGeneration == generation, table[waitID]?.flags.contains(.isProbing) ?? false else { return }
        if let work = timeOut(waitID) { commands.append(work) }
    }

    /// Fires the timeout; the source is to forget the wait.
    mutating func timeOut(_ waitID: Int64) -> TriggererWork? {
        guard let entry = forget(waitID) else { return nil }
        fires.append(Firing(waitID: waitID, outcome: .timeout, by: Self.name))
        return .disarm(waitID: waitID, source: kinds.source(of: entry))
    }
}
