// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import PerchSDK
internal import Synchronization

/// Tells what blocks on another thread to stop: a flag to look at, and a descriptor to sleep on beside others.
final class StopSignal: Sendable {
    private let flag = Atomic(false)
    /// Readable once it is raised.
    let descriptor: Int32

    /// - Throws: `PerchError` (`unavailable`) where the kernel gives no descriptor.
    init() throws(PerchError) {
        descriptor = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "no descriptor is left: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    var isRaised: Bool { flag.load(ordering: .relaxed) }

    func raise() {
        flag.store(true, ordering: .relaxed)
        var one: UInt64 = 1
        write(descriptor, &one, 8)
    }

    /// - Throws: `CancellationError` once it is raised.
    func check() throws { if isRaised { throw CancellationError() } }
}

/// A limit of time for calls that sleep in the kernel: readable when it is over.
final class Alarm {
    let descriptor: Int32

    /// - Throws: `PerchError` (`unavailable`) where the kernel gives no timer.
    init() throws(PerchError) {
        descriptor = timerfd_create(Int32(CLOCK_MONOTONIC), Int32(TFD_CLOEXEC) | Int32(TFD_NONBLOCK))
        guard descriptor >= 0 else {
            throw PerchError(.unavailable, "no timer is left: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Counts from now; nil: there is no limit.
    func set(_ duration: Duration?) {
        var value = itimerspec()
        if let duration {
            let (seconds, attoseconds) = max(duration, .nanoseconds(1)).components
            value.it_value = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
        }
        timerfd_settime(descriptor, 0, &value, nil)
    }
}

/// What a thread that sleeps is woken by.
struct Sleep {
    enum End { case ready, stopped, late }

    let stop: StopSignal
    let alarm: Alarm

    /// Sleeps until a descriptor is ready.
    func until(_ socket: Int32, _ events: Int32) -> End {
        while true {
            switch look(socket, events, -1) {
            case nil: continue
            case let end?: return end
            }
        }
    }

    /// Sleeps so long, unless it is to stop before; nil: it slept as long.
    func milliseconds(_ count: Int32) -> End? { look(-1, POLLIN, count) }

    /// Whether it is to stop now.
    func isOver() -> End? { look(-1, POLLIN, 0) }

    private func look(_ socket: Int32, _ events: Int32, _ milliseconds: Int32) -> End? {
        var watched = [
            pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: alarm.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(events), revents: 0),
        ]
        guard poll(&watched, 3, milliseconds) > 0 else { return nil }
        if watched[0].revents != 0 { return .stopped }
        // What is there already is taken, however late it is.
        if watched[2].revents != 0 { return .ready }
        return watched[1].revents != 0 ? .late : nil
    }
}
