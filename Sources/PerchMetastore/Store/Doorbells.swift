// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What somebody should look at in the metastore. Carries no content: losing one costs a slow poll period at most.
public struct DoorbellSet: OptionSet, Sendable, Hashable {
    public var rawValue: UInt16

    /// A set from its bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// Runs were created, DAGs stored or unpaused, retries set: the scheduler looks.
    public static let runs = DoorbellSet(rawValue: 1)
    /// Tasks were queued: executors look.
    public static let queue = DoorbellSet(rawValue: 2)
    /// Running tasks are to be cancelled: executors look.
    public static let cancels = DoorbellSet(rawValue: 4)
    /// Waits were registered, or removed or changed by somebody else than their owner: triggerers look.
    public static let waits = DoorbellSet(rawValue: 8)
    /// The inbox grew: triggerers look.
    public static let events = DoorbellSet(rawValue: 16)
    /// A run or a task ended: whoever waits for it looks.
    public static let finished = DoorbellSet(rawValue: 32)
    /// Triggerers or workers came or went, or shards are asked for or free: triggerers and workers look.
    public static let owners = DoorbellSet(rawValue: 64)
    /// A process of the home came or went: every process looks whom it can reach.
    static let neighbours = DoorbellSet(rawValue: 128)
    /// Waits that code of a bundle watches for came or went: workers look.
    public static let hosted = DoorbellSet(rawValue: 256)
    /// Ticks of timetables in code are wanted: workers ask their bundle.
    public static let timetables = DoorbellSet(rawValue: 512)
    /// A bundle was deployed, rolled back or removed, or has given DAGs up: workers look what they are to start now, and which
    /// DAGs are theirs.
    public static let bundles = DoorbellSet(rawValue: 1_024)
    /// Tasks of other bundles than the default one were queued: their executors look.
    public static let bundleQueues = DoorbellSet(rawValue: 2_048)
}

/// The doorbells of one process. A transaction rings those of its doings after its COMMIT has returned.
public final class Doorbells: Sendable {
    private struct Subscriber: Sendable {
        var interests: DoorbellSet
        var callback: @Sendable (DoorbellSet) -> Void
    }

    private let subscribers = Mutex<[Subscriber]>([])

    /// Doorbells that nobody hears yet.
    public init() {}

    /// Calls `callback` whenever one of `interests` rings, on the ringing thread: it must only pass the signal on.
    public func subscribe(_ interests: DoorbellSet, _ callback: @escaping @Sendable (DoorbellSet) -> Void) {
        subscribers.withLock { $0.append(Subscriber(interests: interests, callback: callback)) }
    }

    /// Rings.
    public func ring(_ bells: DoorbellSet) {
        guard !bells.isEmpty else { return }
        let heard = subscribers.withLock { $0 }
        for subscriber in heard {
            let common = subscriber.interests.intersection(bells)
            if !common.isEmpty { subscriber.callback(common) }
        }
    }
}
