// SPDX-License-Identifier: Apache-2.0

public import PerchSDK

/// How the scheduler works; the defaults suit every size.
public struct SchedulerConfiguration: Sendable {
    /// How often it looks although nothing called it: the most that a lost doorbell costs.
    public var slowPoll = TimeSpan.seconds(30)
    /// How long it counts as alive, in the table of processes, without renewing; it renews three times as often.
    public var lease = TimeSpan.seconds(90)
    /// How long finished runs are kept; nil, the default, keeps them for ever.
    public var keepRuns: TimeSpan?
    /// How long external events are kept.
    public var keepEvents = TimeSpan.seconds(7 * 86_400)
    /// How long it is kept who has changed what.
    public var keepAudit = TimeSpan.seconds(365 * 86_400)
    /// How often what is kept no longer is removed.
    public var cleanEvery = TimeSpan.seconds(3_600)
    /// How long no triggerer has to serve a queue before overdue waits of it are timed out without one. At least as long
    /// as a triggerer's lease.
    public var unwatchedGrace = TimeSpan.seconds(30)
    /// How many DAGs are scheduled in one transaction.
    public var dagsPerTransaction = 500
    /// How many runs are created in one transaction.
    public var runsPerTransaction = 1_000
    /// How many row changes one transaction makes when it starts runs; fewer where they take long.
    public var rowsPerTransaction = 5_000

    /// The defaults.
    public init() {}
}
