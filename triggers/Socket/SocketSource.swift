// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
public import PerchReactor
public import PerchSDK

/// Watches all waits for ports and Unix sockets by connecting to them.
///
/// Waits for the same address share one probe, at the shortest period that any of them wants. Whatever a probe meets,
/// the wait goes on, and `explain` tells of it. This file keeps the waits, `+Schedule` says when which probe is made,
/// `+Answers` what comes of it, `+Explain` tells of it.
public final class SocketSource: TriggerSource {
    /// What may be set.
    public struct Options: Sendable {
        /// The most connections that are tried at a time.
        public var inAll = 256
        /// How long one probe may take, the look-up of the name included.
        public var timeout: Duration = .seconds(10)
        /// The longest time between two probes that fail, unless the period is longer.
        public var longestBackOff: Duration = .seconds(300)

        /// Is told of every probe.
        package var meter: (any ProbeMeter)?

        /// The defaults.
        public init() {}
    }

    struct Wait {
        var probe: SocketProbe
        var until: SocketTrigger.State
        var every: Int64
    }

    let loop: any EventLoop
    let report: (SourceReport) -> Void
    let options: Options
    /// Nil where it cannot be set up; every wait says so then.
    var transport: (any SocketTransport)?

    var waits: [Int64: Wait] = [:]
    var probes: [SocketAddress: SocketProbe] = [:]

    var schedule = TimerHeap<Int64>()
    var tickets: [Int64: SocketProbe] = [:]
    var lastTicket: Int64 = 0
    var timer: (instant: Int64, handle: LoopTimer)?
    var line: Deque<SocketProbe> = []
    var active = 0

    /// A source on a loop's thread.
    public convenience init(
        loop: any EventLoop, options: Options = Options(), report: @escaping (SourceReport) -> Void
    ) {
        var transport: SystemSockets?
        do {
            transport = try SystemSockets(loop: loop)
        } catch {  // because nobody can be told before the first wait comes, and that one is broken with the reason
            transport = nil
        }
        self.init(loop: loop, options: options, transport: transport, report: report)
    }

    /// A source whose connections go another way than through this machine's network.
    package init(
        loop: any EventLoop, options: Options = Options(), transport: (any SocketTransport)?,
        report: @escaping (SourceReport) -> Void
    ) {
        self.loop = loop
        self.options = options
        self.transport = transport
        self.report = report
    }

    public var kinds: [String] { [SocketTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        var fresh: [SocketProbe] = []
        for wait in added {
            do {
                if let probe = try add(wait) { fresh.append(probe) }
            } catch {
                report(.broken(waitID: wait.waitID, message: "the wait for the socket \(wait.target): \(error)"))
            }
        }
        begin(fresh)
    }

    /// The probe, if the wait is the first of it.
    private func add(_ wait: ArmedWait) throws -> SocketProbe? {
        guard transport != nil else { throw PerchError(.unavailable, "libcurl cannot be set up") }
        let trigger = try wait.definition.decode(SocketTrigger.self)
        if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
        remove(wait.waitID)
        let address = trigger.address
        let known = probes[address]
        let probe = known ?? SocketProbe(address: address, target: wait.target)
        probes[address] = probe
        let every = trigger.every.microseconds
        probe.insert(wait.waitID, until: trigger.until, every: every)
        waits[wait.waitID] = Wait(probe: probe, until: trigger.until, every: every)
        guard known != nil else { return probe }
        joined(probe, every: every)
        return nil
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let probe = wait.probe
        probe.remove(waitID, until: wait.until, every: wait.every)
        guard probe.count == 0 else { return }
        probes[probe.address] = nil
        unschedule(probe)
        if probe.activity == .asking {
            probe.attempt?.cancel()
            probe.attempt = nil
            leave(probe)
        }
        for done in probe.asked { loop.enqueue(done) }
        probe.asked = []
    }

    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        guard let probe = waits[waitID]?.probe else { return done() }
        probe.asked.append(done)
        guard probe.activity == .idle else { return }
        unschedule(probe)
        probe.dueAt = loop.now
        ask(probe)
    }

    public var gauges: [(name: String, value: Int)] {
        [("socket_waits", waits.count), ("socket_probes", probes.count), ("socket_attempts", active)]
    }

    public func shutDown() {
        transport?.close()
        transport = nil
        if let timer { loop.cancel(timer.handle) }
        timer = nil
        schedule = TimerHeap()
        tickets = [:]
        waits = [:]
        probes = [:]
        line = []
    }
}
