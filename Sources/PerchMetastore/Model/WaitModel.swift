// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// How a wait ends.
public enum WaitOutcome: Sendable, Hashable {
    /// What was waited for came; the coded event.
    case event(JSONValue)
    /// The wait's deadline, or its task's, came first.
    case timeout
    /// The task is being cancelled.
    case cancelled(CancelIntent)
    /// The wait can never fire.
    case broken(String)
}

/// One fire of a wait. Whoever fires first wins; the others are no-ops.
public struct Firing: Sendable, Hashable {
    public var waitID: Int64
    public var outcome: WaitOutcome
    /// The `seq` of the event that fired it: a later wait of the same name and key in the try looks after it.
    public var eventSeq: Int64?
    /// `triggerer`, or the name of the person who fired by hand.
    public var by: String
    /// Whether it counts only if the event is nobody's yet, and takes it.
    public var claims: Bool

    /// A fire from its parts.
    public init(waitID: Int64, outcome: WaitOutcome, eventSeq: Int64? = nil, by: String, claims: Bool = false) {
        self.claims = claims
        self.waitID = waitID
        self.outcome = outcome
        self.eventSeq = eventSeq
        self.by = by
    }
}

/// What became of a fire.
public enum FireResult: Sendable, Hashable {
    /// It ended its wait.
    case won
    /// Its wait was over already, or is not to end for this.
    case lost
    /// The event that it claims is another's. The wait stands, and its triggerer is told to arm it again.
    case taken
}

/// A wait as it stands in the metastore.
public struct WaitRow: Sendable, Hashable {
    public var waitID: Int64
    public var taskInstanceID: Int64
    public var key: TaskInstanceKey
    public var tryNumber: Int
    public var journalKey: String
    public var kind: String
    public var target: String
    public var due: Timestamp?
    public var deadline: Timestamp?
    public var since: Timestamp
    public var isSensor: Bool
    public var shard: Int
    public var host: String?
    public var queue: String
    /// The trigger's coded fields as JSON text; nil where it has none.
    public var definition: String?
    public var progress: String?
    public var eventFloor: Int64
}

/// What the triggerer reads of a wait to arm it: no names, no joins, so that a million load fast.
public struct WaitToArm: Sendable {
    public var waitID: Int64
    public var kind: String
    public var target: String
    public var due: Timestamp?
    public var deadline: Timestamp?
    public var since: Timestamp
    public var definition: String?
    public var progress: String?
    public var eventFloor: Int64
    public var queue: String
    public var shard: Int
}

/// What a triggerer is told of a wait that somebody else has ended or changed.
public struct WaitNote: Sendable {
    public var seq: Int64
    public var waitID: Int64
    public var queue: String
    public var shard: Int
    /// The wait as it stands now; nil where it has ended.
    public var wait: WaitToArm?

    /// A note from its parts.
    public init(seq: Int64, waitID: Int64, queue: String, shard: Int, wait: WaitToArm?) {
        self.seq = seq
        self.waitID = waitID
        self.queue = queue
        self.shard = shard
        self.wait = wait
    }
}

/// The orders of a listing of waits; what is equal stands in the order of ids.
public enum WaitSort: String, Sendable, Hashable, CaseIterable {
    case id, since, due, deadline, target
}

/// Where a wait stands in the orders of a listing.
public struct WaitPlace: Sendable, Hashable {
    public var waitID: Int64
    public var since: Timestamp
    public var due: Timestamp?
    public var deadline: Timestamp?
    public var target: String

    /// The place of a wait.
    public init(_ wait: WaitRow) {
        self.init(waitID: wait.waitID, since: wait.since, due: wait.due, deadline: wait.deadline, target: wait.target)
    }

    /// A place from its parts.
    public init(waitID: Int64, since: Timestamp, due: Timestamp?, deadline: Timestamp?, target: String) {
        self.waitID = waitID
        self.since = since
        self.due = due
        self.deadline = deadline
        self.target = target
    }
}

/// Which waits a listing shows.
public struct WaitFilter: Sendable {
    public var dagID: String?
    /// Only waits of one of these DAGs; nil: of any.
    package var dagIDs: [String]?
    public var runID: String?
    public var taskID: String?
    public var kind: String?
    public var targetContains: String?
    /// Only what the process of this name, `host:pid`, holds.
    public var owner: String?
    /// Only waits that were registered before this instant.
    public var registeredBefore: Timestamp?
    /// Only waits that come due or time out at this instant or before.
    public var nextBy: Timestamp?
    public var sort = WaitSort.id
    /// Whether the order is turned round. What has no due instant or deadline comes last either way.
    public var isReversed = false
    /// Page after this wait, whether it is still there or not.
    public var after: WaitPlace?
    public var limit = 1000

    /// Every wait, a page at a time.
    public init() {}
}

/// The stored state of a probe, with the moment to which it is true.
public struct ProbeRow: Sendable, Hashable {
    public var owner: String
    public var state: ProbeState
    public var asOf: Timestamp
}
