// SPDX-License-Identifier: Apache-2.0
// The metastore's surface for the roles, bodies to follow. Replaced file by file under Store/, Transitions/, Queries/.

public import PerchSDK

public final class Metastore: Sendable {
    /// How a process opens the metastore.
    public enum Access: Sendable {
        /// Migrates, holds the home's engine lock; a second engine is refused with the first one's process id.
        case engine
        /// Reads and writes, never migrates; a write waits at most 5 s for the engine.
        case command
    }

    public let doorbells = Doorbells()
    public let clock: any PerchClock

    init(clock: any PerchClock) { self.clock = clock }

    /// Opens `<home>/perch.db`. `.engine` creates the home and the file and migrates; `.command` throws `notFound` where there is none.
    public static func open(home: String, access: Access, clock: any PerchClock) throws -> Metastore { fatalError() }
    public func close() { fatalError() }

    /// One member of a group commit: everything in `body`, or nothing. Returns after the COMMIT has returned. Runs on
    /// the writer's thread; doorbells rung by the body's transitions ring after the COMMIT.
    public func write<Result: Sendable>(
        _ body: @escaping @Sendable (Transaction) throws -> Result
    ) async throws -> Result { fatalError() }

    /// Reads one consistent snapshot, on a reader's thread.
    public func read<Result: Sendable>(
        _ body: @escaping @Sendable (Snapshot) throws -> Result
    ) async throws -> Result { fatalError() }
}

/// Reads. Only valid inside the closure that it was given to.
public class Snapshot {
    /// The metastore's clock at the start of the transaction.
    public var now: Timestamp { fatalError() }
}

/// Reads and writes. Only valid inside the closure that it was given to.
public final class Transaction: Snapshot {}

// MARK: DAGs
extension Snapshot {
    public func dags() throws -> [DAGRow] { fatalError() }
    public func dag(_ dagID: String) throws -> DAGRow? { fatalError() }
    public func definition(ofVersion versionID: Int64) throws -> DAGDefinition { fatalError() }
    /// Active, unpaused DAGs whose next run is due at or before `instant`, earliest first.
    public func dagsDue(by instant: Timestamp, limit: Int) throws -> [DAGRow] { fatalError() }
    /// Active, unpaused DAGs whose next run has to be worked out, by id: new ones, those whose schedule has changed, and
    /// those that waited for a run to end, and one has.
    public func dagsToSchedule(limit: Int) throws -> [DAGRow] { fatalError() }
    /// The earliest next run of an active, unpaused DAG.
    public func nextRunInstant() throws -> Timestamp? { fatalError() }
}
extension Transaction {
    /// Stores what a bundle describes: a new immutable version where the content changed. DAGs of `bundle` that are not named become inactive.
    public func storeDAGs(_ definitions: [DAGDefinition], bundle: String, bundleVersion: String) throws { fatalError() }
    /// Throws notFound for an unknown DAG.
    public func setPaused(_ dagID: String, _ isPaused: Bool) throws { fatalError() }
    /// Compare and set on the old instant; false where another scheduler was first. The DAG no longer shows in
    /// `dagsToSchedule`. With `untilRunEnds` it does not show in `dagsDue` or `nextRunInstant` either, until one of its
    /// runs ends: then it shows in `dagsToSchedule`, and `.runs` rings.
    public func setNextRun(
        _ dagID: String, from old: Timestamp?, to new: Timestamp?, lastScheduled: Timestamp?, untilRunEnds: Bool
    ) throws -> Bool { fatalError() }
}

// MARK: runs
extension Snapshot {
    public func run(dagID: String, runID: String) throws -> RunRow? { fatalError() }
    /// Newest first.
    public func runs(dagID: String?, state: RunState?, limit: Int) throws -> [RunRow] { fatalError() }
    public func taskInstances(runKey: Int64) throws -> [TaskInstanceRow] { fatalError() }
    public func taskInstance(_ key: TaskInstanceKey) throws -> TaskInstanceRow? { fatalError() }
    public func journal(taskInstanceID: Int64, tryNumber: Int) throws -> [JournalEntry] { fatalError() }
    /// Number of unfinished runs (queued or running) of a DAG.
    public func activeRuns(dagID: String) throws -> Int { fatalError() }
}
extension Transaction {
    /// Creates a queued run. Throws notFound, or conflict where the run id, the logical date of a scheduled run or the event has its run already.
    public func createRun(_ request: RunRequest) throws -> RunRow { fatalError() }
    /// Starts queued runs of unpaused DAGs below their max_active_runs and creates their task instances, within a budget of
    /// row changes. True where more is left to do: call again in another transaction.
    public func advanceRuns(budget: Int) throws -> Bool { fatalError() }
    /// Cancels every unfinished instance and fails the run once they have ended. False where it had ended already.
    public func cancelRun(dagID: String, runID: String, by: String) throws -> Bool { fatalError() }
}

// MARK: tasks
extension Snapshot {
    public func nextRetryInstant() throws -> Timestamp? { fatalError() }
    /// Running dispatches of this worker that are to be cancelled.
    public func cancelOrders(worker: Int64) throws -> [(taskInstanceID: Int64, dispatchID: Int64, intent: CancelIntent)] { fatalError() }
}
extension Transaction {
    /// up_for_retry → queued or scheduled, where due. True where more is left.
    public func retryDue(limit: Int) throws -> Bool { fatalError() }
    /// scheduled → queued, where pools have room and the DAG is not paused. True where more is left.
    public func promoteScheduled(limit: Int) throws -> Bool { fatalError() }
    /// queued → running for this worker: cancelling first, then resumed, then new, each by priority and age.
    public func claim(limit: Int, worker: Int64) throws -> [ClaimedTask] { fatalError() }
    /// Ends dispatches. For each report: whether it was accepted (false: its dispatch is not the current one).
    /// Resolves what comes after, retries, frees and refills pool slots, ends runs.
    public func finish(_ reports: [TaskReport]) throws -> [Bool] { fatalError() }
    /// Journals step results of running dispatches. Recording a recorded key again is a no-op that counts as accepted.
    public func recordSteps(_ records: [StepRecord]) throws -> [Bool] { fatalError() }
    /// running → deferred (or, where a cancel is pending, straight back to queued as cancelling).
    public func deferTasks(_ deferrals: [Deferral]) throws -> [Bool] { fatalError() }
    /// running → queued with a fresh dispatch, journal kept, no retry spent; what a lost worker or bundle process costs.
    public func requeue(_ dispatches: [(taskInstanceID: Int64, dispatchID: Int64)], asSuspects: Bool) throws { fatalError() }
    /// The same for everything that workers hold that are no longer registered with a live lease.
    public func requeueOrphans(liveWorkers: [Int64]) throws -> Int { fatalError() }
    /// Cancels one instance. Returns its state afterwards. Throws notFound; false where it had ended already.
    public func cancelTask(_ key: TaskInstanceKey, intent: CancelIntent) throws -> Bool { fatalError() }
    /// New tries for instances (and, asked for, everything downstream). Returns what was cleared.
    public func clear(
        dagID: String, runID: String, taskID: String?, mapIndex: Int?, downstream: Bool, onlyFailed: Bool, by: String
    ) throws -> [TaskInstanceKey] { fatalError() }
}

// MARK: waits
extension Snapshot {
    /// Waits registered after `waitID` in the order of their commits (wait ids ascend with it).
    public func waitsToArm(after waitID: Int64, limit: Int) throws -> [WaitToArm] { fatalError() }
    /// Waits that somebody else than the triggerer has ended, after `seq`.
    public func removedWaits(after seq: Int64, limit: Int) throws -> [(seq: Int64, waitID: Int64)] { fatalError() }
    public func waits(_ filter: WaitFilter) throws -> [WaitRow] { fatalError() }
    public func wait(_ waitID: Int64) throws -> WaitRow? { fatalError() }
    /// How many waits have this kind and target.
    public func sharing(kind: String, target: String) throws -> Int { fatalError() }
    public func probe(kind: String, target: String) throws -> ProbeRow? { fatalError() }
    public func waitCount() throws -> Int { fatalError() }
}
extension Transaction {
    /// Fires waits. For each: whether it won. `lease`: the triggerer's process id and shard epoch; nil for a hand-fire
    /// or cancel, which leaves a removal note for the triggerer. Throws `conflict` where the lease is no longer held.
    public func fire(_ firings: [Firing], lease: (owner: Int64, epoch: Int64)?) throws -> [Bool] { fatalError() }
    public func storeProgress(_ progress: [(waitID: Int64, progress: JSONValue)]) throws { fatalError() }
    public func storeProbes(_ probes: [ProbeState], owner: Int64) throws { fatalError() }
    public func forgetRemovedWaits(upTo seq: Int64) throws { fatalError() }
    /// Takes every shard whose owner is not alive. Returns the epoch under which they are held.
    public func acquireShards(owner: Int64) throws -> Int64 { fatalError() }
}

// MARK: events
extension Snapshot {
    public func events(after seq: Int64, limit: Int) throws -> [InboxEvent] { fatalError() }
    /// A look back for one wait, ascending.
    public func events(name: String, key: String?, after seq: Int64, limit: Int) throws -> [InboxEvent] { fatalError() }
    /// The newest first, for people.
    public func latestEvents(name: String?, key: String?, limit: Int) throws -> [InboxEvent] { fatalError() }
    public func lastEventSeq() throws -> Int64 { fatalError() }
}
extension Transaction {
    /// Takes events in, in order. Durable when the write returns.
    public func emit(_ events: [NewEvent]) throws -> [AcceptedEvent] { fatalError() }
}

// MARK: processes
extension Snapshot {
    public func processes(role: String?) throws -> [ProcessRow] { fatalError() }
}
extension Transaction {
    public func registerProcess(role: String, pid: Int32, startTime: Int64, bootID: String, host: String, lease: TimeSpan) throws -> Int64 { fatalError() }
    /// False where the process is no longer registered: it must stop at once.
    public func renewLease(_ processID: Int64, lease: TimeSpan) throws -> Bool { fatalError() }
    public func removeProcess(_ processID: Int64) throws { fatalError() }
}

// MARK: upkeep
extension Transaction {
    /// Removes finished runs, consumed events and probe rows older than these; never anything that a live wait needs.
    /// Bounded: true where more is left.
    public func clean(runsBefore: Timestamp?, eventsBefore: Timestamp?, limit: Int) throws -> Bool { fatalError() }
}
extension Metastore {
    /// Opens nothing else, migrates `<home>/perch.db` to the current schema; returns (from, to).
    public static func migrate(home: String, clock: any PerchClock) throws -> (from: Int, to: Int) { fatalError() }
    /// Integrity and schema; throws what is wrong.
    public func check() async throws -> [String] { fatalError() }
    /// A consistent copy while the engine runs. Refuses to overwrite.
    public func backup(to path: String) async throws { fatalError() }
}
