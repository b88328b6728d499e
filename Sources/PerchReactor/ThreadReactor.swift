// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
internal import Synchronization

/// The reactor of production: a thread of its own around an `EpollLoop`. It sleeps in the kernel until a timer, a
/// descriptor or a submission wakes it.
public final class ThreadReactor: Reactor {
    /// The name of its thread.
    public let name: String

    private let mailbox: Mailbox
    // The loop's state is touched by the reactor's thread alone, from `start()` on; `loop` checks that.
    private nonisolated(unsafe) let epoll: EpollLoop
    private enum Life: Sendable {
        case new
        case running(pthread_t)
        case stopped
    }

    private let life = Mutex(Life.new)
    private let threadID = Atomic<Int32>(0)

    /// The system's wall clock, in microseconds since the epoch.
    public static let wallClock: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// Microseconds since the machine was started, which no change of the wall clock moves.
    public static let monotonicClock: @Sendable () -> Int64 = {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000
    }

    /// A reactor whose thread does not run yet.
    ///
    /// - Parameters:
    ///   - name: the thread's name; the kernel keeps 15 bytes.
    ///   - now: the wall clock, in microseconds since the epoch, UTC. With another clock than the system's, timers run
    ///     by that clock as long as it goes at the system's pace; after it was moved, any submission makes the loop look.
    ///   - machineTime: the clock with which this machine stamps its files, where that is another one.
    ///   - uptime: measures how long something took; in microseconds.
    ///   - seed: makes the loop's random numbers repeatable.
    ///   - meter: is told how the loop keeps up.
    /// - Throws: `ReactorError` where the kernel gives no more descriptors.
    public init(
        name: String, now: @escaping @Sendable () -> Int64 = ThreadReactor.wallClock,
        machineTime: (@Sendable () -> Int64)? = nil,
        uptime: @escaping @Sendable () -> Int64 = ThreadReactor.monotonicClock, seed: UInt64? = nil,
        meter: (any LoopMeter)? = nil
    ) throws {
        self.name = name
        mailbox = try Mailbox()
        epoll = try EpollLoop(
            mailbox: mailbox, now: now, machineTime: machineTime ?? now, uptime: uptime, seed: seed, meter: meter)
    }

    /// Starts the thread. To be called once.
    public func start() {
        life.withLock { life in
            guard case .new = life else { preconditionFailure("the reactor \(name) was started already") }
            var handle = pthread_t()
            let box = Unmanaged.passRetained(self)
            let result = pthread_create(&handle, nil, ThreadReactor.threadMain, box.toOpaque())
            precondition(result == 0, "no thread for \(name): \(ReactorError.text(of: result))")
            life = .running(handle)
        }
    }

    private static let threadMain: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let reactor = Unmanaged<ThreadReactor>.fromOpaque(argument).takeRetainedValue()
        clinux_name_thread(reactor.name)
        reactor.threadID.store(clinux_thread_id(), ordering: .releasing)
        reactor.epoll.run { job in
            job.runSynchronously(
                isolatedTo: reactor.asUnownedSerialExecutor(), taskExecutor: reactor.asUnownedTaskExecutor())
        }
        reactor.threadID.store(0, ordering: .releasing)
        return nil
    }

    /// Ends the thread after what was submitted before, waits for its end and closes the loop's descriptors. Callbacks
    /// that still wait are dropped. To be called from another thread; more than once does no harm.
    ///
    /// What is submitted or enqueued afterwards never runs: stop the actors on it first.
    public func stop() {
        precondition(!isCurrent, "the reactor \(name) cannot be stopped from its own thread")
        let before = life.withLock { life in
            defer { life = .stopped }
            return life
        }
        switch before {
        case .new: break
        case .running(let handle):
            mailbox.close()
            pthread_join(handle, nil)
        case .stopped: return
        }
        epoll.shutDown()
        mailbox.shutDown()
    }

    /// How many turns the loop has made; on its own thread, for tests of its quiet.
    var turns: Int { epoll.turns }

    /// The loop, for code on the reactor's thread.
    public var loop: any EventLoop {
        precondition(isCurrent, "the loop of \(name) belongs to its own thread")
        return epoll
    }

    /// Whether the caller is on the reactor's thread.
    public var isCurrent: Bool {
        threadID.load(ordering: .acquiring) == clinux_thread_id()
    }

    /// Runs an action on the reactor's thread, in the order of submission. From any thread; a burst wakes the thread once.
    public func submit(_ action: @escaping @Sendable () -> Void) {
        mailbox.put(.action(action))
    }

    /// Takes a job of an actor or task that runs here.
    public func enqueue(_ job: consuming ExecutorJob) {
        mailbox.put(.job(UnownedJob(job)))
    }

    /// This executor, as actors hold it.
    public func asUnownedSerialExecutor() -> UnownedSerialExecutor {
        UnownedSerialExecutor(ordinary: self)
    }

    /// Traps where the caller is not on the reactor's thread.
    public func checkIsolated() {
        precondition(isCurrent, "not on the thread of \(name)")
    }

    /// Whether the caller is on the reactor's thread, as `assumeIsolated` asks it.
    public func isIsolatingCurrentContext() -> Bool? {
        isCurrent
    }
}
