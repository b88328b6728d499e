// SPDX-License-Identifier: Apache-2.0

/// The state of a task instance, under the names of the field.
public enum TaskState: String, Codable, Sendable, CaseIterable {
    /// Not ready: something upstream has not finished. Shown as `none`.
    case none
    /// Ready, but its pool is full or its DAG is paused.
    case scheduled
    /// Holds a pool slot and a dispatch id; waits for a worker.
    case queued
    /// A worker has it.
    case running
    /// Waits in the triggerer; holds no worker.
    case deferred
    /// Failed, and will be tried again at its retry instant.
    case upForRetry = "up_for_retry"
    case success
    case failed
    case skipped
    /// Did not run because something upstream failed.
    case upstreamFailed = "upstream_failed"
    /// Its task is not in the DAG any more.
    case removed

    /// Whether nothing more happens to an instance in this state by itself.
    public var isFinished: Bool {
        switch self {
        case .success, .failed, .skipped, .upstreamFailed, .removed: true
        case .none, .scheduled, .queued, .running, .deferred, .upForRetry: false
        }
    }
}

/// The state of a DAG run.
public enum RunState: String, Codable, Sendable, CaseIterable {
    case queued, running, success, failed

    /// Whether the run has ended.
    public var isFinished: Bool { self == .success || self == .failed }
}

/// What started a DAG run.
public enum RunType: String, Codable, Sendable, CaseIterable {
    case scheduled, manual, backfill
    case assetTriggered = "asset_triggered"
    case eventTriggered = "event_triggered"
}
