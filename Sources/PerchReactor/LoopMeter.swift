// SPDX-License-Identifier: Apache-2.0

/// Is told how a loop keeps up. Called on the loop's thread, at most twice a turn: it may not block.
///
/// A loop without one reads no clock for it.
public protocol LoopMeter: AnyObject, Sendable {
    /// A turn is over.
    /// - Parameters:
    ///   - microseconds: from the moment it had something to do until it had done it.
    ///   - commands: how many jobs and actions of other threads it has taken in.
    func turned(took microseconds: Int64, commands: Int)
    /// Timers were served, the first of them so late.
    func servedTimers(late microseconds: Int64)
}
