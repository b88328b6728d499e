// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import PerchReactor
public import PerchSDK

/// Watches all waits for HTTP answers with one libcurl multi handle on the event loop.
///
/// Waits for the same request (method, URL, headers, body, proxy, authorities) share one probe, at the shortest period that any of them wants;
/// each keeps its condition, and conditions that are equal are checked once. Whatever a probe meets, the wait goes on, and
/// `explain` tells of it.
///
/// The files of the source: this one keeps the waits, `+Schedule` says when which probe is due, `+Hosts` when it has its
/// turn, `+Answers` makes of what came back a result, `+Explain` tells of it.
public final class HTTPSource: TriggerSource {
    /// What may be set.
    public struct Options: Sendable {
        /// The most requests to one host (scheme, name, port) at a time.
        public var perHost = 8
        /// The most requests to one host a second; 0: as many as there are.
        public var perHostRate = 1_000
        /// The most requests at a time.
        public var inAll = 256
        /// The longest body that is looked at, in bytes.
        public var bodyLimit = 1_048_576
        /// The longest time between two probes that fail, unless the period is longer.
        public var longestBackOff: Duration = .seconds(300)
        /// The longest time that a server may ask for by `Retry-After`.
        public var longestRetryAfter: Duration = .seconds(3_600)

        /// Is told of every probe.
        package var meter: (any ProbeMeter)?

        /// The defaults.
        public init() {}
    }

    struct Wait {
        var probe: HTTPProbe
        var condition: HTTPCondition
        var period: HTTPPeriod
        var timeout: Int64
    }

    /// What is due at an instant.
    enum Due {
        case probe(HTTPProbe)
        case host(HTTPHost)
    }

    /// A hundred years: longer spans are cut, so that instants can be counted.
    private static let longest = TimeSpan(microseconds: 3_155_760_000_000_000)

    let loop: any EventLoop
    let report: (SourceReport) -> Void
    let options: Options
    let environment: (String) -> String?
    let secrets: any SecretResolver
    /// Nil where it cannot be set up; every wait says so then.
    var transport: (any HTTPTransport)?

    var waits: [Int64: Wait] = [:]
    var probes: [HTTPRequestKey: HTTPProbe] = [:]

    var schedule = TimerHeap<Int64>()
    var tickets: [Int64: Due] = [:]
    var lastTicket: Int64 = 0
    var isInTurn = false
    var timer: (instant: Int64, handle: LoopTimer)?

    var hosts: [String: HTTPHost] = [:]
    var hostsInLine = FirstInFirstOut<HTTPHost>()
    var active = 0

    /// A source on a loop's thread.
    ///
    /// - Parameters:
    ///   - environment: where `.environment` headers are looked up, and `.secret` ones behind
    ///     `PERCH_SECRET_`; the process's own variables by default.
    public convenience init(
        loop: any EventLoop, options: Options = Options(),
        environment: ((String) -> String?)? = nil,
        report: @escaping (SourceReport) -> Void
    ) {
        self.init(loop: loop, options: options, environment: environment, secrets: nil, report: report)
    }

    /// A source whose references to secrets are looked up elsewhere than in the environment.
    package convenience init(
        loop: any EventLoop, options: Options = Options(), environment: ((String) -> String?)? = nil,
        secrets: (any SecretResolver)?, report: @escaping (SourceReport) -> Void
    ) {
        var transport: CurlMulti?
        do {
            transport = try CurlMulti(loop: loop, connections: options.inAll)
        } catch {  // because nobody can be told before the first wait comes, and that one is broken with the reason
            transport = nil
        }
        self.init(
            loop: loop, options: options,
            environment: environment ?? { name in getenv(name).map { String(cString: $0) } }, secrets: secrets,
            transport: transport, report: report)
    }

    /// A source whose requests go another way than through libcurl.
    package init(
        loop: any EventLoop, options: Options = Options(), environment: @escaping (String) -> String?,
        secrets: (any SecretResolver)? = nil, transport: (any HTTPTransport)?, report: @escaping (SourceReport) -> Void
    ) {
        self.loop = loop
        self.report = report
        self.options = options
        self.environment = environment
        self.secrets = secrets ?? EnvironmentSecrets(environment: environment)
        self.transport = transport
    }

    public var kinds: [String] { [HTTPTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        var fresh: [HTTPProbe] = []
        for wait in added {
            do {
                if let probe = try add(wait) { fresh.append(probe) }
            } catch {
                report(
                    .broken(
                        waitID: wait.waitID,
                        message: "the HTTP wait for \(HTTPAddress.shown(wait.target)): \(error)"))
            }
        }
        begin(fresh)
    }

    /// The probe, if the wait is the first of it.
    private func add(_ wait: ArmedWait) throws -> HTTPProbe? {
        guard transport != nil else { throw PerchError(.unavailable, "libcurl cannot be set up") }
        var trigger = try wait.definition.decode(HTTPTrigger.self)
        if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
        trigger.every = min(trigger.every, Self.longest)
        trigger.timeout = min(trigger.timeout, Self.longest)
        trigger.slowest = trigger.slowest.map { min($0, Self.longest) }
        remove(wait.waitID)
        let key = HTTPRequestKey(trigger)
        let known = probes[key]
        let probe = try known ?? makeProbe(key, wait.target)
        if known == nil {
            probes[key] = probe
            probe.host.probes += 1
        }
        probe.insert(wait.waitID, trigger)
        if case .string(let text)? = wait.definition[TracedProbe.member] {
            probe.traces[wait.waitID] = TraceParent(text)?.text
        }
        waits[wait.waitID] = Wait(
            probe: probe, condition: trigger.until, period: trigger.period,
            timeout: trigger.timeout.microseconds)
        probe.host.hasten(now: loop.now)
        guard known != nil else { return probe }
        joined(probe)
        if probe.activity == .queued { advance(probe.host) }
        return nil
    }

    private func makeProbe(_ key: HTTPRequestKey, _ target: String) throws -> HTTPProbe {
        let address = try HTTPAddress(key.url)
        var headers = try HTTPHeaderValue.filled(key.headers, environment: environment, secrets: secrets)
        if key.body != nil, !key.headers.keys.contains(where: { $0.lowercased() == "content-type" }) {
            headers.append(("Content-Type", "application/json", false))
        }
        // The way through a proxy may be barred where the straight one is open.
        let way = key.proxy.map { "\(address.origin) by \($0)" } ?? address.origin
        return HTTPProbe(key: key, host: host(way), origin: address.origin, headers: headers, target: target)
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let probe = wait.probe
        probe.remove(waitID, condition: wait.condition, period: wait.period, timeout: wait.timeout)
        guard probe.count == 0 else { return }
        probes[probe.key] = nil
        probe.host.probes -= 1
        unschedule(probe)
        if probe.activity == .asking {
            probe.transfer?.cancel()
            probe.transfer = nil
            leave(probe)
        } else {
            settle(probe.host)
        }
        for done in probe.asked { loop.enqueue(done) }
        probe.asked = []
    }

    public func probeNow(_ waitID: Int64, done: @escaping () -> Void) {
        guard let probe = waits[waitID]?.probe else { return done() }
        let host = probe.host
        if host.outage != nil, probe.activity != .asking {
            // One of all that want it tries the host, at once unless that was done just now.
            host.asked.append((probe, done))
            if host.asked.count == 1, let outage = host.outage, outage.trier == nil {
                host.outage?.tryAt = min(outage.tryAt, loop.now + 1_000_000)
            }
            guard probe.activity == .idle else { return advance(host) }
        } else {
            probe.asked.append(done)
            guard probe.activity == .idle else { return }
        }
        unschedule(probe)
        probe.dueAt = loop.now
        ask(probe, isUrgent: true)
        arm()
    }

    public var gauges: [(name: String, value: Int)] {
        [
            ("http_waits", waits.count), ("http_probes", probes.count), ("http_hosts", hosts.count),
            ("http_requests", active), ("http_sockets", transport?.socketCount ?? 0),
        ]
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
        // They and their probes hold each other.
        for host in hosts.values {
            host.clearLine()
            host.outage = nil
            host.asked = []
        }
        hostsInLine = FirstInFirstOut()
        hosts = [:]
    }
}
