// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// The event loop of a `Reactor`: one epoll descriptor, one timerfd, the mailbox's eventfd.
///
/// A turn runs the mailbox, the timers that are due, the actions for this turn, then what the descriptors report. The
/// timerfd runs on the wall clock and reports its jumps, so deadlines hold through suspends and clock changes; it is
/// armed anew only when the loop goes to sleep with another earliest deadline.
final class EpollLoop: EventLoop {
    private struct Watcher {
        var generation: UInt32
        var action: (Readiness) -> Void
    }

    private let mailbox: Mailbox
    private let clock: @Sendable () -> Int64
    private let machine: @Sendable () -> Int64
    private let stopwatch: @Sendable () -> Int64
    private let epoll: Int32
    private let timer: Int32

    private var timers = TimerHeap<UInt64>()
    private var actions: [UInt64: () -> Void] = [:]
    private var lastTimer: UInt64 = 0
    private var due: [UInt64] = []
    /// The instant of the system's clock at which the timerfd will fire; nil while it is disarmed or spent.
    private var armed: Int64?

    private var watchers: [Watcher?] = []
    private var lastGeneration: UInt32 = 0
    private var nextTurn: [() -> Void] = []
    private var generator: LoopGenerator
    private(set) var turns = 0

    private let meter: (any LoopMeter)?
    /// When the loop had last seen which timers are due: what was due before that was asked for too late, not served late.
    private var lookedAt: Int64 = .min
    /// When the turn began, by the stopwatch, and what it took from the mailbox; kept only for the meter.
    private var wokeAt: Int64 = 0
    private var commands = 0

    init(
        mailbox: Mailbox, now: @escaping @Sendable () -> Int64, machineTime: @escaping @Sendable () -> Int64,
        uptime: @escaping @Sendable () -> Int64, seed: UInt64?, meter: (any LoopMeter)? = nil
    ) throws {
        self.meter = meter
        self.mailbox = mailbox
        clock = now
        machine = machineTime
        stopwatch = uptime
        generator = LoopGenerator(seed: seed)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw ReactorError(call: "epoll_create1", number: errno) }
        timer = timerfd_create(CLOCK_REALTIME, Int32(TFD_CLOEXEC | TFD_NONBLOCK))
        guard timer >= 0 else {
            let number = errno
            close(epoll)
            throw ReactorError(call: "timerfd_create", number: number)
        }
        for descriptor in [timer, mailbox.descriptor] {
            let token = UInt64(UInt32(bitPattern: descriptor))
            let number = control(EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue, token: token)
            guard number == 0 else { throw ReactorError(call: "epoll_ctl", number: number) }
        }
    }

    // MARK: What callers ask for

    var now: Int64 { clock() }

    var machineTime: Int64 { machine() }

    var uptime: Int64 { stopwatch() }

    func schedule(at instant: Int64, _ action: @escaping () -> Void) -> LoopTimer {
        lastTimer += 1
        timers.insert(deadline: instant, id: lastTimer)
        actions[lastTimer] = action
        return LoopTimer(number: lastTimer)
    }

    func cancel(_ timer: LoopTimer) {
        guard actions.removeValue(forKey: timer.number) != nil else { return }
        timers.remove(timer.number)
    }

    func enqueue(_ action: @escaping () -> Void) {
        nextTurn.append(action)
    }

    func random(in range: ClosedRange<Int64>) -> Int64 {
        Int64.random(in: range, using: &generator)
    }

    func watch(_ descriptor: Int32, for interest: Readiness, _ action: @escaping (Readiness) -> Void) throws {
        guard descriptor >= 0 else { throw ReactorError(call: "epoll_ctl", number: EBADF) }
        let index = Int(descriptor)
        if watchers.count <= index {
            watchers.append(contentsOf: repeatElement(nil, count: index + 1 - watchers.count))
        }
        let isKnown = watchers[index] != nil
        lastGeneration &+= 1
        let token = UInt64(lastGeneration) << 32 | UInt64(UInt32(bitPattern: descriptor))
        var events: UInt32 = 0
        if interest.contains(.read) { events |= EPOLLIN.rawValue }
        if interest.contains(.write) { events |= EPOLLOUT.rawValue }
        watchers[index] = nil
        var number = control(isKnown ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, descriptor, events, token: token)
        if number == (isKnown ? ENOENT : EEXIST) {
            // The number was closed and given out again without an unwatch between.
            number = control(isKnown ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, events, token: token)
        }
        guard number == 0 else { throw ReactorError(call: "epoll_ctl", number: number) }
        watchers[index] = Watcher(generation: lastGeneration, action: action)
    }

    func unwatch(_ descriptor: Int32) {
        let index = Int(descriptor)
        guard watchers.indices.contains(index), watchers[index] != nil else { return }
        watchers[index] = nil
        // A descriptor that is closed already has left by itself.
        _ = clinux_epoll_control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
    }

    /// 0, or the errno.
    private func control(_ operation: Int32, _ descriptor: Int32, _ events: UInt32, token: UInt64) -> Int32 {
        clinux_epoll_control(epoll, operation, descriptor, events, token) == 0 ? 0 : errno
    }

    // MARK: The loop

    /// Runs turns until the mailbox is closed and empty.
    func run(_ runJob: (UnownedJob) -> Void) {
        var batch: [Mailbox.Item] = []
        var events = [clinux_event](repeating: clinux_event(), count: 256)
        if meter != nil { (wokeAt, lookedAt) = (stopwatch(), clock()) }
        while mailbox.take(&batch) {
            turns += 1
            commands = batch.count
            for item in batch {
                switch item {
                case .job(let job): runJob(job)
                case .action(let action): action()
                }
            }
            batch.removeAll(keepingCapacity: batch.count < 4096)
            runDueTimers()
            runNextTurn()
            poll(&events)
        }
    }

    private func runDueTimers() {
        guard let earliest = timers.earliest else {
            if meter != nil { lookedAt = clock() }
            return
        }
        let now = clock()
        defer { lookedAt = now }
        guard earliest <= now else { return }
        meter?.servedTimers(late: max(0, now - max(earliest, lookedAt)))
        // Collected first, so that what callbacks schedule in the past waits for the next turn.
        while let entry = timers.popDue(now) { due.append(entry.id) }
        var index = 0
        while index < due.count {
            // One that an earlier callback of this turn has cancelled is gone.
            actions.removeValue(forKey: due[index])?()
            index += 1
        }
        due.removeAll(keepingCapacity: due.count < 4096)
    }

    private func runNextTurn() {
        guard !nextTurn.isEmpty else { return }
        let actions = nextTurn
        nextTurn = []
        for action in actions { action() }
    }

    private func poll(_ events: inout [clinux_event]) {
        var mayBlock = nextTurn.isEmpty
        if mayBlock, let earliest = timers.earliest { mayBlock = earliest > clock() }
        if mayBlock { arm() }
        if mayBlock { mayBlock = mailbox.fallAsleep() }
        meter?.turned(took: stopwatch() - wokeAt, commands: commands)
        let count = clinux_epoll_wait(epoll, &events, Int32(events.count), mayBlock ? -1 : 0)
        if meter != nil { wokeAt = stopwatch() }
        if mayBlock { mailbox.awake() }
        // The only failure that is left with valid arguments is an interruption by a signal.
        guard count > 0 else { return }
        for event in events[..<Int(count)] { dispatch(event) }
    }

    private func dispatch(_ event: clinux_event) {
        let descriptor = Int32(bitPattern: UInt32(truncatingIfNeeded: event.token))
        if descriptor == timer { return spendTimer() }
        if descriptor == mailbox.descriptor { return mailbox.drainWakeUps() }
        let index = Int(descriptor)
        // An event of a watch that a callback of this same turn has ended is for nobody.
        guard watchers.indices.contains(index), let watcher = watchers[index],
            watcher.generation == UInt32(truncatingIfNeeded: event.token >> 32)
        else { return }
        var readiness: Readiness = []
        if event.events & EPOLLIN.rawValue != 0 { readiness.insert(.read) }
        if event.events & EPOLLOUT.rawValue != 0 { readiness.insert(.write) }
        if event.events & (EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 { readiness.insert(.hangUp) }
        watcher.action(readiness)
    }

    private func spendTimer() {
        var expirations: UInt64 = 0
        // A jump of the wall clock makes this fail with ECANCELED, which means the same: look, and arm anew.
        _ = read(timer, &expirations, MemoryLayout<UInt64>.size)
        armed = nil
    }

    private func arm() {
        guard let earliest = timers.earliest else {
            if armed != nil {
                _ = clinux_timer_arm(timer, 0)
                armed = nil
            }
            return
        }
        let instant = systemInstant(of: earliest)
        guard instant != armed else { return }
        // Failing with ECANCELED (the clock has just jumped), the timer is armed all the same.
        _ = clinux_timer_arm(timer, instant)
        armed = instant
    }

    /// When the system's clock will show a deadline of the loop's clock. Far deadlines are cut to what the kernel takes.
    private func systemInstant(of deadline: Int64) -> Int64 {
        let mine = clock()
        let system = ThreadReactor.wallClock()
        let farthest: Int64 = 4_000_000_000_000_000
        let isSystemClock = abs(system &- mine) < 1_000
        if isSystemClock, deadline > system { return min(deadline, farthest) }
        let (distance, overflow) = deadline.subtractingReportingOverflow(mine)
        // A clock that stands still is looked at again each millisecond, never in a tight circle.
        let wait = overflow ? farthest : max(distance, isSystemClock ? 1 : 1_000)
        return min(system.addingReportingOverflow(wait).partialValue, farthest)
    }

    func shutDown() {
        actions = [:]
        nextTurn = []
        watchers = []
        close(timer)
        close(epoll)
    }
}
