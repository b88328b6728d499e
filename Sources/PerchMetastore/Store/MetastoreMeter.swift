// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// Is told what was committed, once a group, on the writer's thread: after the COMMIT has returned and before anybody is
/// answered. It may not block.
package protocol MetastoreMeter: Sendable {
    /// Microseconds that only grow, for measuring how long a commit takes.
    var uptime: Int64 { get }
    /// Whether it wants to be told of each thing that has ended, and not of numbers alone.
    var wantsEnds: Bool { get }
    /// A group is durable.
    /// - Parameters:
    ///   - members: how many transactions it held, those that were rolled back alone not counted.
    ///   - took: microseconds from BEGIN until COMMIT had returned.
    ///   - tally: what they changed.
    ///   - now: the wall clock.
    func committed(members: Int, took: Int64, _ tally: TransactionTally, now: Timestamp)
    /// A group was lost as a whole.
    func commitFailed()
}

extension MetastoreMeter {
    package var wantsEnds: Bool { false }
}
