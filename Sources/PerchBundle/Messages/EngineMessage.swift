// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// What the engine says to a bundle. The page "The bundle protocol" has the meaning of each.
public enum EngineMessage: Sendable, Hashable {
    /// The versions from the oldest to `protocolVersion` are spoken.
    case hello(protocolVersion: Int, oldestVersion: Int = BundleProtocol.oldestVersion)
    case describe
    case tellTicks(dagID: String, after: Timestamp, count: Int)
    case run(RunOrder)
    case recorded(dispatchID: Int64, key: String)
    case refused(dispatchID: Int64)
    case lookedUp(LookUpAnswer)
    case cancel(dispatchID: Int64, CancelNotice, isLast: Bool)
    case hostTrigger(TriggerOrder)
    case triggerWoken(TriggerRun, number: Int64)
    case triggerStored(TriggerRun, number: Int64)
    case endTrigger(TriggerRun)
    case clock(offset: Int64)
    case drain
    /// What this side did not understand.
    case unknown(messageType: String)
    /// A message of a type that this build does not know.
    case unrecognized(messageType: String)
}

/// One hand-out of a task: all that its code needs.
public struct RunOrder: Sendable, Hashable {
    public var dispatchID: Int64
    public var taskInstanceID: Int64
    /// The place of the task in its DAG's definition; a hint, for the id counts.
    public var taskIndex: Int
    public var facts: AttemptFacts
    /// The journal of the try so far, in order.
    public var journal: [RecordedEntry]
    /// The outputs that are the task's typed inputs, JSON texts.
    public var inputs: [String]
    /// The element of a mapped instance, JSON text.
    public var mapElement: String?
    /// Set where the dispatch is only there to clean up.
    public var cancel: CancelNotice?

    /// An order from its parts.
    public init(
        dispatchID: Int64, taskInstanceID: Int64, taskIndex: Int, facts: AttemptFacts, journal: [RecordedEntry] = [],
        inputs: [String] = [], mapElement: String? = nil, cancel: CancelNotice? = nil
    ) {
        self.dispatchID = dispatchID
        self.taskInstanceID = taskInstanceID
        self.taskIndex = taskIndex
        self.facts = facts
        self.journal = journal
        self.inputs = inputs
        self.mapElement = mapElement
        self.cancel = cancel
    }
}

/// Why a task is being cancelled.
public struct CancelNotice: Sendable, Hashable {
    /// The state that it ends in, whatever its code returns.
    public var finalState: String
    public var reason: String
    public var by: String

    /// A notice from its parts.
    public init(finalState: String, reason: String, by: String) {
        self.finalState = finalState
        self.reason = reason
        self.by = by
    }
}

/// One entry of the journal as the bundle sees it.
public struct RecordedEntry: Sendable, Hashable {
    /// What is recorded.
    public enum Kind: String, Sendable, Hashable {
        case step, wait
    }

    /// How a wait ended.
    public enum Outcome: Sendable, Hashable {
        /// The event, JSON text.
        case event(payload: String)
        case timeout
        case cancelled(CancelNotice)
        case broken(message: String)
    }

    public var key: String
    public var kind: Kind
    /// A step's result, or a wait's trigger, as JSON text.
    public var payload: String
    /// Nil for steps.
    public var outcome: Outcome?
    /// A step whose result a retry inherits: code that ends without asking for it is no mismatch.
    public var isKept = false

    /// An entry from its parts.
    public init(key: String, kind: Kind, payload: String, outcome: Outcome? = nil) {
        self.key = key
        self.kind = kind
        self.payload = payload
        self.outcome = outcome
    }
}
