// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK

/// The executor's state machine: what is claimed, told, reported, cancelled and lost becomes messages to bundles and
/// the next transaction. It has no I/O and no clock; the executor around it has both.
struct ExecutorCore {
    enum Action {
        case send(Place, EngineMessage)
        case log(Attempt, [LogLine], LogWorth)
        /// End the process and what it started; its death is reported back.
        case kill(Place)
        /// A process is wanted there.
        case launch(Place)
        /// The process there has nothing more to do.
        case retire(Place)
        /// The process there, which was told to end when it has nothing more to do, has come to that.
        case dismiss(Place)
        /// The output of this success lies in a file of the home: others have to find it before it is reported.
        case publish(TaskReport)
        /// What this attempt is given may lie in files of other homes: it begins when they are here.
        case fetch(Attempt)
        /// The code of this attempt holds a thread of its process.
        case held(Attempt, TimeSpan)
    }

    struct Settings: Sendable {
        var slots = 32
        /// How many processes share the attempts that are under no suspicion.
        var processes = 1
        /// What one claim takes at most, so that a transaction stays short.
        var largestClaim = 500
        /// What a process has beyond an attempt's own time for clean-up, before it is ended.
        var killGrace = TimeSpan.seconds(5)
        /// How many suspects begin side by side, each in a process of its own.
        var freshSuspects = 4
        /// A suspect that has run so long holds up no other one any more.
        var suspicion = TimeSpan.seconds(10)
        /// Whether long outputs are files of homes that others do not see.
        var exchangesOutputs = false
        /// Whether spans are told of what runs.
        var isTraced = false
    }

    /// How a bundle process ended.
    struct Death: Sendable, Hashable {
        /// `died of signal 4 (Illegal instruction)`, `exited with code 3`, ….
        var words: String
    }

    let settings: Settings
    var attempts: [Int64: Attempt] = [:]
    var turn = Turn()
    /// What templates have become, until there is a turn to go with.
    var rendered: [RenderedRecord] = []
    var actions: [Action] = []
    var occupied = 0
    var isReady: [Place: Bool] = [:]
    /// How many dispatches each process of the pool was given.
    var begun: [Place: Int] = [:]
    /// The version of the bundle that each process of the pool is of; of one that has died, until there is another.
    var versions: [Place: String] = [:]
    /// How many attempts have code in each process.
    var load: [Place: Int] = [:]
    /// Attempts that wait for their process, in the order of claims; those for any of the pool under the main one.
    var waiting: [Place: [Int64]] = [:]
    /// Attempts that are the reason why a process is being ended.
    var offenders: [Place: Set<Int64>] = [:]
    var timed: Set<Int64> = []
    /// Suspects that have no process yet, in the order of claims.
    var suspectLine: [Int64] = []
    /// When the suspects that are not over were given a process.
    var admitted: [Int64: Timestamp] = [:]

    init(settings: Settings) { self.settings = settings }

    // MARK: Turns

    /// How many more dispatches may be held.
    var freeSlots: Int { max(0, settings.slots - occupied) }

    /// How many tasks a claim may take now.
    var claimLimit: Int { min(freeSlots, settings.largestClaim) }

    /// Takes what is to be committed next.
    mutating func takeTurn(claims: Bool) -> Turn {
        var taken = Turn()
        swap(&taken, &turn)
        // A turn that does nothing but claim may be withdrawn again.
        if !rendered.isEmpty, taken.hasReports || taken.lease != nil || taken.readsCancels {
            taken.rendered = rendered
            rendered = []
        }
        if claims {
            taken.claimLimit = claimLimit
            taken.bundleVersion = versions[.main]
        }
        return taken
    }

    /// Puts a turn back whose commit failed, in front of what came meanwhile.
    mutating func putBack(_ failed: Turn) {
        rendered = failed.rendered + rendered
        turn.steps = failed.steps + turn.steps
        turn.deferrals = failed.deferrals + turn.deferrals
        turn.reports = failed.reports + turn.reports
        turn.requeued = failed.requeued + turn.requeued
        turn.suspects = failed.suspects + turn.suspects
        turn.readsCancels = failed.readsCancels || turn.readsCancels
        if turn.lease == nil { turn.lease = failed.lease }
    }

    mutating func takeActions() -> [Action] {
        var taken: [Action] = []
        swap(&taken, &actions)
        return taken
    }

    mutating func askForCancels() { turn.readsCancels = true }
    mutating func askForLease(_ lease: TimeSpan) { turn.lease = lease }

    /// A turn is durable: everything that waited for it goes on.
    mutating func committed(_ turn: Turn, _ outcome: TurnOutcome, now: Timestamp) {
        for (record, isAccepted) in zip(turn.steps, outcome.steps) {
            guard let attempt = attempts[record.dispatchID], attempt.isInProcess else { continue }
            if isAccepted {
                actions.append(.send(attempt.place, .recorded(dispatchID: record.dispatchID, key: record.key)))
            } else {
                abandon(attempt, now: now)
            }
        }
        for deferral in turn.deferrals { attempts[deferral.dispatchID] = nil }
        for report in turn.reports { attempts[report.dispatchID] = nil }
        for reference in turn.requeued + turn.suspects { attempts[reference.dispatchID] = nil }
        for task in outcome.claimed { take(task, now: now) }
        for order in outcome.cancels { cancel(order, now: now) }
    }

    // MARK: Claims

    mutating func take(_ task: ClaimedTask, now: Timestamp) {
        let place = place(of: task)
        let attempt = Attempt(task: task, place: place, now: now)
        attempts[task.dispatchID] = attempt
        occupied += 1
        if settings.exchangesOutputs, !attempt.storedInputs.isEmpty {
            attempt.isFetching = true
            return actions.append(.fetch(attempt))
        }
        admit(attempt, now: now)
    }

    /// What an attempt is given is here, or nowhere.
    mutating func fetched(_ attempt: Attempt, now: Timestamp) {
        guard attempts[attempt.dispatchID] === attempt, attempt.isFetching, !attempt.isOver else { return }
        attempt.isFetching = false
        admit(attempt, now: now)
    }

    /// What an attempt is given cannot be had.
    mutating func fetchFailed(_ attempt: Attempt, _ words: String, now: Timestamp) {
        guard attempts[attempt.dispatchID] === attempt, !attempt.isOver else { return }
        report(attempt, .failure(message: words, retryable: true), now)
        admitSuspects(now: now)
    }

    private mutating func admit(_ attempt: Attempt, now: Timestamp) {
        if attempt.place.isQuarantine {
            suspectLine.append(attempt.dispatchID)
            return admitSuspects(now: now)
        }
        waiting[attempt.place, default: []].append(attempt.dispatchID)
        handOut(attempt.place, now: now)
    }

    /// Whether code may be running there.
    func isRunning(in place: Place) -> Bool { load[place] != nil }

    /// Tells the process there what waits for it.
    mutating func handOut(_ place: Place, now: Timestamp) {
        if place.isPooled { return handOutToPool(now: now) }
        guard let queue = waiting[place], !queue.isEmpty else { return }
        guard isReady[place] == true else {
            if isReady[place] == nil {
                isReady[place] = false
                actions.append(.launch(place))
            }
            return
        }
        waiting[place] = nil
        for dispatchID in queue { begin(dispatchID, now: now) }
        dismissIfDone(place)
    }

    mutating func begin(_ dispatchID: Int64, now: Timestamp) {
        guard let attempt = attempts[dispatchID], case .waiting = attempt.phase else { return }
        let order: RunOrder
        do {
            order = try attempt.order(isTraced: settings.isTraced)
        } catch {
            return report(attempt, .failure(message: "its journal cannot be read: \(error)", retryable: false), now)
        }
        attempt.startedAt = now
        load[attempt.place, default: 0] += 1
        if attempt.place.isPooled { begun[attempt.place, default: 0] += 1 }
        if let intent = attempt.task.cancel {
            attempt.phase = .cancelling(intent)
            setDeadline(attempt, now + attempt.task.definition.killTimeout)
        } else {
            attempt.phase = .running
            if let left = attempt.task.executionLeft { setDeadline(attempt, now + left) }
        }
        note(attempt, AttemptWords.handOut(attempt.task), now)
        actions.append(.send(attempt.place, .run(order)))
    }

    // MARK: Messages

    mutating func receive(_ message: BundleMessage, from place: Place, now: Timestamp) {
        switch message {
        case .step(let dispatchID, let key, let payload, let keep, let began):
            guard let attempt = attempts[dispatchID], attempt.place == place, attempt.isInProcess else {
                return actions.append(.send(place, .refused(dispatchID: dispatchID)))
            }
            if case .abandoned = attempt.phase { return }
            turn.steps.append(
                StepRecord(
                    taskInstanceID: attempt.task.taskInstanceID, dispatchID: dispatchID, key: key, payload: payload,
                    keepAcrossRetries: keep, beganAt: began))
        case .deferred(let dispatchID, let key, let trigger, let timeout):
            guard let attempt = attempts[dispatchID], attempt.place == place, attempt.isInProcess else { return }
            guard case .running = attempt.phase else { return finish(attempt, .cancelled, now: now) }
            note(attempt, AttemptWords.wait(key, trigger, timeout), now)
            endQuietly(attempt)
            turn.deferrals.append(
                Deferral(
                    taskInstanceID: attempt.task.taskInstanceID, dispatchID: dispatchID, key: key, trigger: trigger,
                    timeout: timeout, ranFor: now - attempt.startedAt))
            leave(attempt)
            admitSuspects(now: now)
        case .result(let dispatchID, let outcome):
            guard let attempt = attempts[dispatchID], attempt.place == place, attempt.isInProcess else { return }
            finish(attempt, outcome, now: now)
        case .held(let dispatchID, let span):
            guard let attempt = attempts[dispatchID], attempt.place == place, attempt.isInProcess else { return }
            note(attempt, AttemptWords.held(span), now, isQuiet: false, level: .warning)
            actions.append(.held(attempt, span))
        case .log(let dispatchID, let lines):
            guard let attempt = attempts[dispatchID] else { return }
            say(attempt, lines)
        case .rendered(let dispatchID, let fields):
            guard let attempt = attempts[dispatchID], attempt.place == place, attempt.isInProcess,
                !attempt.hasRendered
            else { return }
            if case .abandoned = attempt.phase { return }
            attempt.hasRendered = true
            rendered.append(
                RenderedRecord(
                    taskInstanceID: attempt.task.taskInstanceID, dispatchID: dispatchID,
                    fields: fields.bounded.map { RenderedText(name: $0.name, text: $0.text) }))
        case .hello, .definition, .described, .source, .ticks, .lookUp, .trigger, .alive, .unknown, .unrecognized:
            break
        }
    }

    /// The code has ended; what is reported depends on what it was told before.
    mutating func finish(_ attempt: Attempt, _ outcome: AttemptOutcome, now: Timestamp) {
        switch attempt.phase {
        case .waiting, .over: return
        case .abandoned: drop(attempt)
        case .timedOut: report(attempt, AttemptWords.timeout(attempt.task), now)
        case .cancelling: report(attempt, .cancelled, now)
        case .running:
            switch outcome {
            case .success(let output, let items): report(attempt, .success(output: output, items: items), now)
            case .failure(let message, let retryable, let delay):
                report(attempt, .failure(message: message, retryable: retryable, retryAfter: delay), now)
            case .skipped(let message): report(attempt, .skipped(message: message), now)
            case .cancelled:
                let message = "the bundle says that it was cancelled, but nobody asked for that"
                report(attempt, .failure(message: message, retryable: true), now)
            }
        }
        admitSuspects(now: now)
    }

    // MARK: Ends

    mutating func report(_ attempt: Attempt, _ outcome: TaskReport.Outcome, _ now: Timestamp) {
        switch outcome {
        case .failure(let message, _, _): note(attempt, message, now, isQuiet: false, level: .error)
        case .skipped(let message): note(attempt, "skipped: \(message)", now, isQuiet: false)
        case .cancelled: note(attempt, "cancelled: the code has ended", now, isQuiet: false)
        case .success:
            note(attempt, "success", now)
            endQuietly(attempt)
        }
        let report = TaskReport(
            taskInstanceID: attempt.task.taskInstanceID, dispatchID: attempt.dispatchID, outcome: outcome)
        if settings.exchangesOutputs, case .success(let output, _) = outcome, OutputText.isMarked(output) {
            actions.append(.publish(report))
        } else {
            turn.reports.append(report)
        }
        leave(attempt)
    }

    /// What others have to find is there: the end of the dispatch can be told.
    mutating func published(_ report: TaskReport) {
        if attempts[report.dispatchID] != nil { turn.reports.append(report) }
    }

    mutating func requeue(_ attempt: Attempt, isSuspect: Bool) {
        if isSuspect { turn.suspects.append(attempt.reference) } else { turn.requeued.append(attempt.reference) }
        leave(attempt)
    }

    mutating func leave(_ attempt: Attempt) {
        guard !attempt.isOver else { return }
        let wasInProcess = attempt.isInProcess
        if wasInProcess { unload(attempt.place) }
        attempt.phase = .over
        setDeadline(attempt, nil)
        occupied -= 1
        release(attempt)
        if wasInProcess { dismissIfDone(attempt.place) }
    }

    mutating func drop(_ attempt: Attempt) {
        leave(attempt)
        attempts[attempt.dispatchID] = nil
    }

    // MARK: Log

    /// The attempt to which what a process prints belongs; nil where several run in it, or none.
    func speaker(in place: Place) -> Attempt? {
        var found: Attempt?
        for attempt in attempts.values where attempt.place == place && attempt.isInProcess {
            if found != nil { return nil }
            found = attempt
        }
        return found
    }

    /// Adds lines to an attempt's log, and before them what was only worth saying if there is more to say.
    mutating func say(_ attempt: Attempt, _ lines: [LogLine]) {
        let all = attempt.quietLines + lines
        attempt.quietLines = []
        actions.append(.log(attempt, all, .always(past: attempt.hasSpoken ? [] : attempt.past)))
        attempt.hasSpoken = true
    }

    /// A dispatch that had nothing to say leaves its lines in the log that an earlier one of the try may have begun.
    private mutating func endQuietly(_ attempt: Attempt) {
        guard !attempt.hasSpoken, attempt.hasPast else { return }
        actions.append(.log(attempt, attempt.quietLines, .ifThere))
        attempt.quietLines = []
    }

    mutating func note(
        _ attempt: Attempt, _ message: String, _ now: Timestamp, isQuiet: Bool = true, level: AttemptLogLevel = .info
    ) {
        let line = LogLine(at: now, level: level, message: message)
        if isQuiet, !attempt.hasSpoken { attempt.quietLines.append(line) } else { say(attempt, [line]) }
    }
}
