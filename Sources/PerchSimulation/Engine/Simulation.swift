// SPDX-License-Identifier: Apache-2.0

package import Logging
package import PerchExecutor
package import PerchMetastore
internal import PerchOutputs
internal import PerchReactor
package import PerchSDK
package import PerchScheduler
package import PerchTriggerer
internal import PerchTriggersApproval
internal import PerchTriggersAsync
internal import PerchTriggersComposite
internal import PerchTriggersEvent
internal import PerchTriggersFile
internal import PerchTriggersHTTP
internal import PerchTriggersRun
internal import PerchTriggersSocket
internal import PerchTriggersTime

/// One simulated installation: a machine with its disk, files and processes, the servers that it asks, one engine, a
/// process on another machine, that stands by as triggerer or works, where that is wanted, and clients.
///
/// Unchecked, because a simulation runs on one thread.
package final class Simulation: @unchecked Sendable {
    /// How an installation is set up.
    package struct Settings: Sendable {
        package var seed: UInt64 = 1
        package var start = Timestamp(microseconds: 1_767_225_600_000_000)
        package var latency = Latency.ordinary
        /// Whether a triggerer stands by on another machine.
        package var hasStandby = false
        /// Whether a worker on another machine takes tasks from the same queue.
        package var hasSecondWorker = false
        package var scheduler = SchedulerConfiguration()
        package var triggerer = TriggererConfiguration()
        package var executor = Executor.Configuration()
        /// A defect that is put in on purpose, to see that it is found.
        package var sabotage: Sabotage?
        /// What is on the disk at the beginning.
        package var image = DiskImage.migrated
        /// Between the death of an engine and its next start, in microseconds.
        package var restartDelay: ClosedRange<Int64> = 100_000...5_000_000
        package var log = Logger(label: "perch.simulation", factory: { _ in SwiftLogNoOpLogHandler() })
        package var keepsLogs = false
        /// The longest output that stays in its row, in bytes: so short that some of a history's do not.
        package var outputInlineSize = 6

        package init() {}
    }

    /// How an engine dies.
    package enum Death: Sendable { case kill, powerLoss }

    package let settings: Settings
    package let world: World
    package let clock: VirtualClock
    package let disk: SimulatedDisk
    package let machine = SimulatedMachine()
    package let files: SimulatedFiles
    package let http = SimulatedHTTP()
    package let bundles: SimulatedBundles
    /// Those of the worker on the other machine.
    package let otherBundles: SimulatedBundles
    package let attemptLog: MemoryLog
    /// Outputs that are too long for their rows.
    package let outputs = SimulatedOutputs()
    package private(set) var engine: SimulatedEngine?
    package private(set) var standby: SimulatedEngine?
    /// A process from which clients write and read; like a command, it has no role.
    package private(set) var client: SimulatedEngine?

    /// COMMITs of the engine and the standby that have returned, or were about to.
    package private(set) var commits = 0
    /// How often an engine died.
    package private(set) var deaths = 0
    /// Set while no engine is to be started.
    package var isHeldDown = false
    /// Doorbells ring unheard until this instant of `elapsed`.
    package var doorbellsLostUntil: Int64 = 0
    /// Called with what happens, for traces.
    package var onEvent: ((String) -> Void)?
    /// What stands behind the references of waits, and what attempts ask for.
    package var secrets: GivenSecrets?
    /// Done by a client before the first engine starts.
    package var preparation: (@Sendable (Transaction) throws -> Void)?
    /// Called after each start of an engine.
    package var onBoot: ((SimulatedEngine) -> Void)?
    /// Why the engine died last.
    package private(set) var lastFailure: (any Error)?

    /// Processes of which something ran on after their death, without an end.
    package private(set) var leftRunning: [String] = []

    private var powerLosses: Int64 = 0
    private var deathsSeen: Int64 = 0
    private var armed: (commits: Int, isBefore: Bool, death: Death)?
    private var bells: [(life: ProcessLife, doorbells: Doorbells)] = []
    private var processes: [ObjectIdentifier: (driver: SimulatedDriver, pid: Int32)] = [:]
    /// The statements with the defect in them, where there is one.
    package let sabotaged: SabotagedStatements?
    private let standbyMachine = SimulatedMachine(host: "standby")

    /// An installation in which nothing runs yet.
    package init(_ settings: Settings, world: World, dags: [DAG]) {
        var settings = settings
        if settings.sabotage?.edge == .doorbellsOnly {
            settings.scheduler.slowPoll = .seconds(1_000_000)
            settings.triggerer.slowPoll = .seconds(1_000_000)
            settings.executor.pollPeriod = .seconds(1_000_000)
        }
        self.settings = settings
        self.world = world
        clock = VirtualClock(world)
        disk = SimulatedDisk(seed: settings.seed, template: settings.image)
        files = SimulatedFiles { [unowned world] in world.now }
        bundles = SimulatedBundles(
            world: world, machine: machine, clock: clock, latency: settings.latency, dags: dags)
        otherBundles = SimulatedBundles(
            world: world, machine: standbyMachine, clock: clock, latency: settings.latency, dags: dags)
        let keeping = OutputKeeping(store: outputs, inlineSize: settings.outputInlineSize)
        bundles.outputs = keeping
        otherBundles.outputs = keeping
        sabotaged = settings.sabotage.map { SabotagedStatements($0) }
        if settings.sabotage?.edge == .lyingSync { disk.setLying(true) }
        outputs.isForgetful = settings.sabotage?.edge == .outputsLost
        attemptLog = MemoryLog(keeps: settings.keepsLogs)
        if settings.latency.most == 0 {
            files.latency = 0...0
            http.latency = 0...0
        }
    }

    // MARK: processes

    /// Starts everything.
    package func start() {
        bootClient()
        guard let preparation, let client else { return bootEngines() }
        client.perform { [self] metastore in
            do {
                try await metastore.write(preparation)
            } catch {
                lastFailure = error
                note("it is not prepared: \(error)")
            }
            bootEngines()
        }
    }

    private func bootEngines() {
        bootEngine()
        if settings.hasStandby || settings.hasSecondWorker { bootStandby() }
    }

    private func bootEngine() {
        guard engine == nil, !isHeldDown else { return }
        boot("engine", on: machine, retry: bootEngine) { parts, pid in
            parts.scheduler = settings.scheduler
            parts.triggerer = settings.triggerer
            parts.executor = executor(on: machine, bundles, pid)
        }.map { started in
            engine = started
            started.onDeath = { [unowned self, unowned started] in bundles.engineDied(started.life) }
            started.start()
            onBoot?(started)
        }
    }

    package func bootStandby() {
        guard standby == nil, !isHeldDown else { return }
        boot("standby", on: standbyMachine, retry: bootStandby) { parts, pid in
            if settings.hasStandby { parts.triggerer = settings.triggerer }
            if settings.hasSecondWorker { parts.executor = executor(on: standbyMachine, otherBundles, pid) }
        }.map { started in
            standby = started
            started.onDeath = { [unowned self, unowned started] in otherBundles.engineDied(started.life) }
            started.start()
        }
    }

    private func executor(
        on machine: SimulatedMachine, _ bundles: SimulatedBundles, _ pid: Int32
    ) -> (SimulatedEngine, any Reactor) -> Executor {
        { [unowned self] engine, reactor in
            Executor(
                metastore: engine.metastore, reactor: reactor, processes: machine.view(of: pid),
                launcher: bundles.launcher(engine: engine.life, pid: pid, reactor: reactor), logs: attemptLog,
                configuration: settings.executor, logger: settings.log, secrets: ExecutorSecrets(desk: secrets))
        }
    }

    private func bootClient() {
        guard client == nil else { return }
        client = boot("client", on: machine, retry: bootClient) { _, _ in }
    }

    /// A process of a machine; nil where the disk does not let it, and then it is tried again a second later.
    private func boot(
        _ name: String, on machine: SimulatedMachine, retry: @escaping () -> Void,
        _ equip: (inout SimulatedEngine.Parts, Int32) -> Void
    ) -> SimulatedEngine? {
        do {
            let driver = try SimulatedDriver(disk: disk, hooks: hooks(name))
            let pid = machine.add {}
            let doorbells = Doorbells()
            var parts = SimulatedEngine.Parts(
                driver: driver, log: settings.log, processes: machine.view(of: pid),
                sources: { [unowned self] loop, report in sources(loop, report) },
                ring: { [unowned self] set in ring(set, from: name, own: doorbells) })
            parts.latency = settings.latency
            parts.outputs = outputs
            equip(&parts, pid)
            let process = try SimulatedEngine(name: name, world: world, doorbells: doorbells, parts: parts)
            processes[ObjectIdentifier(process)] = (driver, pid)
            bells.append((process.life, doorbells))
            note("\(name) starts")
            return process
        } catch {
            lastFailure = error
            note("\(name) cannot start: \(error)")
            world.after(1_000_000, retry)
            return nil
        }
    }

    private func hooks(_ name: String) -> DriverHooks {
        let rewrite: (@Sendable (String) -> String)? = sabotaged.map { sabotaged in
            let isUnsafe = sabotaged.sabotage.edge == .synchronousOff
            return { sql in
                let text = sabotaged.rewrite(sql)
                return isUnsafe ? text.split(separator: "= EXTRA").joined(separator: "= OFF") : text
            }
        }
        guard name != "client" else { return DriverHooks(rewrite: rewrite) }
        return DriverHooks(
            beforeCommit: { [unowned self] in
                commits += 1
                if name == "engine", let armed, armed.commits <= 1, armed.isBefore { try dieInCommit(armed.death) }
            },
            afterCommit: { [unowned self] in
                guard name == "engine", let armed else { return }
                if armed.commits <= 1 { try dieInCommit(armed.death) }
                self.armed?.commits -= 1
            },
            rewrite: rewrite)
    }

    private func sources(
        _ loop: any EventLoop, _ report: @escaping (SourceReport) -> Void
    ) -> [any TriggerSource] {
        let composites = CompositeSource(loop: loop, report: report)
        let members: [any TriggerSource] = [
            TimeSource(loop: loop, report: composites.take),
            FileSource(loop: loop, files: files.view(), report: composites.take),
            HTTPSource(
                loop: loop, environment: { _ in nil }, secrets: secrets, transport: http.transport(loop: loop),
                report: composites.take),
            StreamSource(
                loop: loop, environment: { _ in nil }, secrets: secrets, transport: http.transport(loop: loop),
                report: composites.take),
            EventSource(report: composites.take),
            SocketSource(loop: loop, transport: SimulatedSockets(loop: loop), report: composites.take),
        ]
        composites.serve(members)
        // The metastore fires what waits for runs and for people: no source sees it, so no composite can be made of it.
        return members + [
            RunSource(report: report), ApprovalSource(report: report), AsyncSource(), composites,
        ]
    }

    /// Everybody hears the bells of everybody; a process hears its own at once.
    private func ring(_ set: DoorbellSet, from name: String, own: Doorbells) {
        // Without a doorbell and without a slow poll nothing would ever go on: that is what this sabotage shows.
        if settings.sabotage?.edge == .doorbellsOnly, world.chance(oneIn: 3) { return }
        guard !set.isEmpty, doorbellsLostUntil <= world.elapsed else { return }
        if name != "client" { own.ring(set) }
        world.after(settings.latency.draw(world)) { [unowned self] in
            for other in bells where !other.life.isDead && other.doorbells !== own { other.doorbells.ring(set) }
        }
    }

    // MARK: death

    /// The engine dies now. Only between two steps.
    package func die(_ death: Death) {
        switch death {
        case .kill: if let engine { disk.kill(driver(of: engine).process) }
        case .powerLoss: disk.losePower(seed: UInt64(bitPattern: world.random(in: .min ... .max)))
        }
        reap()
    }

    /// The engine dies at one of its next commits.
    package func dieAtCommit(_ count: Int, isBefore: Bool, _ death: Death = .kill) {
        armed = (count, isBefore, death)
    }

    /// The triggerer that stands by dies now.
    package func killStandby() {
        guard let standby else { return }
        disk.kill(driver(of: standby).process)
        reap()
    }

    private struct DiedInCommit: Error {}

    private func dieInCommit(_ death: Death) throws {
        armed = nil
        guard let engine else { return }
        switch death {
        case .kill: disk.kill(driver(of: engine).process)
        case .powerLoss: disk.losePower(seed: UInt64(bitPattern: world.random(in: .min ... .max)))
        }
        throw DiedInCommit()
    }

    private func driver(of process: SimulatedEngine) -> SimulatedDriver {
        guard let found = processes[ObjectIdentifier(process)] else {
            preconditionFailure("every process of a simulation has a driver")
        }
        return found.driver
    }

    /// Ends what the disk says is dead, and plans its next start.
    private func reap() {
        guard disk.deaths != deathsSeen || engine?.startFailure != nil || standby?.startFailure != nil else { return }
        deathsSeen = disk.deaths
        if let engine, driver(of: engine).isDead || engine.startFailure != nil {
            deaths += 1
            lastFailure = engine.startFailure
            bury(engine, of: machine)
            self.engine = nil
            world.after(world.random(in: settings.restartDelay)) { [unowned self] in bootEngine() }
        }
        if let standby, driver(of: standby).isDead || standby.startFailure != nil {
            bury(standby, of: standbyMachine)
            self.standby = nil
            world.after(world.random(in: settings.restartDelay)) { [unowned self] in bootStandby() }
        }
        if disk.counters.powerLosses != powerLosses {
            powerLosses = disk.counters.powerLosses
            machine.lostPower()
        }
        if let client, driver(of: client).isDead {
            bury(client, of: machine)
            self.client = nil
            world.after(world.random(in: settings.restartDelay)) { [unowned self] in bootClient() }
        }
    }

    private func bury(_ process: SimulatedEngine, of machine: SimulatedMachine) {
        note("\(process.life.name) is dead\(process.startFailure.map { ": \($0)" } ?? "")")
        let (driver, pid) = processes.removeValue(forKey: ObjectIdentifier(process)) ?? (driver(of: process), 0)
        disk.kill(driver.process)
        machine.remove(pid)
        bells.removeAll { $0.life === process.life }
        process.kill()
        if !process.hasEnded { leftRunning.append(process.life.name) }
    }

    /// Stops the engine as a deployment does, and starts it again.
    package func restart() {
        guard let engine, engine.isRunning else { return }
        note("engine is told to stop")
        engine.stop { [unowned self, unowned engine] in
            guard self.engine === engine else { return }
            note("engine has stopped")
            if let (_, pid) = processes.removeValue(forKey: ObjectIdentifier(engine)) { machine.remove(pid) }
            bells.removeAll { $0.life === engine.life }
            self.engine = nil
            world.after(world.random(in: settings.restartDelay)) { [unowned self] in bootEngine() }
        }
    }

    private func note(_ text: String) {
        world.note(text)
        onEvent?(text)
    }

    // MARK: steps

    /// One step of the world, and the burial of whoever died in it. False where nothing will happen up to the limit.
    @discardableResult
    package func step(until limit: Int64 = .max) -> Bool {
        let isMore = world.step(until: limit)
        reap()
        return isMore
    }

    /// One step without letting time pass. False where nothing can run now.
    package func runOne() -> Bool {
        let isMore = world.runOne()
        reap()
        return isMore
    }

    /// Steps until a condition holds. False where the limit of `elapsed` came first.
    @discardableResult
    package func run(until limit: Int64, _ isDone: () -> Bool = { false }) -> Bool {
        while !isDone() {
            if !step(until: limit), world.elapsed >= limit || world.nextInstant == nil { return isDone() }
        }
        return true
    }

    /// Runs something on the clients' process; it is lost with that process.
    package func asClient(_ body: @escaping @Sendable (Metastore) async -> Void) {
        guard let client else { return }
        client.perform { await body($0) }
    }

    /// Runs something in the engine's process, as what comes to its socket does. False where there is none.
    package func asEngine(_ body: @escaping @Sendable (Metastore, Triggerer?) async -> Void) -> Bool {
        guard let engine, engine.isRunning else { return false }
        let triggerer = engine.triggerer
        engine.perform { await body($0, triggerer) }
        return true
    }

    /// Looks at the metastore as it stands, without any part in what happens.
    package func look<Result>(_ body: (any SQLConnection) throws -> Result) throws -> Result {
        let observer = try observer ?? SimulatedDriver(disk: disk)
        guard !observer.isDead else {
            self.observer = nil
            return try look(body)
        }
        self.observer = observer
        return try observer.read(body)
    }

    private var observer: SimulatedDriver?

    /// Ends everything, so that nothing of the simulation is left in memory.
    package func end() {
        isHeldDown = true
        for process in [engine, standby, client] {
            guard let process else { continue }
            disk.kill(driver(of: process).process)
            bury(process, of: process === standby ? standbyMachine : machine)
        }
        engine = nil
        standby = nil
        client = nil
        for bundle in bundles.all + otherBundles.all { bundle.die("is not needed any more") }
        do {
            try observer?.close()
        } catch {
            preconditionFailure("closing a simulated driver never fails: \(error)")
        }
        world.end()
    }
}
