// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Glibc
public import PerchReactor
public import PerchSDK

/// Watches all waits for rows by asking their databases.
///
/// Waits for the same query share one probe, at the shortest period that any of them wants. Whatever a probe meets, the
/// wait goes on, and `explain` tells of it. This file keeps the waits, `+Turns` says which query runs when, `+Answers`
/// what comes of it, `+Explain` tells of it.
public final class SQLSource: TriggerSource {
    /// What may be set.
    public struct Options: Sendable {
        /// The most queries that run at a time on one PostgreSQL server as one user, each on a connection of its own.
        public var perServer = 2
        /// The most queries that run at a time in all.
        public var inAll = 64
        /// How long connecting may take, the look-up of the name included.
        public var connectTimeout: Duration = .seconds(10)
        /// How long a connection is kept while no query needs it.
        public var keepIdle: Duration = .seconds(90)
        /// The longest time between two probes that fail, unless the period is longer.
        public var longestBackOff: Duration = .seconds(300)
        /// The most rows of an event.
        public var rowLimit = 1_000
        /// The most bytes of an event's values.
        public var byteLimit = 256 << 10

        /// Is told of every probe.
        package var meter: (any ProbeMeter)?

        /// The defaults.
        public init() {}
    }

    struct Wait {
        var probe: SQLProbe
        var condition: SQLCondition
        var every: Int64
        var timeout: Int64
        var listen: String?
    }

    let loop: any EventLoop
    let report: (SourceReport) -> Void
    let options: Options
    private let environment: (String) -> String?
    private let secrets: any SecretResolver
    /// Where there are none, each wait that needs them is broken with the reason.
    private let files: Result<WorkerThreads, any Error>
    private let names: Result<WorkerThreads, any Error>

    var waits: [Int64: Wait] = [:]
    var probes: [SQLKey: SQLProbe] = [:]
    var lines: [SQLDatabase: SQLLine] = [:]
    var linesInLine: Deque<SQLLine> = []
    var active = 0
    private(set) var schedule: ProbeSchedule<SQLProbe>!  // because it calls back to this object

    /// A source on a loop's thread.
    public convenience init(
        loop: any EventLoop, options: Options = Options(), environment: ((String) -> String?)? = nil,
        report: @escaping (SourceReport) -> Void
    ) {
        self.init(loop: loop, options: options, environment: environment, secrets: nil, report: report)
    }

    /// A source whose references to secrets are looked up elsewhere than in the environment.
    package init(
        loop: any EventLoop, options: Options = Options(), environment: ((String) -> String?)? = nil,
        secrets: (any SecretResolver)?, report: @escaping (SourceReport) -> Void
    ) {
        self.loop = loop
        self.options = options
        self.report = report
        let environment = environment ?? { name in getenv(name).map { String(cString: $0) } }
        self.environment = environment
        self.secrets = secrets ?? EnvironmentSecrets(environment: environment)
        files = Result { try WorkerThreads(loop: loop, most: 8, name: "perch-sqlite") }
        names = Result { try WorkerThreads(loop: loop, most: 4, name: "perch-names") }
        schedule = ProbeSchedule(loop: loop, longestBackOff: TimeSpan(options.longestBackOff).microseconds) {
            [weak self] in self?.ask($0)
        }
    }

    public var kinds: [String] { [SQLTrigger.kind] }

    public func add(_ added: [ArmedWait]) {
        var fresh: [SQLProbe] = []
        for wait in added {
            do {
                if let probe = try add(wait) { fresh.append(probe) }
            } catch {
                report(.broken(waitID: wait.waitID, message: "the wait for the query \(wait.target): \(error)"))
            }
        }
        schedule.begin(fresh.filter { $0.count > 0 })
    }

    /// The probe, if the wait is the first of it.
    private func add(_ wait: ArmedWait) throws -> SQLProbe? {
        let trigger = try wait.definition.decode(SQLTrigger.self)
        if let problem = trigger.problems.first { throw PerchError(.invalid, problem) }
        remove(wait.waitID)
        let key = SQLKey(trigger)
        let known = probes[key]
        let line = try line(trigger.database)
        if trigger.listen != nil, line.listener == nil {
            if line.probes == 0 { settle(line) }
            throw PerchError(.invalid, "SQLite has no channels to listen to")
        }
        let probe = known ?? SQLProbe(key: key, line: line, target: wait.target)
        if known == nil {
            probes[key] = probe
            probe.line.probes += 1
        }
        probe.insert(wait.waitID, trigger)
        let every = trigger.every.microseconds
        waits[wait.waitID] = Wait(
            probe: probe, condition: trigger.until, every: every, timeout: trigger.timeout.microseconds,
            listen: trigger.listen)
        if let channel = trigger.listen { listen(probe, to: channel) }
        guard known != nil else { return probe }
        schedule.joined(probe, every: every)
        return nil
    }

    private func line(_ database: SQLDatabase) throws -> SQLLine {
        if let known = lines[database] { return known }
        let backend: any SQLBackend
        var listener: PostgresListener?
        let address = try SQLAddress(database, environment, secrets)
        switch address.place {
        case .sqlite(let path): backend = SQLiteBackend(path: path, loop: loop, threads: try files.get())
        case .postgres(let server, let password):
            let names = try names.get()
            backend = PostgresBackend(
                server: server, password: password, loop: loop, threads: names, options: options)
            listener = PostgresListener(
                loop: loop, options: options,
                link: { [loop] in PostgresLink(server: server, password: password, loop: loop, threads: names) },
                heard: { [weak self] channel in self?.heard(channel, from: database) })
        }
        let line = SQLLine(database: database, address: address, backend: backend, listener: listener)
        lines[database] = line
        return line
    }

    public func remove(_ waitID: Int64) {
        guard let wait = waits.removeValue(forKey: waitID) else { return }
        let probe = wait.probe
        probe.remove(waitID, condition: wait.condition, every: wait.every, timeout: wait.timeout)
        if let channel = wait.listen { unlisten(probe, from: channel) }
        guard probe.count == 0 else { return }
        probes[probe.key] = nil
        probe.line.probes -= 1
        schedule.remove(probe)
        if probe.activity == .asking {
            probe.run?.cancel()
            probe.run = nil
            leave(probe)
        }
        for done in probe.asked { loop.enqueue(done) }
        probe.asked = []
        settle(probe.line)
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
        [("sql_waits", waits.count), ("sql_probes", probes.count), ("sql_queries", active)]
    }

    public func shutDown() {
        schedule.removeAll()
        for line in lines.values {
            if let timer = line.timer { loop.cancel(timer) }
            line.backend.close()
            line.listener?.close()
        }
        for case .success(let threads) in [files, names] { threads.close() }
        waits = [:]
        probes = [:]
        lines = [:]
        linesInLine = []
    }
}
