// SPDX-License-Identifier: Apache-2.0

/// What can happen on a descriptor.
public struct Readiness: OptionSet, Sendable, Hashable {
    public var rawValue: UInt8

    /// A set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let read = Readiness(rawValue: 1)
    public static let write = Readiness(rawValue: 2)
    /// The other side is gone or the descriptor is broken; always reported, never asked for.
    public static let hangUp = Readiness(rawValue: 4)
}

/// Names one timer of a loop; never reused.
public struct LoopTimer: Sendable, Hashable {
    public var number: UInt64

    /// A timer by its number; for loops.
    public init(number: UInt64) { self.number = number }
}

/// One thread's loop of timers and descriptors, as code on that thread sees it. Everything here is to be called on the
/// loop's own thread, and every callback runs there. The simulation has another one.
///
/// Instants are microseconds since the epoch, UTC.
public protocol EventLoop: AnyObject {
    /// The wall clock.
    var now: Int64 { get }
    /// What this machine's own clock shows, with which it stamps its files. The wall clock of a loop may be another's.
    var machineTime: Int64 { get }
    /// Microseconds that only grow and never jump, for measuring how long something took.
    var uptime: Int64 { get }
    /// Calls back once at the instant, or as soon after as the loop gets to it; an instant in the past means the next turn.
    func schedule(at instant: Int64, _ action: @escaping () -> Void) -> LoopTimer
    /// Takes a timer back; one that has run is ignored.
    func cancel(_ timer: LoopTimer)
    /// Watches a descriptor, level-triggered, until `unwatch`. Watching a watched one replaces interest and callback.
    /// - Throws: `ReactorError` where the kernel refuses the descriptor.
    func watch(_ descriptor: Int32, for interest: Readiness, _ action: @escaping (Readiness) -> Void) throws
    /// Watches no longer; to be called before the descriptor is closed.
    func unwatch(_ descriptor: Int32)
    /// Runs an action in the next turn.
    func enqueue(_ action: @escaping () -> Void)
    /// A random number in a range, from the injected generator.
    func random(in range: ClosedRange<Int64>) -> Int64
}

extension EventLoop {
    /// The clock itself, where it never jumps by itself: in simulations.
    public var uptime: Int64 { now }

    /// The clock itself, where it is that of the machine.
    public var machineTime: Int64 { now }
}
