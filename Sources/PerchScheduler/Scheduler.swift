// SPDX-License-Identifier: Apache-2.0

public import Logging
public import PerchMetastore
public import PerchReactor
import PerchSDK
import Synchronization

/// Makes timetables into runs, starts runs, and sets retries and waiting tasks going again.
///
/// It sleeps until a doorbell rings or the next run or retry is due; a slow poll makes up for lost doorbells. All that it
/// knows is in the metastore: it can be ended at any moment.
public actor Scheduler {
    /// The thread on which the scheduler runs.
    public nonisolated let reactor: any Reactor
    /// The reactor's executor.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { reactor.asUnownedSerialExecutor() }

    let metastore: Metastore
    let configuration: SchedulerConfiguration
    let log: Logger

    /// The machine's; nil where the scheduler is in no table of processes.
    let processes: (any ProcessTable)?
    /// Its number in that table.
    var process: Int64?
    var renewal: Task<Void, Never>?
    var renewalTimer: LoopTimer?
    /// How many schedulers were there before it.
    var rank: Int64 = 0
    /// What was rung, and when it is looked at.
    var late: (bells: DoorbellSet, at: Int64, timer: LoopTimer)?

    private var isStarted = false
    private(set) var isStopped = false
    /// What there is to look at.
    private var rung: DoorbellSet = []
    private var turns: Task<Void, Never>?
    private var cleaning: Task<Void, Never>?
    private var timer: LoopTimer?
    private var failures = 0
    private var pace: WritePace
    private var nextCleaning: Int64?
    /// When it is looked again for waits that nobody watches.
    var nextLook: Int64 = .min
    var unwatched = UnwatchedQueues()
    private var plans: [String: (versionID: Int64, plan: SchedulePlan)] = [:]
    /// The DAGs that events start, and how far the inbox has been looked through for them.
    private var eventStarts = EventStarts()
    /// Whether there are any.
    private nonisolated let hearsEvents = Atomic(false)
    /// Those that `eventStarts` was made of, the ones that could not be read too.
    private var eventDAGs: [EventStartedDAG] = []
    private var eventCursor: Int64 = 0
    /// DAGs without a next run that are looked at once after the start, for what hindered them may be gone.
    private var toReview: [String]?

    /// A scheduler that does nothing yet, and that no table of processes shows.
    public init(
        metastore: Metastore, reactor: any Reactor, configuration: SchedulerConfiguration = SchedulerConfiguration(),
        log: Logger
    ) {
        self.init(metastore: metastore, reactor: reactor, processes: nil, configuration: configuration, log: log)
    }

    /// A scheduler that does nothing yet.
    ///
    /// - Parameter processes: The machine that it runs on; the calling process is shown as a scheduler.
    package init(
        metastore: Metastore, reactor: any Reactor, processes: (any ProcessTable)?,
        configuration: SchedulerConfiguration = SchedulerConfiguration(), log: Logger
    ) {
        self.metastore = metastore
        self.reactor = reactor
        self.processes = processes
        self.configuration = configuration
        pace = WritePace(most: configuration.rowsPerTransaction)
        self.log = log
    }

    /// Begins: looks at once, then whenever there is a reason.
    public func start() {
        guard !isStarted, !isStopped else { return }
        isStarted = true
        nextCleaning = reactor.loop.now + TimeSpan.seconds(60).microseconds
        renew()
        metastore.doorbells.subscribe([.runs, .events]) { [weak self, reactor] bells in
            guard let self else { return }
            // Most events start nothing: the thread is not woken by them, which others need just then.
            let bells = hearsEvents.load(ordering: .acquiring) ? bells : bells.subtracting(.events)
            if bells.isEmpty { return }
            reactor.submit { self.assumeIsolated { $0.rang(bells) } }
        }
        ring(Self.everything)
    }

    /// Ends after the transaction that is under way. The reactor may be stopped afterwards.
    public func stop() async {
        isStopped = true
        if let timer { reactor.loop.cancel(timer) }
        timer = nil
        if let late { reactor.loop.cancel(late.timer) }
        await turns?.value
        await cleaning?.value
        await leave()
    }

    private static let everything: DoorbellSet = [.runs, .events]

    private func rang(_ bells: DoorbellSet) { ringInTurn(bells) }

    /// Something may have to be done.
    func ring(_ bells: DoorbellSet) {
        guard !isStopped, !bells.isEmpty else { return }
        rung.formUnion(bells)
        if turns == nil { turns = Task(executorPreference: reactor) { await self.work() } }
    }

    private func work() async {
        while !rung.isEmpty, !isStopped {
            let bells = rung
            rung = []
            do {
                try await turn(bells)
                failures = 0
            } catch {
                failures += 1
                let pause = Self.pause(afterFailures: failures)
                log.error(
                    "the scheduler could not work on the metastore; it tries again",
                    metadata: ["error": "\(error)", "again_in_ms": "\(pause.microseconds / 1_000)"])
                wake(at: reactor.loop.now + pause.microseconds)
            }
        }
        turns = nil
    }

    private func turn(_ bells: DoorbellSet) async throws {
        if bells.contains(.runs) { try await readEventStarts() }
        var started = try await startByEvents()
        if bells.contains(.runs) { started += try await closeBatches() }
        // What is being gathered may have to be closed before the timer comes.
        let isGathering = eventStarts.gathering.values.contains { $0.isTimed }
        guard bells.contains(.runs) || started > 0 || isGathering else { return }
        try await createRuns()
        try await moveTasks()
        try await timeOutUnwatched()
        try await sleep()
    }

    // MARK: runs

    private func createRuns() async throws {
        if toReview == nil { toReview = try await dagsWithoutNextRun() }
        while !isStopped, let batch = try await nextBatch() {
            let outcome = try await metastore.write { transaction in
                let outcome = try batch.commit(in: transaction)
                // The new runs are started next, in this very turn.
                transaction.silence(.runs)
                return outcome
            }
            for (dagID, error) in outcome.failures {
                log.error(
                    "a DAG cannot be scheduled until it is corrected",
                    metadata: ["dag_id": "\(dagID)", "error": "\(error)"])
            }
            if outcome.created > 0 { log.debug("runs created", metadata: ["count": "\(outcome.created)"]) }
            // What becomes due from here on is what the timer is set to.
            guard
                toReview?.isEmpty == false || batch.size == configuration.dagsPerTransaction
                    || outcome.created >= configuration.runsPerTransaction
            else { return }
        }
    }

    // MARK: events

    private func readEventStarts() async throws {
        let found = try await metastore.read { snapshot in
            try snapshot.eventStartedDAGs().map { ($0, try snapshot.definition(ofVersion: $0.versionID)) }
        }
        var starts = EventStarts()
        for (dag, definition) in found {
            do throws(PerchError) {
                try starts.add(dag, definition)
            } catch {
                log.error(
                    "events cannot start a DAG until it is corrected",
                    metadata: ["dag_id": "\(dag.dagID)", "error": "\(error)"])
            }
        }
        eventStarts = starts
        eventDAGs = found.map(\.0)
        // Events from here on ring; those before are looked for next.
        hearsEvents.store(starts.floor != nil, ordering: .releasing)
    }

    /// Creates the runs that events start. How far it has looked is stored with them, and only with them: events that
    /// start nothing cost no transaction, and are looked at again after a restart.
    private func startByEvents() async throws -> Int {
        guard eventStarts.floor != nil else { return 0 }
        var created = 0
        while !isStopped {
            let (looked, limit) = (max(eventCursor, eventStarts.floor ?? 0), configuration.runsPerTransaction)
            let (stored, events, dags) = try await metastore.read { snapshot in
                let stored = try snapshot.startCursor()
                let events = try snapshot.events(after: max(looked, stored), limit: limit)
                return (stored, events, events.isEmpty ? [] : try snapshot.eventStartedDAGs())
            }
            guard !events.isEmpty else { break }
            // A DAG that was stored before these events must not miss them because its bell comes later.
            guard dags == eventDAGs else {
                try await readEventStarts()
                if eventStarts.floor == nil { break }
                continue
            }
            var starts: [EventStart] = []
            var last = looked
            for event in events {
                let more = eventStarts.starts(by: event)
                // An event is looked at whole or not yet, but for one that starts more than a transaction holds.
                if !starts.isEmpty, starts.count + more.count > limit { break }
                starts += more
                last = event.seq
            }
            if !starts.isEmpty {
                let (found, upTo) = (starts, last)
                let count = try await metastore.write { transaction in
                    let count = try transaction.startRuns(found, by: dags, from: stored, upTo: upTo)
                    // The new runs are started next, in this very turn.
                    transaction.silence(.runs)
                    return count
                }
                // Another scheduler was first, or the DAGs are others by now: what is left is looked at again.
                guard let count else { continue }
                created += count
            }
            eventCursor = last
        }
        return created
    }

    /// Starts the runs of batches whose time is over.
    private func closeBatches() async throws -> Int {
        var created = 0
        while !isStopped {
            let due = try await metastore.read { try $0.batchesDue(by: $0.now, limit: 100) }
            guard !due.isEmpty else { break }
            created += try await metastore.write { transaction in
                let created = try due.reduce(0) { try $0 + transaction.closeBatches(of: $1) }
                transaction.silence(.runs)
                return created
            }
        }
        return created
    }

    private func dagsWithoutNextRun() async throws -> [String] {
        try await metastore.read { snapshot in
            try snapshot.dags().filter { $0.isActive && !$0.isPaused && $0.nextRunAt == nil }.map(\.dagID)
        }
    }

    /// The DAGs of the next transaction; nil where nothing is due.
    private func nextBatch() async throws -> SchedulingBatch? {
        let limit = configuration.dagsPerTransaction
        let review = Array(toReview?.prefix(limit) ?? [])
        let known = plans
        let (rows, definitions) = try await metastore.read { snapshot in
            var rows = try review.compactMap { try snapshot.dag($0) }
                .filter { $0.isActive && !$0.isPaused && $0.nextRunAt == nil }
            var named = Set(rows.map(\.dagID))
            let more = try snapshot.dagsToSchedule(limit: limit) + snapshot.dagsDue(by: snapshot.now, limit: limit)
            for row in more where rows.count < limit && named.insert(row.dagID).inserted { rows.append(row) }
            var definitions: [Int64: DAGDefinition] = [:]
            for row in rows where known[row.dagID]?.versionID != row.versionID {
                definitions[row.versionID] = try snapshot.definition(ofVersion: row.versionID)
            }
            return (rows, definitions)
        }
        toReview?.removeFirst(review.count)
        guard !rows.isEmpty else { return toReview?.isEmpty == false ? try await nextBatch() : nil }

        var batch = SchedulingBatch(members: [], unusable: [], runLimit: configuration.runsPerTransaction)
        for row in rows {
            do throws(PerchError) {
                batch.members.append(.init(row: row, plan: try plan(of: row, definitions[row.versionID])))
            } catch {
                batch.unusable.append((row, error))
            }
        }
        return batch
    }

    private func plan(of row: DAGRow, _ definition: DAGDefinition?) throws(PerchError) -> SchedulePlan {
        if let kept = plans[row.dagID], kept.versionID == row.versionID { return kept.plan }
        guard let definition else {
            throw PerchError(.notFound, "version \(row.versionNumber) of DAG '\(row.dagID)' is not in the metastore")
        }
        let plan = try SchedulePlan(definition)
        plans[row.dagID] = (row.versionID, plan)
        return plan
    }

    // MARK: tasks

    /// Starts runs, takes up retries, and queues what waited for room: in bounded transactions until none is left to do.
    private func moveTasks() async throws {
        let clock = metastore.clock
        var isMore = true
        while isMore, !isStopped {
            let budget = pace.rows
            let limit = max(1, budget / 5)
            let took: TimeSpan
            (isMore, took) = try await metastore.write { transaction in
                let began = clock.now
                let isMore =
                    try transaction.advanceRuns(budget: budget) || transaction.retryDue(limit: limit)
                    || transaction.failOverdueInQueue(limit: limit) || transaction.promoteScheduled(limit: limit)
                return (isMore, clock.now - began)
            }
            pace.note(took, isFull: isMore)
        }
    }

    // MARK: sleeping

    /// Sets the timer to the next instant at which there is something to do.
    private func sleep() async throws {
        guard !rung.contains(.runs), !isStopped else { return }
        let instants = try await metastore.read {
            try [
                $0.nextRunInstant(), $0.nextRetryInstant(), $0.nextBatchInstant(), $0.nextRunDeadline(),
                $0.nextAlertInstant(), $0.nextQueueDeadline(),
            ]
        }
        let now = reactor.loop.now
        if let nextCleaning, nextCleaning <= now { clean() }
        var instant = now + configuration.slowPoll.microseconds
        for next in instants { if let next { instant = min(instant, next.microseconds) } }
        for next in [nextCleaning, nextLook] { if let next { instant = min(instant, next) } }
        // An instant that has passed meanwhile is not worth a loop without a pause.
        wake(at: max(instant, now + 5_000))
    }

    private func wake(at instant: Int64) {
        guard !isStopped else { return }
        if let timer { reactor.loop.cancel(timer) }
        timer = reactor.loop.schedule(at: instant) { [weak self] in
            self?.assumeIsolated {
                $0.timer = nil
                $0.ringInTurn(Self.everything)
            }
        }
    }

    private static func pause(afterFailures failures: Int) -> TimeSpan {
        TimeSpan(microseconds: min(30_000_000, 500_000 << Int64(min(failures - 1, 10))))
    }

    // MARK: retention

    /// Removes what is kept no longer, in small steps between which others work.
    private func clean() {
        nextCleaning = reactor.loop.now + configuration.cleanEvery.microseconds
        guard cleaning == nil else { return }
        cleaning = Task(executorPreference: reactor) { await self.cleanUp() }
    }

    private func cleanUp() async {
        do {
            try await cleanAll()
        } catch {
            log.error("old runs and events could not be removed", metadata: ["error": "\(error)"])
        }
        cleaning = nil
    }

    private func cleanAll() async throws {
        let now = metastore.clock.now
        func before(_ kept: TimeSpan) -> Timestamp { now + TimeSpan(microseconds: -kept.microseconds) }
        var request = CleaningRequest(
            runsBefore: configuration.keepRuns.map(before), eventsBefore: before(configuration.keepEvents))
        request.auditBefore = before(configuration.keepAudit)
        let wanted = request
        let kept = configuration.keepEvents
        try await metastore.write { try $0.storeEventRetention(kept) }
        var isMore = true
        while isMore, !isStopped {
            isMore = try await metastore.write { try $0.clean(wanted, limit: 1_000).isMore }
        }
    }
}
