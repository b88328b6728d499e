// SPDX-License-Identifier: Apache-2.0

package import PerchSDK

/// The world's wall clock as the engine asks for it.
///
/// Unchecked, because a simulation runs on one thread.
package final class VirtualClock: PerchClock, @unchecked Sendable {
    private let world: World

    /// The clock of a world.
    package init(_ world: World) {
        self.world = world
    }

    package var now: Timestamp { Timestamp(microseconds: world.now) }
}
