// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Something that is not as it was.
public struct Change: Sendable, Hashable {
    /// What has changed.
    public enum Kind: String, Sendable, CaseIterable {
        case run
        case taskInstance = "task_instance"
        case wait
        case dag
        case importError = "import_error"
        case job
    }

    public var kind: Kind
    /// The DAG that it belongs to; nil: to none, or to more than one.
    public var dagID: String?
    /// How it is now, for programs: an object.
    public var facts: [String: JSONValue]

    /// A change from its parts.
    package init(kind: Kind, dagID: String?, facts: [String: JSONValue]) {
        self.kind = kind
        self.dagID = dagID
        self.facts = facts
    }

    /// So much of a kind has changed that each is not told: whoever shows it reads it anew.
    static func many(_ kind: Kind, of run: ChangePicture.Run? = nil) -> Change {
        var facts: [String: JSONValue] = ["many": true]
        if let run {
            facts["dag_id"] = .string(run.dagID)
            facts["dag_run_id"] = .string(run.runID)
        }
        return Change(kind: kind, dagID: run?.dagID, facts: facts)
    }
}

/// What the metastore holds at a moment of what people watch: compared with how it is later, it tells what has changed. The
/// metastore keeps no record of changes, for nobody should have to pay for one while nobody watches; so a picture is bounded:
/// runs under way, task instances of runs that are not too large, the latest waits, DAGs, processes.
public struct ChangePicture: Sendable {
    /// How much of each is looked at.
    public struct Bounds: Sendable, Hashable {
        /// Runs under way.
        public var runs = 1_000
        /// Runs of which the task instances are looked at, how many each may have, and all of them together.
        public var followedRuns = 200
        public var instancesOfRun = 1_000
        public var instances = 5_000
        /// The latest waits.
        public var waits = 2_000

        /// What holds where nothing else is said.
        public init() {}
    }

    struct Run: Sendable, Hashable {
        var dagID: String
        var runID: String
        var versionID: Int64
        var state: String
        var unfinished: Int64
        var failed: Int64
        /// Task instances that are still to be created.
        var uncreated: Int64
    }

    struct Instance: Sendable, Hashable {
        var taskIndex: Int
        var mapIndex: Int64
        var state: String
        var tryNumber: Int64
    }

    struct Wait: Sendable, Hashable {
        var kind: String
        var deadline: Int64?
        var taskID: String
        var mapIndex: Int64
        var dagID: String
        var runID: String
    }

    struct DAG: Sendable, Hashable {
        var isPaused: Bool
        var isActive: Bool
        var version: Int64
    }

    struct Job: Sendable, Hashable {
        var role: String
        var name: String
        var isActive: Bool
    }

    /// An end is looked for so long after its instant: its transaction may commit later than others that began after it.
    static let slack = TimeSpan.seconds(10)
    /// What seldom changes, and what too much changes of, is looked at so often.
    static let slowPeriod = TimeSpan.seconds(1)

    let bounds: Bounds
    /// Nil before the first look.
    var lookedAt: Timestamp?
    /// By their keys; nil while there are too many.
    var runs: [Int64: Run]?
    /// Runs whose ends have been told, with the instants of these.
    var ended: [Int64: Int64] = [:]
    /// The task instances of runs, by both their keys.
    var followed: [Int64: [Int64: Instance]] = [:]
    /// The runs of these, as they were at the last look.
    var lastKnown: [Int64: Run] = [:]
    /// Runs that have too many.
    var large: Set<Int64> = []
    var waits: [Int64: Wait] = [:]
    /// Waits up to the first are not looked at; the second is the last there was.
    var waitFloor: Int64 = 0
    var lastWait: Int64 = 0
    var dags: [String: DAG] = [:]
    var jobs: [Int64: Job] = [:]
    var importErrors: [String] = []
    var slowAt: Timestamp?
    private var manyAt: [Change.Kind: Timestamp] = [:]

    /// A picture of nothing.
    public init(_ bounds: Bounds = Bounds()) { self.bounds = bounds }

    /// Looks anew, and tells what has changed since the last time: nothing the first time. A look reads some thousand rows at
    /// most, however much there is.
    public mutating func look(_ snapshot: Snapshot) throws -> [Change] {
        let isFirst = lookedAt == nil
        var changes: [Change] = []
        try lookAtRuns(snapshot, &changes)
        try lookAtWaits(snapshot, &changes)
        if slowAt.map({ snapshot.now - $0 >= Self.slowPeriod || snapshot.now < $0 }) ?? true {
            try lookAtDAGs(snapshot, &changes)
            try lookAtJobs(snapshot, &changes)
            try lookAtImportErrors(snapshot, &changes)
            slowAt = snapshot.now
        }
        lookedAt = snapshot.now
        return isFirst ? [] : changes
    }

    /// Tells that there is too much of a kind to be told, once in a while.
    mutating func tooMany(_ kind: Change.Kind, _ now: Timestamp, _ changes: inout [Change]) {
        guard manyAt[kind].map({ now - $0 >= Self.slowPeriod || now < $0 }) ?? true else { return }
        manyAt[kind] = now
        changes.append(.many(kind))
    }
}
