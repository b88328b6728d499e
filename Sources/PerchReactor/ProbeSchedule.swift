// SPDX-License-Identifier: Apache-2.0

/// What is probed again and again, as its schedule sees it.
package protocol ScheduledProbe: AnyObject {
    /// Its place in the schedule; the schedule's own.
    var ticket: Int64? { get set }
    /// When it was due, or is.
    var dueAt: Int64 { get set }
    /// When it was probed last.
    var lastAt: Int64? { get }
    /// The time from one probe to the next, in microseconds.
    var period: Int64 { get }
    /// Failures in a row.
    var failures: Int { get }
}

/// When which probe is made: periods with jitter, spread starts, ever longer times after failures. One timer for all.
package final class ProbeSchedule<Probe: ScheduledProbe> {
    private let loop: any EventLoop
    private let longestBackOff: Int64
    private let isDue: (Probe) -> Void
    private var heap = TimerHeap<Int64>()
    private var probes: [Int64: Probe] = [:]
    private var lastTicket: Int64 = 0
    private var timer: (instant: Int64, handle: LoopTimer)?
    private var isInTurn = false

    /// - Parameters:
    ///   - longestBackOff: The longest time between two probes that fail, in microseconds, unless the period is longer.
    ///   - isDue: Called with each probe that is due, which is then no longer in the schedule.
    package init(loop: any EventLoop, longestBackOff: Int64, isDue: @escaping (Probe) -> Void) {
        self.loop = loop
        self.longestBackOff = longestBackOff
        self.isDue = isDue
    }

    /// New probes are made at once; many of them are spread over a part of their period, so that they stay apart.
    package func begin(_ fresh: [Probe]) {
        let now = loop.now
        let spread: Int64 = fresh.count > 16 ? Int64(fresh.count) * 100 : 0
        for probe in fresh {
            let most = min(spread, probe.period)
            put(probe, at: most > 0 ? now + loop.random(in: 0...most) : now)
        }
        arm()
    }

    /// Another wait has come to a probe that is not being made: it is not made more seldom than that one wants.
    package func joined(_ probe: Probe, every: Int64) {
        guard probe.ticket != nil, probe.failures < 2, let last = probe.lastAt else { return }
        let wanted = max(last + every, loop.now)
        guard wanted < probe.dueAt else { return }
        put(probe, at: wanted)
        arm()
    }

    /// Puts a probe that was made in again: its period on, give or take a tenth; longer after failures in a row.
    package func next(_ probe: Probe) {
        let now = loop.now
        var wait = probe.period
        if probe.failures > 1 {
            let longest = max(longestBackOff, wait)
            let (longer, overflow) = wait.multipliedReportingOverflow(by: 1 << Int64(min(probe.failures - 1, 20)))
            wait = overflow ? longest : min(longer, longest)
        }
        let tenth = wait / 10
        let jittered = wait - tenth + (tenth > 0 ? loop.random(in: 0...(2 * tenth)) : 0)
        // What was due later than now was asked out of turn, or the clock was set back.
        var next = max(min(probe.dueAt, now) + jittered, now)
        // After a pause, such as a suspended machine, the rhythm begins anew.
        if next == now, now - probe.dueAt > 2 * wait { next = now + jittered }
        put(probe, at: next)
        arm()
    }

    /// Takes a probe out.
    package func remove(_ probe: Probe) {
        guard let ticket = probe.ticket else { return }
        probe.ticket = nil
        probes[ticket] = nil
        heap.remove(ticket)
    }

    /// Takes everything out.
    package func removeAll() {
        for probe in probes.values { probe.ticket = nil }
        probes = [:]
        heap = TimerHeap()
        arm()
    }

    private func put(_ probe: Probe, at instant: Int64) {
        remove(probe)
        lastTicket += 1
        probe.ticket = lastTicket
        probe.dueAt = instant
        probes[lastTicket] = probe
        heap.insert(deadline: instant, id: lastTicket)
    }

    private func arm() {
        // Armed at the end of the turn.
        guard !isInTurn else { return }
        let earliest = heap.earliest
        guard earliest != timer?.instant else { return }
        if let timer { loop.cancel(timer.handle) }
        timer = earliest.map { instant in (instant, loop.schedule(at: instant) { [weak self] in self?.turn() }) }
    }

    private func turn() {
        timer = nil
        let now = loop.now
        isInTurn = true
        while let (_, ticket) = heap.popDue(now) {
            guard let probe = probes.removeValue(forKey: ticket) else { continue }
            probe.ticket = nil
            isDue(probe)
        }
        isInTurn = false
        arm()
    }
}
