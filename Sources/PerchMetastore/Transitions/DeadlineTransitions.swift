// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// Where a wait's deadline is moved to.
public enum DeadlineMove: Sendable, Hashable {
    /// So much later than it is.
    case by(TimeSpan)
    /// To an instant.
    case to(Timestamp)
    /// Away: the wait has none any more.
    case away
}

/// What became of a deadline that was moved.
public struct MovedDeadline: Sendable, Hashable {
    /// The wait as it was.
    public var wait: WaitRow
    public var deadline: Timestamp?
    /// Whether the deadline of the task comes before the one that was asked for, and stands instead of it.
    public var isBoundedByTask: Bool
}

extension Transaction {
    /// Moves the deadline of a wait that is still there, and leaves the triggerer a note. The deadline of its task stays.
    ///
    /// A wait whose deadline has passed is still there until its timeout is stored; it can be moved until then.
    /// - Throws: `notFound` where the wait has ended, `invalid` where there is nothing to move or the new deadline has
    ///   passed.
    public func moveDeadline(of waitID: Int64, _ move: DeadlineMove) throws -> MovedDeadline {
        guard let wait = try wait(waitID) else {
            throw PerchError(.notFound, "wait \(waitID) has ended: its deadline cannot be moved any more")
        }
        let asked: Timestamp?
        switch move {
        case .by(let span):
            guard let deadline = wait.deadline else {
                throw PerchError(
                    .invalid, "wait \(waitID) has no deadline that could be moved by \(span): name an instant instead")
            }
            asked = deadline + span
            guard let asked, asked > now else {
                throw PerchError(
                    .invalid,
                    "the deadline of wait \(waitID) was \(deadline), and \(span) later is past already: name an instant "
                        + "after \(now), or more than \(now - deadline)")
            }
        case .to(let instant):
            guard instant > now else {
                throw PerchError(.invalid, "\(instant) is past already: name an instant after \(now)")
            }
            asked = instant
        case .away: asked = nil
        }
        let bound = try taskDeadline(wait.taskInstanceID)
        let deadline = earliest(asked, bound)
        if let deadline, deadline <= now {
            throw PerchError(
                .invalid,
                "the deadline of the task of wait \(waitID), \(deadline), has passed: the wait cannot outlast it")
        }
        try run("UPDATE wait SET deadline = :2 WHERE wait_id = :1", waitID, deadline)
        try noteChange(of: waitID, queue: wait.queue, shard: wait.shard)
        return MovedDeadline(wait: wait, deadline: deadline, isBoundedByTask: deadline != asked)
    }

    private func taskDeadline(_ taskInstanceID: Int64) throws -> Timestamp? {
        try number("SELECT task_deadline FROM task_instance WHERE ti_id = :1", taskInstanceID)
            .map { Timestamp(microseconds: $0) }
    }
}
