// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

extension ExecutorCore {
    // MARK: Processes

    /// A process is there and has said hello.
    mutating func ready(_ place: Place, version: String? = nil, now: Timestamp) {
        isReady[place] = true
        if place.isPooled {
            begun[place] = 0
            versions[place] = version
        }
        if !isWanted(place) {
            // Its attempt was cancelled while the process came up.
            isReady[place] = nil
            return actions.append(.retire(place))
        }
        handOut(place, now: now)
    }

    /// A process is wanted or being started, and nothing can be told to it yet.
    mutating func unready(_ place: Place) {
        isReady[place] = false
    }

    /// A process has ended. Whose fault it was: of those that it was ended for; else of the only attempt in it; else
    /// nobody knows, and all of them run again, each in a process of its own.
    mutating func died(_ place: Place, _ death: Death, now: Timestamp) {
        let blamed = offenders.removeValue(forKey: place)
        isReady[place] = nil
        let lost = attempts.values.filter { $0.place == place && $0.isInProcess }
            .sorted { $0.dispatchID < $1.dispatchID }
        let hasOneCulprit = blamed == nil && lost.count == 1
        for attempt in lost {
            if case .abandoned = attempt.phase {
                drop(attempt)
            } else if hasOneCulprit || blamed?.contains(attempt.dispatchID) == true {
                note(attempt, "the bundle process \(death.words)", now, isQuiet: false, level: .error)
                switch attempt.phase {
                case .cancelling: report(attempt, .cancelled, now)
                case .timedOut: report(attempt, AttemptWords.timeout(attempt.task), now)
                default: report(attempt, AttemptWords.crash(death), now)
                }
            } else {
                let words = blamed == nil ? AttemptWords.crashOfMany(death, lost.count) : AttemptWords.endedForOther
                note(attempt, words, now, isQuiet: false, level: .warning)
                requeue(attempt, isSuspect: blamed == nil)
            }
        }
        if place.isPooled {
            isReady[place] = false
            actions.append(.launch(place))
        }
        admitSuspects(now: now)
    }

    /// Another process has taken a place in the pool: the one before ends what it has begun, and what begins there begins
    /// in the new one.
    mutating func succeed(
        _ place: Place = .main, number: Int, version: String? = nil, now: Timestamp
    ) {
        let old = Place.outgoing(number: number)
        for attempt in attempts.values where attempt.place == place && attempt.isInProcess { attempt.place = old }
        load[old] = load.removeValue(forKey: place)
        if let blamed = offenders.removeValue(forKey: place) { offenders[old] = blamed }
        isReady[old] = true
        ready(place, version: version, now: now)
        dismissIfDone(old)
    }

    /// Lets an outgoing process go once nothing runs in it, and one of an older version once nothing is there for it.
    mutating func dismissIfDone(_ place: Place) {
        if case .pinned = place, isReady[place] == true, !isRunning(in: place), !isWanted(place) {
            isReady[place] = nil
            return actions.append(.retire(place))
        }
        guard case .outgoing = place, isReady[place] == true, !isRunning(in: place) else { return }
        isReady[place] = nil
        actions.append(.dismiss(place))
    }

    /// Gives everything back that is still held, for a worker that stops.
    mutating func giveBack(now: Timestamp) {
        for attempt in attempts.values.sorted(by: { $0.dispatchID < $1.dispatchID }) where !attempt.isOver {
            if case .abandoned = attempt.phase {
                drop(attempt)
            } else {
                note(attempt, "the worker stops: the task is queued again", now)
                requeue(attempt, isSuspect: false)
            }
        }
        waiting = [:]
        suspectLine = []
    }

    /// Forgets everything: its dispatches belong to another worker now.
    mutating func forgetAll() {
        attempts = [:]
        timed = []
        waiting = [:]
        offenders = [:]
        suspectLine = []
        admitted = [:]
        occupied = 0
        begun = [:]
        load = [:]
        versions = [:]
        turn = Turn()
        rendered = []
        isReady = [:]
    }
}
