// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// One reason why a run or a task does not run, told to people in a sentence and to programs in fields.
public struct Hindrance: Sendable, Hashable {
    /// What hinders; the raw values are stable.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        // The run.
        case runLimit = "max_active_runs"
        case runStarting = "run_starting"
        case runCancelled = "run_cancelled"
        case runTimedOut = "run_timed_out"
        case runEnded = "run_ended"
        // The DAG.
        case dagPaused = "dag_paused"
        case dagRemoved = "dag_removed"
        // The engine.
        case noEngine = "engine_not_running"
        case noWorker = "no_worker"
        case noBundle = "no_bundle"
        case notWatched = "not_watched"
        // What comes before the task.
        case beingCreated = "being_created"
        case beingMapped = "being_mapped"
        case upstreamPending = "upstream_pending"
        case teardownWaiting = "teardown_waiting"
        case ruleNotMet = "trigger_rule_not_met"
        case upstreamFailed = "upstream_failed"
        case upstreamSkipped = "upstream_skipped"
        case branchNotTaken = "branch_not_taken"
        case shortCircuit = "short_circuit"
        case ready = "ready"
        // Pools and limits.
        case poolFull = "pool_full"
        case poolUnknown = "pool_unknown"
        case poolTooSmall = "pool_too_small"
        case limitFull = "limit_full"
        // What the instance does.
        case queued = "queued"
        case running = "running"
        case cancelling = "cancelling"
        case deferred = "deferred"
        case retryDelay = "retry_delay"
        case succeeded = "succeeded"
        case failed = "failed"
        case skipped = "skipped"
        case removed = "removed"
    }

    public var kind: Kind
    /// A sentence or two.
    public var text: String
    /// What the sentence says, by name.
    public var fields: [String: JSONValue]

    init(_ kind: Kind, _ text: String, _ fields: [String: JSONValue] = [:]) {
        self.kind = kind
        self.text = text
        self.fields = fields
    }
}

/// Why a run stands where it stands.
public struct RunExplanation: Sendable {
    /// Instances with one reason.
    public struct Group: Sendable {
        public var reason: Hindrance
        /// The first of them, in the order of the tasks; the reason is the first one's.
        public var tasks: [TaskInstanceKey]
        public var count: Int

        /// A group from its parts.
        public init(reason: Hindrance, tasks: [TaskInstanceKey], count: Int) {
            self.reason = reason
            self.tasks = tasks
            self.count = count
        }
    }

    public var run: RunRow
    /// What hinders the run as a whole.
    public var reasons: [Hindrance]
    /// How many instances there are in each state.
    public var states: [(state: TaskState, count: Int)]
    /// What the instances do that are under way, or failed.
    public var groups: [Group]
    /// How many instances there are of which nothing is said, by state: those beyond the first of each.
    public var untold: [(state: TaskState, count: Int)]
}
