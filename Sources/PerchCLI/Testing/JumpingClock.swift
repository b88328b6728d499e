// SPDX-License-Identifier: Apache-2.0

internal import PerchSDK
internal import Synchronization

/// The system's clock, and what it was moved forward by: so that nobody has to sit through a wait of thirty days.
final class JumpingClock: PerchClock {
    private let base = SystemClock()
    private let ahead = Atomic<Int64>(0)

    var now: Timestamp { base.now + TimeSpan(microseconds: ahead.load(ordering: .acquiring)) }

    /// Moves the clock forward to an instant. Gives how far that was; zero where the instant has passed.
    func jump(to instant: Timestamp) -> TimeSpan {
        let span = instant - now
        guard span.microseconds > 0 else { return TimeSpan(microseconds: 0) }
        ahead.add(span.microseconds, ordering: .acquiringAndReleasing)
        return span
    }
}
