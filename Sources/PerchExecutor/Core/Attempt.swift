// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK

/// Which bundle process runs an attempt, or triggers.
enum Place: Sendable, Hashable, Comparable {
    /// One of those for everything that is under no suspicion, counted from 0 on.
    case pooled(Int)
    /// One for an attempt that was in a process that died with several: it has it for itself.
    case quarantine(dispatchID: Int64)
    /// One for an attempt whose task asks for a process of its own.
    case isolated(dispatchID: Int64)
    /// One of an older version of the bundle, for attempts of runs that go on with it.
    case pinned(version: String)
    /// One that runs triggers, and no task.
    case hosting(group: Int)
    /// One that is coming up to take the place of one of the pool.
    case successor(of: Int)
    /// One that was of the pool: it ends what it has begun, and is given nothing more.
    case outgoing(number: Int)

    /// The first of the pool: it is asked for what only the code knows.
    static var main: Place { .pooled(0) }

    var isPooled: Bool { if case .pooled = self { true } else { false } }
    var isQuarantine: Bool { if case .quarantine = self { true } else { false } }
    /// Whether it is there for one attempt.
    var isForOne: Bool {
        switch self {
        case .quarantine, .isolated: true
        case .pooled, .pinned, .hosting, .successor, .outgoing: false
        }
    }
}

/// One dispatch that this worker holds.
final class Attempt {
    enum Phase {
        /// Claimed, but its process is not ready, or it stands in the line of the suspects.
        case waiting
        case running
        /// Told to stop; the intended state is recorded at its end.
        case cancelling(CancelIntent)
        /// Told to stop because its execution timeout is over.
        case timedOut
        /// The metastore has given it to another: its code is to stop, nothing is reported.
        case abandoned
        /// Its end is on the way to the metastore.
        case over
    }

    let task: ClaimedTask
    /// The main one while it waits for any of the pool; changes, too, where its process is succeeded by another.
    var place: Place
    var phase = Phase.waiting
    var startedAt: Timestamp
    /// When the next thing has to be done about it: its time is over, its clean-up's time is over, its process has to
    /// go.
    var deadline: Timestamp?
    /// The last warning was given: at the deadline its process is ended.
    var isLastCall = false
    /// Lines that only matter where something else is said, too.
    var quietLines: [LogLine] = []
    /// Whether its log has lines of this dispatch.
    var hasSpoken = false
    /// Whether it was said what its templates have become.
    var hasRendered = false
    /// Whether what it is given is looked for.
    var isFetching = false

    init(task: ClaimedTask, place: Place, now: Timestamp) {
        self.task = task
        self.place = place
        startedAt = now
    }

    /// Whether earlier dispatches of the try ended in waits.
    var hasPast: Bool { task.journal.contains { $0.kind == .wait } }

    /// What earlier dispatches of the try would have said, where they began no log.
    var past: [LogLine] {
        (try? AttemptPast.lines(task.journal)) ?? []  // because a broken journal fails the attempt, and says so
    }

    /// What it is given and lies in files.
    var storedInputs: [String] {
        let element = task.mapElement.map { [$0] } ?? []
        return (task.inputs + element).filter(OutputText.isMarked)
    }

    var dispatchID: Int64 { task.dispatchID }
    var reference: DispatchReference {
        DispatchReference(taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID)
    }

    /// The try as logs know it.
    var loggedTry: LoggedTry {
        LoggedTry(
            log: LogID(taskInstanceID: task.taskInstanceID, tryNumber: task.tryNumber), key: task.key,
            hasPast: hasPast)
    }

    /// Whether its code may be running in a bundle process.
    var isInProcess: Bool {
        switch phase {
        case .running, .cancelling, .timedOut, .abandoned: true
        case .waiting, .over: false
        }
    }

    var isOver: Bool { if case .over = phase { true } else { false } }

    /// What the bundle is told about it.
    ///
    /// - Parameter isTraced: Whether the try has a span of its own, under which its code goes on.
    func order(isTraced: Bool) throws -> RunOrder {
        let run = task.run
        var facts = AttemptFacts(
            dagID: task.key.dagID, runID: task.key.runID, taskID: task.key.taskID, mapIndex: task.key.mapIndex,
            tryNumber: task.tryNumber, logicalDate: run.logicalDate, dataIntervalStart: run.dataIntervalStart,
            dataIntervalEnd: run.dataIntervalEnd, params: run.params, runType: run.type)
        facts.traceparent = run.traceparent
        if isTraced {
            let trace = run.trace
            facts.traceparent = trace.traceparent(
                under: trace.attempt(
                    taskID: facts.taskID, mapIndex: facts.mapIndex, tryNumber: facts.tryNumber))
        }
        return RunOrder(
            dispatchID: task.dispatchID, taskInstanceID: task.taskInstanceID, taskIndex: task.taskIndex, facts: facts,
            journal: try task.journal.map { try RecordedEntry($0) }, inputs: task.inputs, mapElement: task.mapElement,
            cancel: task.cancel.map { CancelNotice($0) })
    }
}

extension CancelNotice {
    init(_ intent: CancelIntent) {
        self.init(finalState: intent.finalState.rawValue, reason: intent.reason, by: intent.by)
    }
}

extension RecordedEntry {
    init(_ entry: JournalEntry) throws {
        self.init(key: entry.key, kind: entry.kind == .step ? .step : .wait, payload: entry.payload)
        isKept = entry.isKept
        guard let text = entry.outcome else { return }
        switch try WaitOutcome(json: JSONValue(parsingEnvelope: text)) {
        case .event(let payload): outcome = .event(payload: payload.text)
        case .timeout: outcome = .timeout
        case .cancelled(let intent): outcome = .cancelled(CancelNotice(intent))
        case .broken(let message): outcome = .broken(message: message)
        }
    }
}
