// SPDX-License-Identifier: Apache-2.0

/// How a probe ended, for figures: few enough to be a label.
package enum ProbeResult: String, CaseIterable, Sendable {
    /// At least one waiter has what it waits for.
    case met
    /// There was an answer; nobody waits for that one.
    case unmet
    /// There was no answer, or none that could be looked at.
    case failed
}

/// Is told of every probe of one kind of wait. Called on the source's thread: it may not block.
package protocol ProbeMeter: AnyObject, Sendable {
    /// A probe is over, so many microseconds after it was begun.
    func probed(took microseconds: Int64, _ result: ProbeResult)
}
