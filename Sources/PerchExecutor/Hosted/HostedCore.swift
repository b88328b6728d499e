// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchReactor
internal import PerchSDK

/// The state machine of hosted triggers: which of them run in which process, what they ask for, and what becomes of
/// those that throw, hold their thread or end their process. It has no I/O and no clock; the executor around it has
/// both.
///
/// All run in one process, apart from tasks. One that held its thread, or ended its process alone, is begun again
/// alone, and joins the others when nothing happened for a while. Where a process dies with several in it nobody knows
/// whose fault it was: as with tasks, the suspects are parted, here into groups, until one is found to die alone.
struct HostedCore {
    enum Action {
        case send(Place, EngineMessage)
        case log(HostedTrigger, [LogLine])
        /// It says nothing more here.
        case ended(HostedTrigger)
        /// For the engine's own log.
        case report(HostedTrigger, String)
        case kill(Place)
        case launch(Place)
        case retire(Place)
    }

    struct Settings: Sendable {
        /// How many waits one worker hosts.
        var capacity = 10_000
        var budget = TimeSpan.seconds(1)
        /// How many runs in a row may fail, and how often a trigger may hold its thread or end its process.
        var mostFailures = 5
        var mostOffences = 3
        /// The pause before a run that follows a failure; doubled with each.
        var pause = TimeSpan.seconds(1)
        var longestPause = TimeSpan.seconds(60)
        /// A run that went well for so long begins the count of failures anew.
        var forgivenAfter = TimeSpan.seconds(600)
        /// Suspects that went on so long are innocent.
        var suspicion = TimeSpan.seconds(10)
        /// Into how many groups the triggers of a dead process are parted, and how many offenders run alone at a time.
        var parts = 4
        /// How long a process without triggers is kept.
        var idle = TimeSpan.seconds(60)
    }

    /// Triggers that share a process.
    struct Group {
        var members: Set<Int64> = []
        var isReady = false
        var isSuspect = false
    }

    var settings: Settings
    var hosted: [Int64: HostedTrigger] = [:]
    var groups: [Int: Group] = [:]
    var main: Int?
    var lastGroup = 0
    var lastRun: Int64 = 0
    /// Offenders that wait for their turn to run alone.
    var line: [Int64] = []
    var turn = HostedTurn()
    var actions: [Action] = []
    var timers = TimerHeap<HostedTimer>()

    init(settings: Settings) { self.settings = settings }

    // MARK: turns

    /// How many more waits may be hosted.
    var room: Int { max(0, settings.capacity - hosted.count) }

    /// When something is to be done next.
    var nextInstant: Timestamp? {
        mutating get { timers.earliest.map { Timestamp(microseconds: $0) } }
    }

    mutating func takeTurn() -> HostedTurn {
        defer { turn = HostedTurn() }
        return turn
    }

    mutating func putBack(_ failed: HostedTurn) {
        turn.checkpoints = failed.checkpoints + turn.checkpoints
        turn.notes = failed.notes + turn.notes
        turn.firings = failed.firings + turn.firings
    }

    mutating func takeActions() -> [Action] {
        defer { actions = [] }
        return actions
    }

    /// A turn is durable.
    mutating func committed(_ turn: HostedTurn, _ outcome: HostedOutcome, now: Timestamp) {
        for (checkpoint, isStored) in zip(turn.checkpoints, outcome.stored) {
            guard let trigger = hosted[checkpoint.waitID] else { continue }
            // Somebody else has it, or nobody: its wait is gone.
            guard isStored else { drop(trigger, now: now); continue }
            trigger.progress = checkpoint.value
            if trigger.run == checkpoint.run {
                answer(trigger) { .triggerStored($0, number: checkpoint.number) }
            }
        }
        // Whoever won: the wait is gone.
        for firing in turn.firings { if let trigger = hosted[firing.waitID] { drop(trigger, now: now) } }
        if let own = outcome.own {
            let there = Set(own)
            for trigger in sorted(hosted.keys) where !there.contains(trigger.wait.waitID) { drop(trigger, now: now) }
        }
        for wait in outcome.claimed { take(wait, now: now) }
    }

    func sorted(_ waitIDs: some Sequence<Int64>) -> [HostedTrigger] {
        waitIDs.sorted().compactMap { hosted[$0] }
    }

    /// Forgets everything: it belongs to another worker now. What runs is ended with its process.
    mutating func forgetAll() {
        self = HostedCore(settings: settings, lastGroup: lastGroup, lastRun: lastRun)
    }

    private init(settings: Settings, lastGroup: Int, lastRun: Int64) {
        self.settings = settings
        self.lastGroup = lastGroup
        self.lastRun = lastRun
    }

    // MARK: beginning

    private mutating func take(_ wait: HostedWait, now: Timestamp) {
        guard hosted[wait.wait.waitID] == nil else { return }
        let trigger = HostedTrigger(wait)
        hosted[wait.wait.waitID] = trigger
        do {
            trigger.progress = try wait.wait.progress.map { try JSONValue(parsingEnvelope: $0) }
        } catch {
            return fire(trigger, .broken("its checkpoint cannot be read: \(error)"), now)
        }
        if let retryAt = wait.retryAt, retryAt > now {
            timers.insert(
                deadline: retryAt.microseconds, id: HostedTimer(kind: .pause, subject: wait.wait.waitID))
        } else {
            begin(trigger, now: now)
        }
    }

    /// Gives a trigger its process: that of all, or one of its own.
    mutating func begin(_ trigger: HostedTrigger, now: Timestamp) {
        guard trigger.offences > 0 else { return join(trigger, mainGroup(), now: now) }
        guard groups.values.count(where: \.isSuspect) < settings.parts else {
            trigger.phase = .inLine
            return line.append(trigger.wait.waitID)
        }
        join(trigger, newGroup(isSuspect: true), now: now)
    }

    private mutating func mainGroup() -> Int {
        if let main { return main }
        let group = newGroup(isSuspect: false)
        main = group
        return group
    }

    mutating func newGroup(isSuspect: Bool) -> Int {
        lastGroup += 1
        groups[lastGroup] = Group(isSuspect: isSuspect)
        actions.append(.launch(.hosting(group: lastGroup)))
        return lastGroup
    }

    mutating func join(_ trigger: HostedTrigger, _ group: Int, now: Timestamp) {
        groups[group]?.members.insert(trigger.wait.waitID)
        timers.remove(HostedTimer(kind: .idle, subject: Int64(group)))
        trigger.group = group
        trigger.phase = .waiting
        if groups[group]?.isReady == true { start(trigger, now: now) }
    }

    mutating func start(_ trigger: HostedTrigger, now: Timestamp) {
        guard let group = trigger.group else { return }
        let definition: JSONValue
        do {
            definition = try trigger.wait.definition.map { try JSONValue(parsingEnvelope: $0) } ?? .object([:])
        } catch {
            return fire(trigger, .broken("what is stored of the wait cannot be read: \(error)"), now)
        }
        lastRun += 1
        trigger.phase = .running(run: lastRun, since: now)
        let facts = TriggerFacts(
            waitID: trigger.wait.waitID, since: trigger.wait.since, deadline: trigger.wait.deadline,
            failures: trigger.failures)
        actions.append(
            .send(
                .hosting(group: group),
                .hostTrigger(
                    TriggerOrder(
                        run: TriggerRun(waitID: trigger.wait.waitID, run: lastRun), kind: trigger.wait.kind,
                        definition: definition, facts: facts, checkpoint: trigger.progress, budget: settings.budget))))
    }

    // MARK: ending

    /// Says something about the run of a trigger.
    mutating func answer(_ trigger: HostedTrigger, _ message: (TriggerRun) -> EngineMessage) {
        guard let group = trigger.group, let run = trigger.run else { return }
        actions.append(.send(.hosting(group: group), message(TriggerRun(waitID: trigger.wait.waitID, run: run))))
    }

    /// It is over, or not this worker's any more: its code ends.
    mutating func drop(_ trigger: HostedTrigger, now: Timestamp) {
        answer(trigger) { .endTrigger($0) }
        leave(trigger, now: now)
        timers.remove(HostedTimer(kind: .pause, subject: trigger.wait.waitID))
        line.removeAll { $0 == trigger.wait.waitID }
        trigger.phase = .over
        hosted[trigger.wait.waitID] = nil
        if trigger.hasSpoken { actions.append(.ended(trigger)) }
    }

    /// It runs no more in its process.
    mutating func leave(_ trigger: HostedTrigger, now: Timestamp) {
        forgetSleeps(trigger)
        guard let group = trigger.group else { return }
        trigger.group = nil
        groups[group]?.members.remove(trigger.wait.waitID)
        guard let left = groups[group], left.members.isEmpty, left.isReady else { return }
        if group == main {
            timers.insert(
                deadline: (now + settings.idle).microseconds, id: HostedTimer(kind: .idle, subject: Int64(group)))
        } else {
            close(group, now: now)
        }
    }

    mutating func forgetSleeps(_ trigger: HostedTrigger) {
        guard let run = trigger.run else { return }
        for number in trigger.sleeps.sorted() {
            timers.remove(
                HostedTimer(kind: .sleep, subject: trigger.wait.waitID, number: number, run: run))
        }
        trigger.sleeps = []
    }

    /// A process that nobody needs any more goes.
    mutating func close(_ group: Int, now: Timestamp) {
        forget(group)
        actions.append(.retire(.hosting(group: group)))
        admit(now: now)
    }

    mutating func forget(_ group: Int) {
        groups[group] = nil
        if main == group { main = nil }
        timers.remove(HostedTimer(kind: .suspicion, subject: Int64(group)))
        timers.remove(HostedTimer(kind: .idle, subject: Int64(group)))
    }

    /// The wait ends; its code is ended when that is durable.
    mutating func fire(_ trigger: HostedTrigger, _ outcome: WaitOutcome, _ now: Timestamp) {
        if case .broken(let message) = outcome { note(trigger, message, .error, now) }
        leave(trigger, now: now)
        trigger.phase = .over
        turn.firings.append(Firing(waitID: trigger.wait.waitID, outcome: outcome, by: "worker"))
    }

    /// Whether code of any runs, or is about to.
    var isBusy: Bool {
        hosted.values.contains { trigger in
            switch trigger.phase {
            case .waiting, .over: true
            case .running: trigger.sleeps.isEmpty
            case .pausing, .inLine: false
            }
        }
    }

    /// Whether code runs in a process.
    func isAwake(in group: Int) -> Bool {
        groups[group]?.members.contains { hosted[$0].map { $0.run != nil && $0.sleeps.isEmpty } ?? false } ?? false
    }

    mutating func note(_ trigger: HostedTrigger, _ message: String, _ level: AttemptLogLevel, _ now: Timestamp) {
        say(trigger, [LogLine(at: now, level: level, message: "trigger '\(trigger.name)': \(message)")])
    }

    mutating func say(_ trigger: HostedTrigger, _ lines: [LogLine]) {
        trigger.hasSpoken = true
        actions.append(.log(trigger, lines))
    }
}
