// SPDX-License-Identifier: Apache-2.0

internal import PerchBundle
internal import PerchMetastore
internal import PerchSDK

/// One wait whose trigger this worker hosts.
final class HostedTrigger {
    enum Phase {
        /// To be run when its time has come.
        case pausing
        /// Stands in the line of those that run alone.
        case inLine
        /// Its process is coming up.
        case waiting
        case running(run: Int64, since: Timestamp)
        /// Its end is on the way to the metastore.
        case over
    }

    let wait: WaitRow
    /// What the log of the try begins with, where the trigger is the first to say something.
    let past: [LogLine]
    /// Whether there is something in the log of the try by it.
    var hasSpoken = false
    var phase = Phase.pausing
    var failures: Int
    var offences: Int
    /// How often the bundle did not know its kind.
    var misses = 0
    var progress: JSONValue?
    /// The process that it runs in, or is to.
    var group: Int?
    /// The numbers of its sleeps.
    var sleeps: Set<Int64> = []

    init(_ hosted: HostedWait) {
        wait = hosted.wait
        past = (try? AttemptPast.lines(hosted.journal)) ?? []  // because such a journal fails the attempt that resumes
        failures = hosted.failures
        offences = hosted.offences
    }

    var loggedTry: LoggedTry {
        LoggedTry(
            log: LogID(taskInstanceID: wait.taskInstanceID, tryNumber: wait.tryNumber), key: wait.key,
            hasPast: hasSpoken)
    }

    var name: String { HostedKind.name(of: wait.kind) }

    var run: Int64? { if case .running(let run, _) = phase { run } else { nil } }
}

/// What is to be done about a hosted trigger at an instant; a place in the heap of timers.
struct HostedTimer: Hashable, Comparable {
    enum Kind: Int { case pause, sleep, suspicion, idle }

    var kind: Kind
    /// A wait's id, or a group.
    var subject: Int64
    var number: Int64 = 0
    var run: Int64 = 0

    static func < (left: HostedTimer, right: HostedTimer) -> Bool {
        (left.kind.rawValue, left.subject, left.run, left.number)
            < (right.kind.rawValue, right.subject, right.run, right.number)
    }
}
