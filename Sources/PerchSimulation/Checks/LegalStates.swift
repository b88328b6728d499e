// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK

/// Which states may follow which, written down from the failure model, not from the engine.
enum LegalStates {
    /// For task instances, one statement at a time.
    static func mayFollow(_ old: TaskState, _ new: TaskState) -> Bool {
        switch old {
        // Begins, or is decided without: by its upstream, by a cancel, by an empty mapping.
        case .none: [.scheduled, .queued, .deferred, .failed, .skipped, .upstreamFailed].contains(new)
        case .scheduled: [.queued, .failed, .skipped].contains(new)
        // Back to scheduled by a pause, to none by a clear of one that had begun.
        case .queued: [.running, .scheduled, .none, .failed, .skipped].contains(new)
        // Back to the queue after a crash or to clean up; to none by a clear.
        case .running: [.success, .failed, .skipped, .upForRetry, .deferred, .queued, .scheduled, .none].contains(new)
        case .deferred: [.queued, .scheduled, .success, .failed, .skipped, .upForRetry, .none].contains(new)
        case .upForRetry: [.queued, .scheduled, .deferred, .failed, .skipped, .none].contains(new)
        // A clear.
        case .success, .failed, .skipped, .upstreamFailed: new == .none
        case .removed: false
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

    /// Whether a task may begin, given how its upstream tasks have ended; nil: not yet.
    static func mayBegin(_ rule: TriggerRule, _ upstream: [TaskState?]) -> Bool {
        switch rule {
        case .allSuccess: upstream.allSatisfy { $0 == .success }
        case .allDone: upstream.allSatisfy { $0 != nil }
        }
    }

    /// The state of a mapped task as a whole, of its instances' states.
    static func whole(_ instances: [TaskState]) -> TaskState {
        if instances.contains(where: { $0 == .failed || $0 == .upstreamFailed }) { return .failed }
        return instances.allSatisfy { $0 == .skipped } ? .skipped : .success
    }
}
