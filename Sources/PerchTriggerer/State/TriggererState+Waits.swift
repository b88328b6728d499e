// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchReactor
import PerchSDK

extension TriggererState {
    /// Newcomers that wait for their look back are not let grow without bound.
    private var mostNewcomers: Int { configuration.waitsPerRead * 2 }

    mutating func nextWaitsRequest(now: Int64) -> WaitsRequest? {
        guard areWaitsDirty, !isReadingWaits, now >= readAt, pump.newcomers.count < mostNewcomers else { return nil }
        areWaitsDirty = false
        isReadingWaits = true
        return WaitsRequest(
            generation: generation, after: lastWait, removedAfter: lastRemoval, limit: configuration.waitsPerRead)
    }

    /// Takes in what was read: arms the new waits, forgets the removed ones.
    mutating func waitsRead(_ request: WaitsRequest, _ page: WaitsPage, now: Int64) {
        guard request.generation == generation else { return }
        isReadingWaits = false
        readFailures = 0
        var bySource: [[WaitToArm]] = []
        for wait in page.waits { admit(wait, into: &bySource, now: now) }
        for (source, waits) in bySource.enumerated() where !waits.isEmpty {
            commands.append(.arm(waits, source: source))
        }
        lastWait = page.waits.last?.waitID ?? lastWait
        for (_, waitID) in page.removed { drop(waitID) }
        lastRemoval = page.removed.last?.seq ?? lastRemoval
        let isMore = page.waits.count >= request.limit || page.removed.count >= request.limit
        if isMore { areWaitsDirty = true }
        if !isMore, let since = loadingSince {
            loadingSince = nil
            commands.append(.loaded(waits: table.count, after: now - since))
        }
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

    private mutating func admit(_ wait: WaitToArm, into bySource: inout [[WaitToArm]], now: Int64) {
        guard let kind = kinds.place(of: wait.kind) else {
            let known = kinds.names.sorted().joined(separator: ", ")
            let message = "nothing here watches waits of kind '\(wait.kind)'; the kinds of this triggerer are \(known)"
            fires.append(Firing(waitID: wait.waitID, outcome: .broken(message), by: Self.name))
            return
        }
        var entry = WaitEntry(kind: kind, flags: [])
        guard !kinds.isInbox[Int(kind)] else {
            entry.flags = .isLookingBack
            guard table.insert(wait.waitID, entry) else { return }
            pump.newcomers.append(.init(wait: wait, after: wait.eventFloor))
            return
        }
        var deadline = wait.deadline
        // What comes at the deadline or before needs no deadline.
        if let due = wait.due, let last = deadline, due <= last { deadline = nil }
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

    /// Somebody else has ended the wait.
    private mutating func drop(_ waitID: Int64) {
        guard let entry = forget(waitID) else { return }
        commands.append(.disarm(waitID: waitID, source: kinds.source(of: entry)))
    }

    /// Takes a wait out of everything but its source.
    mutating func forget(_ waitID: Int64) -> WaitEntry? {
        guard let entry = table.remove(waitID) else { return nil }
        if entry.flags.contains(.hasDeadline) { deadlines.remove(waitID) }
        if entry.flags.contains(.hasInboxDeadline) { pump.deadlines.remove(waitID) }
        if entry.flags.contains(.isProbing) {
            probeBounds.remove(waitID)
            probing -= 1
        }
        if !progress.isEmpty { progress[waitID] = nil }
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
        case .broken(let waitID, let message):
            guard forget(waitID) != nil else { return }
            fires.append(Firing(waitID: waitID, outcome: .broken(message), by: Self.name))
        case .progressed(let waitID, let value):
            guard table[waitID] != nil else { return }
            progress[waitID] = value
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
            guard let entry = table[waitID] else { continue }
            table.set(.isProbing, of: waitID)
            probing += 1
            probeBounds.insert(deadline: now + configuration.overdueProbe.microseconds, id: waitID)
            return .probe(waitID: waitID, source: kinds.source(of: entry))
        }
        return nil
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
