// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
public import PerchReactor
public import PerchSDK

/// Watches all waits for ports, Unix sockets and certificates by connecting to them.
///
/// Waits for the same address share one probe, at the shortest period that any of them wants; those for certificates
/// another one. Whatever a probe meets, the wait goes on, and `explain` tells of it. This file keeps the waits, `+Turns`
/// says which probe is made when, `+Answers` what comes of it, `+Explain` tells of it.
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
        var condition: SocketCondition
        var every: Int64
    }

    let loop: any EventLoop
    let report: (SourceReport) -> Void
    let options: Options
    /// Nil where it cannot be set up; every wait says so then.
    var transport: (any SocketTransport)?

    var waits: [Int64: Wait] = [:]
    var probes: [SocketTarget: SocketProbe] = [:]
    private(set) var schedule: ProbeSchedule<SocketProbe>!  // because it calls back to this object
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
        schedule = ProbeSchedule(loop: loop, longestBackOff: TimeSpan(options.longestBackOff).microseconds) {
            [weak self] in self?.ask($0)
        }
    }

    public var kinds: [String] { [SocketTrigger.kind, CertificateTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        var fresh: [SocketProbe] = []
        for wait in added {
            do {
                if let probe = try add(wait) { fresh.append(probe) }
            } catch {
                report(.broken(waitID: wait.waitID, message: "the wait for the socket \(wait.target): \(error)"))
            }
        }
        schedule.begin(fresh.filter { $0.count > 0 })
    }

    /// The probe, if the wait is the first of it.
    private func add(_ wait: ArmedWait) throws -> SocketProbe? {
        guard transport != nil else { throw PerchError(.unavailable, "libcurl cannot be set up") }
        let (key, condition, every) = try Self.read(wait)
        remove(wait.waitID)
        let known = probes[key]
        let probe = known ?? SocketProbe(key: key, kind: wait.kind)
        probes[key] = probe
        probe.insert(wait.waitID, condition, every: every)
        waits[wait.waitID] = Wait(probe: probe, condition: condition, every: every)
        guard known != nil else { return probe }
        schedule.joined(probe, every: every)
        return nil
    }

    private static func read(_ wait: ArmedWait) throws -> (SocketTarget, SocketCondition, every: Int64) {
        if wait.kind == CertificateTrigger.kind {
            let trigger = try wait.definition.decode(CertificateTrigger.self)
            if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
            return (
                SocketTarget(address: trigger.address, isTLS: true), .certificate(trigger.until),
                trigger.every.microseconds
            )
        }
        let trigger = try wait.definition.decode(SocketTrigger.self)
        if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
        return (
            SocketTarget(address: trigger.address, isTLS: false), .state(trigger.until), trigger.every.microseconds
        )
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let probe = wait.probe
        probe.remove(waitID, wait.condition, every: wait.every)
        guard probe.count == 0 else { return }
        probes[probe.key] = nil
        schedule.remove(probe)
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
        schedule.remove(probe)
        probe.dueAt = loop.now
        ask(probe)
    }

    public var gauges: [(name: String, value: Int)] {
        [("socket_waits", waits.count), ("socket_probes", probes.count), ("socket_attempts", active)]
    }

    public func shutDown() {
        transport?.close()
        transport = nil
        schedule.removeAll()
        waits = [:]
        probes = [:]
        line = []
    }
}
