// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

extension ExecutorCore {
    // MARK: Cancels and deadlines

    mutating func cancel(_ order: CancelOrder, now: Timestamp) {
        guard let attempt = attempts[order.dispatchID] else { return }
        switch attempt.phase {
        case .running:
            attempt.phase = .cancelling(order.intent)
            setDeadline(attempt, now + attempt.task.definition.killTimeout)
            note(attempt, AttemptWords.cancel(order.intent), now, isQuiet: false)
            actions.append(
                .send(
                    attempt.place,
                    .cancel(dispatchID: order.dispatchID, CancelNotice(order.intent), isLast: false)))
        case .waiting:
            // Its code has not begun in this dispatch: it goes back, and comes again only where there is clean-up to do.
            waiting[attempt.place]?.removeAll { $0 == order.dispatchID }
            requeue(attempt, isSuspect: false)
        case .cancelling, .timedOut, .abandoned, .over: break
        }
    }

    /// The earliest instant at which `passTime` has something to do.
    var nextDeadline: Timestamp? {
        let admission = nextAdmission.map { [$0] } ?? []
        return (timed.compactMap { attempts[$0]?.deadline } + admission).min()
    }

    /// Does what is due: execution timeouts, the end of a clean-up's time, the end of a process that does not obey.
    mutating func passTime(now: Timestamp) {
        admitSuspects(now: now)
        for dispatchID in timed.sorted() {
            guard let attempt = attempts[dispatchID], let deadline = attempt.deadline, deadline <= now else { continue }
            if case .running = attempt.phase {
                attempt.phase = .timedOut
                setDeadline(attempt, now + attempt.task.definition.killTimeout)
                note(attempt, AttemptWords.timeoutLine(attempt.task), now, isQuiet: false)
                let notice = CancelNotice(finalState: TaskState.failed.rawValue, reason: "timeout", by: "perch")
                actions.append(.send(attempt.place, .cancel(dispatchID: dispatchID, notice, isLast: false)))
            } else if !attempt.isLastCall {
                attempt.isLastCall = true
                setDeadline(attempt, now + settings.killGrace)
                let notice = CancelNotice(finalState: TaskState.failed.rawValue, reason: "kill_timeout", by: "perch")
                actions.append(.send(attempt.place, .cancel(dispatchID: dispatchID, notice, isLast: true)))
            } else {
                setDeadline(attempt, nil)
                note(attempt, AttemptWords.killed, now, isQuiet: false)
                if offenders[attempt.place] == nil { actions.append(.kill(attempt.place)) }
                offenders[attempt.place, default: []].insert(dispatchID)
            }
        }
    }

    mutating func abandon(_ attempt: Attempt, now: Timestamp) {
        if case .abandoned = attempt.phase { return }
        attempt.phase = .abandoned
        attempt.isLastCall = true
        setDeadline(attempt, now + settings.killGrace)
        note(
            attempt, "this dispatch is not the current one of the task any more: its code is stopped", now,
            isQuiet: false)
        actions.append(.send(attempt.place, .refused(dispatchID: attempt.dispatchID)))
    }

    mutating func setDeadline(_ attempt: Attempt, _ deadline: Timestamp?) {
        attempt.deadline = deadline
        if deadline == nil { timed.remove(attempt.dispatchID) } else { timed.insert(attempt.dispatchID) }
    }
}
