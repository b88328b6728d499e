// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import PerchSDK
internal import Synchronization

/// The engine's clock in a bundle process, where it is another one than the machine's: the time since the machine was started,
/// and what the engine says has to be added to that.
package final class UptimeClock: PerchClock {
    private struct State {
        var offset: Int64
        /// What was told already: the clock does not run back behind it.
        var told = Int64.min

        func now(_ uptime: Int64) -> Int64 { max(told, uptime &+ offset) }
    }

    private let uptime: @Sendable () -> Int64
    private let state: Mutex<State>

    /// One that was set back by more than this is followed back; else this one stands still meanwhile.
    private static let longestStand: Int64 = 1_000_000

    /// - Parameters:
    ///   - offset: The engine's instant less this machine's uptime, in microseconds.
    ///   - uptime: Microseconds since this machine was started, a suspend included.
    package init(offset: Int64, uptime: @escaping @Sendable () -> Int64 = UptimeClock.uptime) {
        self.uptime = uptime
        state = Mutex(State(offset: offset))
    }

    package var now: Timestamp { state.withLock { Timestamp(microseconds: $0.now(uptime())) } }

    /// The engine says that its clock goes on from elsewhere.
    func follow(offset: Int64) {
        state.withLock { state in
            let present = uptime()
            let told = state.now(present)
            state.offset = offset
            state.told = told &- (present &+ offset) > Self.longestStand ? .min : told
        }
    }

    package static let uptime: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_BOOTTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }
}
