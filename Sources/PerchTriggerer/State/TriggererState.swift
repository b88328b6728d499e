// SPDX-License-Identifier: Apache-2.0

import DequeModule
import PerchMetastore
import PerchReactor
import PerchSDK

/// What the triggerer knows and what it wants done next, without any I/O: sources, metastore and clock are the actor's.
///
/// Whoever drives it tells it what has happened and then takes `next` until there is nothing more. A *generation* lasts
/// as long as a lease: with the lease everything in memory is lost, and read again under the next one. Answers that belong
/// to an earlier generation are ignored.
struct TriggererState {
    let configuration: TriggererConfiguration
    let kinds: KindDirectory

    var lease: LeaseState
    var shards = ShardBook()
    private var shardPlaces = ShardPlaces()
    var generation = 0
    var table: WaitTable
    /// For the sources, in this order, before anything else is decided.
    var commands: Deque<TriggererWork> = []
    var pace = ArmingPace()

    // Reading waits.
    var lastWait: Int64 = 0
    var lastNote: Int64 = 0
    var forgottenNote: Int64 = 0
    var areWaitsDirty = false
    var isReadingWaits = false
    /// Waits whose fires were stored while waits were being read.
    var firedMeanwhile: Set<Int64> = []
    /// When the generation began to load; nil once every wait that was there is armed.
    var loadingSince: Int64?
    /// After a failed read, nothing is read before this instant.
    var readAt: Int64 = .min
    var readFailures = 0

    var pump = InboxPump()
    /// The event that is being delivered: what fires now, it fired.
    var currentEvent: Int64?

    // Deadlines, and the last probes of those that were overdue.
    var deadlines = TimerHeap<Int64>()
    var toProbe: Deque<Int64> = []
    var probeBounds = TimerHeap<Int64>()
    var probing = 0

    /// Waits that were changed while they claimed an event.
    var claimants: [Int64: WaitToArm] = [:]

    // Committing.
    var fires: FireBuffer
    var progress: [Int64: JSONValue] = [:]
    /// The last progress of each wait that looks through the inbox, stored or not: it may be armed again at any time.
    var inboxProgress: [Int64: JSONValue] = [:]
    var probes: ProbeBook
    var isCommitting = false
    var inFlightProgress: [(waitID: Int64, progress: JSONValue)] = []

    var pollAt: Int64 = .min
    var counters = Counters()

    /// What has happened since the start.
    struct Counters: Hashable {
        var fired = 0
        var lostRaces = 0
        var leasesLost = 0
        var setAside: [String] = []
    }

    init(configuration: TriggererConfiguration, kinds: KindDirectory) {
        self.configuration = configuration
        self.kinds = kinds
        lease = LeaseState(
            lease: configuration.lease.microseconds, renewEvery: configuration.renewEvery.microseconds)
        table = WaitTable(kinds: kinds.names.count)
        fires = FireBuffer(size: configuration.firesPerCommit)
        probes = Self.probeBook(configuration)
    }

    static func probeBook(_ configuration: TriggererConfiguration) -> ProbeBook {
        ProbeBook(every: configuration.probeEvery.microseconds, delay: configuration.probeDelay.microseconds)
    }

    /// The next thing to do now; nil where there is nothing before `nextInstant` or the next news.
    mutating func next(now: Int64) -> TriggererWork? {
        currentEvent = nil
        if lease.isOver(at: now) { leaseLost(now: now) }
        if lease.mustAsk(at: now) { return .acquire(previousOwner: lease.owner) }
        if let command = nextCommand() { return command }
        guard lease.isHeld, let owner = lease.owner else { return nil }
        if shards.releasing.isEmpty, lease.mustRenew(at: now) { return .renew(owner: owner, watched: table.count) }
        if now >= pollAt {
            pollAt = now + configuration.slowPoll.microseconds
            areWaitsDirty = true
            pump.isDirty = true
        }
        if let group = nextCommit(owner: owner, now: now) { return .commit(group) }
        if let request = nextWaitsRequest(now: now) { return .readWaits(request) }
        if let work = nextInboxWork(now: now) { return work }
        if let work = nextDeadlineWork(now: now) { return work }
        return nil
    }

    /// When to ask for work again although nothing has happened.
    mutating func nextInstant() -> Int64? {
        guard lease.isHeld else { return lease.nextInstant }
        var instant = min(lease.nextInstant ?? .max, pollAt)
        if let deadline = deadlines.earliest { instant = min(instant, deadline) }
        if !pump.isReading, let deadline = pump.deadlines.earliest { instant = min(instant, max(deadline + 1, readAt)) }
        if pump.isDirty, !pump.isReading { instant = min(instant, max(pump.lookAt, readAt)) }
        if let bound = probeBounds.earliest { instant = min(instant, bound) }
        if !isCommitting {
            if let storeAt = probes.storeAt { instant = min(instant, max(storeAt, fires.retryAt)) }
            if fires.hasWaiting || !progress.isEmpty { instant = min(instant, fires.retryAt) }
        }
        if readFailures > 0, !isReadingWaits, !pump.isReading { instant = min(instant, readAt) }
        return instant == .max ? nil : instant
    }

    /// Doorbells: something may be new.
    mutating func rang(_ bells: DoorbellSet) {
        if bells.contains(.waits) { areWaitsDirty = true }
        if bells.contains(.events) { pump.isDirty = true }
        if bells.contains(.owners) { lease.isShareDue = true }
    }

    // MARK: the lease

    mutating func acquired(owner: Int64, share: ShardShare, lastEvent: Int64, now: Int64) {
        guard case .asking = lease.phase else { return }
        lease.granted(owner: owner)
        pump.cursor = lastEvent
        // Every wait is still to be read: nobody has to catch up.
        _ = shards.take(share)
        areWaitsDirty = true
        loadingSince = now
        pollAt = now + configuration.slowPoll.microseconds
    }

    mutating func acquireFailed(now: Int64) {
        lease.refused(at: now)
    }

    /// The lease is renewed; nil: it was taken away.
    mutating func renewed(generation: Int, share: ShardShare?, now: Int64) {
        guard generation == self.generation else { return }
        guard let share else { return leaseLost(now: now) }
        lease.renewed()
        let (gained, lost) = shards.take(share)
        if !lost.isEmpty { leave(lost) }
        if !gained.isEmpty {
            shards.catchUps.append(.init(shards: gained, since: now))
            // What was noted about their waits is in what is read of them.
            forgottenNote = 0
        }
        guard !gained.isEmpty || !lost.isEmpty else { return }
        commands.append(.shared(gained: gained.count, lost: lost.count))
    }

    /// Forgets the waits of shards that another is to have. What has been found of them is stored before it gets them.
    private mutating func leave(_ lost: ShardSet) {
        let places = shardPlaces.places(of: lost)
        let leaving = table.waits(in: places)
        pump.forget(Set(leaving))
        for waitID in leaving { drop(waitID) }
    }

    mutating func place(of wait: WaitToArm) -> UInt16 {
        shardPlaces.place(queue: wait.queue, shard: wait.shard)
    }

    mutating func renewalFailed(generation: Int, now: Int64) {
        guard generation == self.generation else { return }
        lease.renewalFailed(at: now)
    }

    /// Stops firing at once, forgets everything, and asks for the lease again.
    mutating func leaseLost(now: Int64) {
        lease.refused(at: now)
        counters.leasesLost += 1
        forget()
        commands.append(.restartSources)
    }

    /// Ends: nothing more is wanted.
    mutating func stop() {
        lease.stop()
        forget()
    }

    private mutating func forget() {
        generation += 1
        shards = ShardBook()
        shardPlaces = ShardPlaces()
        table = WaitTable(kinds: kinds.names.count)
        commands = []
        lastWait = 0
        lastNote = 0
        forgottenNote = 0
        areWaitsDirty = false
        isReadingWaits = false
        firedMeanwhile = []
        claimants = [:]
        loadingSince = nil
        readFailures = 0
        readAt = .min
        pump = InboxPump()
        deadlines = TimerHeap()
        toProbe = []
        probeBounds = TimerHeap()
        probing = 0
        fires = FireBuffer(size: configuration.firesPerCommit)
        progress = [:]
        inboxProgress = [:]
        probes = Self.probeBook(configuration)
        isCommitting = false
        inFlightProgress = []
    }
}
