// SPDX-License-Identifier: Apache-2.0

public import PerchMetastore
public import PerchSDK

/// How the triggerer works; the defaults suit every size.
public struct TriggererConfiguration: Sendable {
    /// Which waits it watches, and how many it is meant for.
    public var terms = TriggererTerms()
    /// How long the waits stay this triggerer's after it was last heard of.
    public var lease = TimeSpan.seconds(30)
    /// How often it says that it is alive; less than a third of the lease leaves room for two that fail.
    public var renewEvery = TimeSpan.seconds(10)
    /// How often it looks although nothing called it: the most that a lost doorbell costs.
    public var slowPoll = TimeSpan.seconds(30)
    /// How long an overdue timeout waits for the last probe after an outage.
    public var overdueProbe = TimeSpan.seconds(15)
    /// How often the state of a probe is stored while its answer stays of the same class.
    public var probeEvery = TimeSpan.seconds(9)
    /// How long the states of probes are gathered before they are stored.
    public var probeDelay = TimeSpan(microseconds: 250_000)
    /// How many waits are read at once.
    public var waitsPerRead = 10_000
    /// How many fires one transaction commits. In a burst these transactions take turns with those that run what was fired:
    /// fewer at once let the burst take longer, more hold everybody else up.
    public var firesPerCommit = 3_000
    /// How many events are read at once, and how many looks back are made with them.
    public var eventsPerRead = 2_000

    /// The defaults.
    public init() {}
}
