// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Names one task instance for people.
public struct TaskInstanceKey: Sendable, Hashable {
    public var dagID: String
    public var runID: String
    public var taskID: String
    /// -1 where the task is not mapped.
    public var mapIndex: Int

    /// A key from its parts.
    public init(dagID: String, runID: String, taskID: String, mapIndex: Int = -1) {
        self.dagID = dagID
        self.runID = runID
        self.taskID = taskID
        self.mapIndex = mapIndex
    }
}

/// A task instance as it stands.
public struct TaskInstanceRow: Sendable, Hashable {
    /// The instance's own number, unique for ever.
    public var taskInstanceID: Int64
    public var runKey: Int64
    public var key: TaskInstanceKey
    public var taskIndex: Int
    public var state: TaskState
    /// From 1; 0 where it has not been tried yet.
    public var tryNumber: Int
    public var dispatchID: Int64
    public var queuedAt: Timestamp?
    public var startDate: Timestamp?
    public var endDate: Timestamp?
    /// When an instance in `up_for_retry` is tried again.
    public var retryAt: Timestamp?
    /// Why it failed or was cancelled, in a sentence.
    public var message: String?
    /// Its output, JSON text.
    public var output: String?
    /// The state that a cancel under way will end in.
    public var cancelState: TaskState?
}

/// One entry of a try's journal.
public struct JournalEntry: Sendable, Hashable, Codable {
    /// What an entry records.
    public enum Kind: String, Sendable, Hashable, Codable {
        /// A step's result.
        case step
        /// A wait: what for, and, once it has fired, how it ended.
        case wait
    }

    /// The key in the try: scope, name, occurrence.
    public var key: String
    public var kind: Kind
    /// The place in the order of recording, from 0.
    public var position: Int
    /// A step's result as JSON text; a wait's trigger (`TriggerSpec`) as JSON text.
    public var payload: String
    /// How a wait ended (`WaitOutcome` as JSON text); nil while it waits, nil for steps.
    public var outcome: String?
    public var recordedAt: Timestamp
    /// When the wait's outcome was recorded.
    public var firedAt: Timestamp?
    /// Whether a retry inherits the step.
    public var isKept: Bool

    /// An entry from its parts.
    public init(
        key: String, kind: Kind, position: Int, payload: String, outcome: String? = nil, recordedAt: Timestamp,
        firedAt: Timestamp? = nil, isKept: Bool = false
    ) {
        self.key = key
        self.kind = kind
        self.position = position
        self.payload = payload
        self.outcome = outcome
        self.recordedAt = recordedAt
        self.firedAt = firedAt
        self.isKept = isKept
    }
}

/// Why a task is being cancelled, and what it ends as.
public struct CancelIntent: Sendable, Hashable, Codable {
    /// The state that is recorded at the end, whatever the code returns. `none` means: cleared, so the next try follows.
    public var finalState: TaskState
    /// `user`, `timeout`, `run`, ….
    public var reason: String
    /// Who asked.
    public var by: String

    /// An intent from its parts.
    public init(finalState: TaskState, reason: String, by: String) {
        self.finalState = finalState
        self.reason = reason
        self.by = by
    }
}

/// Everything that a worker needs to run one dispatch of a task.
public struct ClaimedTask: Sendable {
    public var taskInstanceID: Int64
    public var dispatchID: Int64
    public var key: TaskInstanceKey
    public var run: RunRow
    public var taskIndex: Int
    public var definition: TaskDefinition
    public var tryNumber: Int
    /// The journal of the try so far, in order.
    public var journal: [JournalEntry]
    /// The outputs of `definition.inputs`, JSON texts; of a mapped task the array of its instances' outputs in order.
    public var inputs: [String]
    /// The element that a mapped instance stands for, JSON text.
    public var mapElement: String?
    /// How long the code may still run; nil without an execution timeout.
    public var executionLeft: TimeSpan?
    /// Set where the dispatch is only there to clean up.
    public var cancel: CancelIntent?
    /// Whether an earlier dispatch was in a bundle process that died: run it alone.
    public var isSuspect: Bool
    /// The version of the bundle that has to run it; nil: any.
    public var bundleVersion: String?
}

/// The end of a dispatch, as a worker reports it.
public struct TaskReport: Sendable, Hashable {
    /// How it ended.
    public enum Outcome: Sendable, Hashable {
        /// The output as JSON text. `items`: the elements, one text each, where something is mapped over this task.
        case success(output: String, items: [String]?)
        /// `retryable: false` fails at once, whatever retries are left.
        /// `retryAfter`: the delay before the next try, in place of the task's own.
        case failure(message: String, retryable: Bool, retryAfter: TimeSpan? = nil)
        case skipped(message: String)
        /// The clean-up of a cancelled dispatch is over: the intended state is recorded.
        case cancelled
    }

    public var taskInstanceID: Int64
    public var dispatchID: Int64
    public var outcome: Outcome

    /// A report from its parts.
    public init(taskInstanceID: Int64, dispatchID: Int64, outcome: Outcome) {
        self.taskInstanceID = taskInstanceID
        self.dispatchID = dispatchID
        self.outcome = outcome
    }
}

/// A step's result to be journalled.
public struct StepRecord: Sendable, Hashable {
    public var taskInstanceID: Int64
    public var dispatchID: Int64
    public var key: String
    /// JSON text.
    public var payload: String
    /// Whether a retry inherits it.
    public var keepAcrossRetries: Bool
    /// When its code began; nil where the bundle does not say.
    public var beganAt: Timestamp?

    /// A record from its parts.
    public init(
        taskInstanceID: Int64, dispatchID: Int64, key: String, payload: String, keepAcrossRetries: Bool,
        beganAt: Timestamp? = nil
    ) {
        self.beganAt = beganAt
        self.taskInstanceID = taskInstanceID
        self.dispatchID = dispatchID
        self.key = key
        self.payload = payload
        self.keepAcrossRetries = keepAcrossRetries
    }
}

/// A running task that gives its worker up until a wait has fired.
public struct Deferral: Sendable, Hashable {
    public var taskInstanceID: Int64
    public var dispatchID: Int64
    /// The journal key of the wait.
    public var key: String
    public var trigger: TriggerSpec
    /// How long the wait may take; nil: as long as the task may.
    public var timeout: TimeSpan?
    /// How long the dispatch ran: taken off what is left of the execution timeout.
    public var ranFor: TimeSpan

    /// A deferral from its parts.
    public init(
        taskInstanceID: Int64, dispatchID: Int64, key: String, trigger: TriggerSpec, timeout: TimeSpan?,
        ranFor: TimeSpan
    ) {
        self.taskInstanceID = taskInstanceID
        self.dispatchID = dispatchID
        self.key = key
        self.trigger = trigger
        self.timeout = timeout
        self.ranFor = ranFor
    }
}
