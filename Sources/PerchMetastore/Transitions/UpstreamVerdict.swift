// SPDX-License-Identifier: Apache-2.0

import PerchSDK

/// How the tasks upstream of one task have ended so far, counted.
struct UpstreamCounts: Hashable {
    var all: Int
    var pending: Int
    /// Failed or upstream_failed.
    var failed = 0
    /// Of those that failed: upstream_failed.
    var blocked = 0
    /// Skipped or removed, and those that gave what leads elsewhere.
    var skipped = 0
    /// Of those that count as skipped: what they gave leads elsewhere.
    var untaken = 0
    /// Of those that count as skipped: a short circuit skipped them, and skips what follows.
    var cut = 0

    var succeeded: Int { all - pending - failed - skipped }
}

extension TaskDefinition {
    /// The task as its upstream decides it: of a task of a mapped group, an instance is decided by the instances before it,
    /// by the trigger rule; and whether it is mapped at all by everything before it, all of which has to succeed.
    func asDecided(forElement isElement: Bool) -> TaskDefinition {
        if alignedWith.isEmpty { return self }
        var task = self
        if isElement { task.upstream = alignedWith } else { task.triggerRule = .allSuccess }
        return task
    }
}

/// What the ends of a task's upstream mean for it.
enum UpstreamVerdict: Hashable {
    case wait
    case ready
    case end(TaskState)
    /// Skipped, and whatever follows is too.
    case cut

    /// The decision by a task's trigger rule. It depends on the counts alone, and what is decided while some are pending
    /// cannot be decided otherwise when they have ended: never on the order in which they end.
    ///
    /// - Parameter setups: how the setups of a teardown have ended; asked only when all of its upstream has.
    static func of(
        _ task: TaskDefinition, _ counts: UpstreamCounts, setups: () throws -> [TaskState] = { [] }
    ) rethrows -> UpstreamVerdict {
        let hasRun = counts.succeeded + counts.failed - counts.blocked
        switch task.triggerRule {
        case _ where counts.all == 0: return .ready
        // These begin, or are decided, before all have ended.
        case .always: return .ready
        case .oneSuccess where counts.succeeded > 0: return .ready
        case .oneFailed where counts.failed > 0: return .ready
        case .oneDone where hasRun > 0: return .ready
        case .allSuccess, .noneFailed, .noneFailedMinOneSuccess:
            if counts.failed > 0 { return .end(.upstreamFailed) }
        case .oneSuccess, .oneFailed, .oneDone, .allFailed, .noneSkipped, .allSkipped, .allDone, .allDoneMinOneSuccess,
            .allDoneSetupSuccess:
            break
        }
        if counts.pending > 0 { return .wait }
        if task.triggerRule == .allDoneSetupSuccess {
            let ends = try setups()
            if ends.contains(.success) { return .ready }
            return .end(ends.allSatisfy { $0 == .skipped } ? .skipped : .upstreamFailed)
        }
        if counts.cut > 0 { return .cut }
        if counts.untaken > 0 { return .end(.skipped) }
        return ofAllEnded(task.triggerRule, counts)
    }

    private static func ofAllEnded(_ rule: TriggerRule, _ counts: UpstreamCounts) -> UpstreamVerdict {
        switch rule {
        case .allDone, .allDoneSetupSuccess, .noneFailed, .always: .ready
        case .allSuccess, .noneSkipped: counts.skipped > 0 ? .end(.skipped) : .ready
        case .noneFailedMinOneSuccess: counts.succeeded > 0 ? .ready : .end(.skipped)
        case .allFailed: counts.failed == counts.all ? .ready : .end(.skipped)
        case .allSkipped: counts.skipped == counts.all ? .ready : .end(.skipped)
        case .allDoneMinOneSuccess, .oneSuccess:
            counts.succeeded > 0 ? .ready : .end(counts.failed > 0 ? .upstreamFailed : .skipped)
        // One that failed, or ran, has begun it already.
        case .oneFailed, .oneDone: .end(.skipped)
        }
    }
}
