// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Which states may follow which, written down from the failure model, not from the engine.
enum LegalStates {
    /// For task instances, one statement at a time.
    static func mayFollow(_ old: TaskState, _ new: TaskState) -> Bool {
        switch old {
        // Begins, or is decided without: by its upstream, by a cancel, by an empty mapping, by having left its DAG.
        case .none: [.scheduled, .queued, .deferred, .failed, .skipped, .upstreamFailed, .removed].contains(new)
        // Removed when what it was mapped over is cleared, or its task has left the DAG.
        case .scheduled: [.queued, .failed, .skipped, .removed].contains(new)
        // Back to scheduled by a pause, to none by a clear of one that had begun, removed as above.
        case .queued: [.running, .scheduled, .none, .failed, .skipped, .removed].contains(new)
        // Back to the queue after a crash or to clean up; to none or removed by a clear.
        case .running:
            [.success, .failed, .skipped, .upForRetry, .deferred, .queued, .scheduled, .none, .removed].contains(new)
        case .deferred: [.queued, .scheduled, .success, .failed, .skipped, .upForRetry, .none, .removed].contains(new)
        case .upForRetry: [.queued, .scheduled, .deferred, .failed, .skipped, .none].contains(new)
        // A clear.
        case .success, .failed, .skipped, .upstreamFailed, .removed: new == .none
        }
    }

    /// For runs.
    static func mayFollow(_ old: RunState, _ new: RunState) -> Bool {
        switch old {
        case .queued: new == .running || new == .failed
        case .running: new == .success || new == .failed
        case .success, .failed: new == .running
        }
    }

    /// How a task ends that does not begin, all of its upstream having ended.
    static func end(_ rule: TriggerRule, _ upstream: [TaskState]) -> TaskState {
        let hasFailed = upstream.contains { $0 == .failed || $0 == .upstreamFailed }
        switch rule {
        case .allSuccess, .allDoneMinOneSuccess, .allDoneSetupSuccess, .oneSuccess, .noneFailed,
            .noneFailedMinOneSuccess:
            return hasFailed ? .upstreamFailed : .skipped
        case .allDone, .always, .allFailed, .allSkipped, .noneSkipped, .oneFailed, .oneDone: return .skipped
        }
    }

    /// Whether a task may begin, given how its upstream tasks have ended; nil: not yet.
    static func mayBegin(_ rule: TriggerRule, _ upstream: [TaskState?]) -> Bool {
        if upstream.isEmpty { return true }
        // What was removed counts as skipped.
        let upstream = upstream.map { $0 == .removed ? .skipped : $0 }
        let haveFailed = { (state: TaskState?) in state == .failed || state == .upstreamFailed }
        let isDone = upstream.allSatisfy { $0 != nil }
        switch rule {
        case .always: return true
        case .allSuccess: return upstream.allSatisfy { $0 == .success }
        case .allFailed: return upstream.allSatisfy(haveFailed)
        case .allSkipped: return upstream.allSatisfy { $0 == .skipped }
        case .allDone: return isDone
        // No workload has teardowns.
        case .allDoneMinOneSuccess, .allDoneSetupSuccess: return isDone && upstream.contains(.success)
        case .oneSuccess: return upstream.contains(.success)
        case .oneFailed: return upstream.contains(where: haveFailed)
        case .oneDone: return upstream.contains(.success) || upstream.contains(.failed)
        case .noneFailed: return isDone && !upstream.contains(where: haveFailed)
        case .noneFailedMinOneSuccess:
            return isDone && !upstream.contains(where: haveFailed) && upstream.contains(.success)
        case .noneSkipped: return isDone && !upstream.contains(.skipped)
        }
    }

    /// The state of a mapped task as a whole, of its instances' states.
    static func whole(_ instances: [TaskState]) -> TaskState {
        if instances.contains(where: { $0 == .failed || $0 == .upstreamFailed }) { return .failed }
        return instances.allSatisfy { $0 == .skipped || $0 == .removed } ? .skipped : .success
    }
}
