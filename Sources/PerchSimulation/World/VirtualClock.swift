// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// The world's wall clock as a process asks for it; a dead process has a time of its own.
///
/// Unchecked, because a simulation runs on one thread.
package final class VirtualClock: PerchClock, @unchecked Sendable {
    private let world: World
    private let process: ProcessLife?

    /// The clock of a world, for one of its processes where it is that which asks.
    package init(_ world: World, process: ProcessLife? = nil) {
        self.world = world
        self.process = process
    }

    package var now: Timestamp { Timestamp(microseconds: process?.timeAfterDeath ?? world.now) }
}
