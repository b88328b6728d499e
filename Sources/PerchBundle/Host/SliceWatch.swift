// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchSDK

/// Tells of slices of code that hold their thread for too long.
///
/// Only what its own thread observed counts, so that a process that was stopped for a while, or a machine that slept,
/// accuses nobody. That thread is started with the first slice and sleeps while there is none.
// The state is only touched under the mutex; mutex and condition never move.
final class SliceWatch: @unchecked Sendable {
    private struct Slice {
        var budget: Int64
        var seen: Int64 = 0
        /// When it is told next; nil: it was told, and that was enough.
        var next: Int64?
        var isToldAgain: Bool
        var onHeld: @Sendable (TimeSpan) -> Void
    }

    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let wanted = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var slices: [UInt64: Slice] = [:]
    private var last: UInt64 = 0
    private var hasThread = false
    private var isIdle = false
    private var isOver = false

    init() {
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(wanted, &attributes)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        pthread_cond_destroy(wanted)
        mutex.deallocate()
        wanted.deallocate()
    }

    /// A slice begins.
    ///
    /// - Parameter again: Whether it is told once more when it has lasted six times as long, and so on.
    func begin(budget: TimeSpan, again: Bool = false, onHeld: @escaping @Sendable (TimeSpan) -> Void) -> UInt64 {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        last += 1
        slices[last] = Slice(
            budget: budget.microseconds, next: budget.microseconds, isToldAgain: again, onHeld: onHeld)
        if !hasThread {
            hasThread = true
            HostThread.start { self.look() }
        } else if isIdle {
            pthread_cond_signal(wanted)
        }
        return last
    }

    func end(_ slice: UInt64) {
        pthread_mutex_lock(mutex)
        slices[slice] = nil
        pthread_mutex_unlock(mutex)
    }

    /// Ends the thread.
    func shutDown() {
        pthread_mutex_lock(mutex)
        isOver = true
        pthread_cond_signal(wanted)
        pthread_mutex_unlock(mutex)
    }

    private func look() {
        pthread_mutex_lock(mutex)
        while !isOver {
            guard let least = slices.values.map(\.budget).min() else {
                isIdle = true
                pthread_cond_wait(wanted, mutex)
                isIdle = false
                continue
            }
            let period = max(1_000, least / 4)
            var limit = timespec()
            clock_gettime(CLOCK_MONOTONIC, &limit)
            let sum = Int64(limit.tv_nsec) + period * 1_000
            limit.tv_sec += Int(sum / 1_000_000_000)
            limit.tv_nsec = Int(sum % 1_000_000_000)
            // Those that are running now; what begins meanwhile is looked at from the next turn on.
            let running = slices.keys.sorted()
            while !isOver, pthread_cond_timedwait(wanted, mutex, &limit) != ETIMEDOUT {}
            var held: [(@Sendable (TimeSpan) -> Void, TimeSpan)] = []
            for number in running {
                guard var slice = slices[number], let next = slice.next else { continue }
                slice.seen += period
                if slice.seen >= next {
                    slice.next = slice.isToldAgain ? next.multipliedReportingOverflow(by: 6).partialValue : nil
                    held.append((slice.onHeld, TimeSpan(microseconds: slice.seen)))
                }
                slices[number] = slice
            }
            pthread_mutex_unlock(mutex)
            for (tell, span) in held { tell(span) }
            pthread_mutex_lock(mutex)
        }
        pthread_mutex_unlock(mutex)
    }
}
