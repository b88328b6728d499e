// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// One run of a workload on a simulated installation, with faults, checked as it goes.
///
/// Unchecked, because a simulation runs on one thread.
package final class Trial: @unchecked Sendable {
    package let workload: Workload
    package let simulation: Simulation
    package let ledger = Ledger()
    package let acknowledged: Acknowledged
    package private(set) var violations: [String] = []
    package private(set) var trace: [String] = []
    /// How many lines of the trace are kept; 0: none are written.
    package var traceLimit = 0
    package var onTrace: ((String) -> Void)?

    /// The engine is killed after so many steps.
    package var killAtStep: Int?
    /// How many steps and commits were made when everything had come to its end.
    package private(set) var stepsBeforeQuiet = 0
    package private(set) var commitsBeforeQuiet = 0
    /// What each run, task instance and wait came to at the end, in the order of names.
    package private(set) var results: [String] = []

    private let invariants = Invariants()
    private let world: World
    private var checkedCommits = 0
    private var isCheckDue = false
    private let mostViolations = 5
    /// A history of fifty faults takes some ten thousand; what goes round in a circle would never end.
    private let mostSteps = 200_000
    private var faultCount = 0
    /// What was asked for last, by setting.
    private var wishes: [String: Operation] = [:]
    private var runCount = 0

    /// A trial in which nothing has happened.
    package init(_ workload: Workload, settings: Simulation.Settings) {
        self.workload = workload
        acknowledged = Acknowledged(ledger: ledger)
        world = World(seed: settings.seed, now: settings.start.microseconds)
        let world = world
        var settings = settings
        settings.image = Self.auditedImage
        let dags = workload.build(ledger: ledger) { span in
            await world.sleep(span.microseconds)
            try Task.checkCancellation()
        }
        simulation = Simulation(settings, world: world, dags: dags)
        simulation.onEvent = { [unowned self] in say($0) }
        simulation.onBoot = { [unowned self] _ in isCheckDue = true }
    }

    /// A migrated metastore with the audit in it; made once in a program.
    private static let auditedImage: DiskImage = {
        do {
            let disk = SimulatedDisk(seed: 1, template: .migrated)
            let driver = try SimulatedDriver(disk: disk)
            try driver.write { connection in
                try connection.perform(.begin)
                try Audit.install(on: connection)
                try connection.perform(.commit)
            }
            try driver.close()
            disk.settle()
            return disk.image()
        } catch {
            preconditionFailure("the audit cannot be installed: \(error)")
        }
    }()

    // MARK: the run

    /// Runs the plan and the faults, heals everything, and lets it come to its end.
    package func run(faults: [Fault] = []) {
        simulation.start()
        for pool in workload.pools { apply(.resizePool(name: pool.name, slots: pool.slots)) }
        for planned in workload.plan {
            world.after(planned.at.microseconds) { [unowned self] in apply(planned.operation) }
        }
        for fault in faults {
            world.after(fault.at) { [unowned self] in inject(fault) }
        }
        let horizon = workload.horizon.microseconds
        go(until: horizon)
        heal()
        go(until: horizon + 7_200_000_000) { [unowned self] in isAtEnd }
        stepsBeforeQuiet = world.steps
        commitsBeforeQuiet = simulation.commits
        // Everything that sweeps up behind others gets its time.
        go(until: world.elapsed + 90_000_000)
        checkEnd()
        fold()
        simulation.end()
    }

    private func go(until limit: Int64, _ isDone: () -> Bool = { false }) {
        var untilAsked = 0
        while violations.isEmpty {
            // Whether all is at its end is asked now and then only: it is a look into the metastore.
            untilAsked += 1
            if untilAsked >= 200 {
                untilAsked = 0
                if isDone() { return }
            }
            guard simulation.step(until: limit) else {
                if world.elapsed >= limit || world.nextInstant == nil { return }
                continue
            }
            if world.steps == killAtStep { simulation.die(.kill) }
            check()
            if world.steps >= mostSteps { violate("[livelock] \(world.steps) steps, and there is no end") }
        }
    }

    private var isAtEnd: Bool {
        guard simulation.engine?.isRunning == true else { return false }
        do {
            return try simulation.look { connection in
                var open = 0
                try connection.query(
                    "SELECT COUNT(*) FROM dag_run WHERE state IN ('queued', 'running')", []
                ) { open = $0.int(0) }
                return open == 0
            }
        } catch {
            return false  // because the disk may just have failed: asked again later
        }
    }

    /// What became of it.
    package var report: HistoryReport {
        var report = HistoryReport(seed: simulation.settings.seed)
        report.steps = world.steps
        report.commits = simulation.commits
        report.faults = faultCount
        report.crashes = simulation.deaths
        report.runs = runCount
        report.fingerprint = world.fingerprint
        report.violations = violations
        report.trace = trace
        return report
    }

    // MARK: operations

    /// As a client does it; every other event comes to the engine's socket.
    private func perform(_ operation: Operation) {
        let acknowledged = acknowledged
        if case .emit(_, _, _, let value) = operation, value % 2 == 0,
            simulation.asEngine({
                await Client($0, acknowledged: acknowledged, intake: $1).perform(operation)
            })
        {
            return
        }
        simulation.asClient { await Client($0, acknowledged: acknowledged).perform(operation) }
    }

    private func apply(_ operation: Operation, tries: Int = 0) {
        say("\(operation)\(tries == 0 ? "" : ", again")")
        if tries == 0, let setting = operation.setting { wishes[setting] = operation }
        switch operation {
        case .writeFile(let path, let size): simulation.files.write(path, size: Int64(size))
        case .renameFile(let from, let to): simulation.files.move(from, to: to)
        case .removeFile(let path): simulation.files.remove(path)
        case .setAnswer(let url, let status):
            simulation.http.serve(url) { _ in status.map { .status($0) } ?? .fails(.refused) }
        default:
            let acknowledged = acknowledged
            let known = acknowledged.requests.count
            perform(operation)
            // What was not answered is asked for again, as people and programs do.
            guard operation.mayComeTwice, tries < 30 else { return }
            world.after(5_000_000) { [unowned self] in
                let isAnswered = acknowledged.requests[known...].contains {
                    $0.operation == operation && $0.answer != nil
                }
                // Nobody asks again for what he has changed his mind about.
                let isWished = operation.setting.map { wishes[$0] == operation } ?? true
                if !isAnswered, isWished { apply(operation, tries: tries + 1) }
            }
        }
    }

    // MARK: faults

    private static let hosts = ["one.test", "two.test"]

    private func inject(_ fault: Fault) {
        say("fault: \(fault)")
        faultCount += 1
        let bundles = simulation.bundles.all + simulation.otherBundles.all
        let bundle = bundles.isEmpty ? nil : bundles[Int(fault.at) % bundles.count]
        switch fault.kind {
        case .kill: simulation.die(.kill)
        case .killAtCommit(let count, let isBefore): simulation.dieAtCommit(count, isBefore: isBefore)
        case .killAtDiskOperation(let count): simulation.disk.crash(.kill, atOperation: Int64(count))
        case .powerLoss: simulation.die(.powerLoss)
        case .powerLossAtDiskOperation(let count): simulation.disk.crash(.powerLoss, atOperation: Int64(count))
        case .restart: simulation.restart()
        case .stall(let span): simulation.engine?.life.stall(until: world.elapsed + span)
        case .stallStandby(let span): simulation.standby?.life.stall(until: world.elapsed + span)
        case .killStandby: simulation.killStandby()
        case .killBundle: bundle?.die("was killed by signal 11")
        case .stallBundle(let span): bundle?.life.stall(until: world.elapsed + span)
        case .garbageFromBundle: bundle?.talkNonsense()
        case .duplicateMessages(let span):
            simulation.bundles.duplicate(for: span)
            simulation.otherBundles.duplicate(for: span)
        case .clockJump(let span):
            world.jump(by: span)
            if span < 0 { invariants.clockSlack -= span }
        case .diskFull(let span):
            simulation.disk.setRoom(0)
            world.after(span) { [unowned self] in simulation.disk.setRoom(nil) }
        case .diskErrors(let span):
            simulation.disk.fail(.write, count: nil)
            world.after(span) { [unowned self] in simulation.disk.fail(.write, count: 0) }
        case .loseDoorbells(let span): simulation.doorbellsLostUntil = world.elapsed + span
        case .watchOverflow: simulation.files.overflowNext()
        case .watchLimit(let span):
            simulation.files.watchLimit = 0
            world.after(span) { [unowned self] in simulation.files.watchLimit = nil }
        case .serverTrouble(let span):
            let kinds: [SimulatedAnswer.Fault] = [.refused, .hang, .resetInBody]
            let kind = kinds[Int(world.random(in: 0...2))]
            for host in Self.hosts { simulation.http.setOutage(host, kind) }
            world.after(span) { [unowned self] in
                for host in Self.hosts { simulation.http.setOutage(host, nil) }
            }
        }
    }

    /// Ends what went wrong: from here on everything has to come to its end.
    private func heal() {
        say("healed")
        simulation.disk.disarm()
        simulation.disk.heal()
        simulation.files.heal()
        for host in Self.hosts { simulation.http.setOutage(host, nil) }
        simulation.doorbellsLostUntil = 0
        for dag in workload.dags { apply(.pause(dagID: dag.dagID, isPaused: false)) }
    }

    // MARK: checks

    private func check() {
        guard simulation.engine?.isRunning == true || simulation.commits != checkedCommits else { return }
        let isFull = isCheckDue && simulation.engine?.isRunning == true
        guard simulation.commits != checkedCommits || isFull else { return }
        checkedCommits = simulation.commits
        do {
            try simulation.look { connection in
                for violation in try invariants.incremental(on: connection) { violate("\(violation)") }
                if isFull || simulation.commits % 50 == 0 {
                    isCheckDue = false
                    for violation in try acknowledged.verify(on: connection) { violate("\(violation)") }
                    for violation in try Invariants.full(on: connection, clockSlack: invariants.clockSlack) {
                        violate("\(violation)")
                    }
                }
            }
        } catch {
            // The disk fails on purpose, and for the one who looks, too: looked again after the next commit.
            return
        }
        for violation in ledger.violations { violate("\(violation)") }
    }

    private func checkEnd() {
        guard violations.isEmpty else { return }
        let model = ReferenceModel(workload, acknowledged, outputs: simulation.outputs)
        for name in simulation.leftRunning { violate("left behind: something of a dead \(name) ran on without an end") }
        do {
            try simulation.look { connection in
                try connection.query("SELECT COUNT(*) FROM dag_run", []) { runCount = $0.int(0) }
                for violation in try Invariants.full(on: connection, isQuiet: true, clockSlack: invariants.clockSlack) {
                    violate("\(violation)")
                }
                for violation in try acknowledged.verify(on: connection) { violate("\(violation)") }
                for violation in try model.unfinished(
                    on: connection, now: simulation.clock.now, patience: .seconds(120)
                ).stuck { violate("\(violation)") }
                for violation in try model.verify(on: connection) { violate("\(violation)") }
            }
        } catch {
            violate("the metastore cannot be read at the end: \(error)")
        }
    }

    /// Adds what the metastore holds at the end to the fingerprint.
    private func fold() {
        do {
            try simulation.look { connection in
                try connection.query(
                    """
                    SELECT r.dag_id, r.run_id, r.state, t.task_index, t.map_index, t.state, t.try_number
                    FROM task_instance t JOIN dag_run r ON r.run_key = t.run_key
                    ORDER BY r.dag_id, r.run_id, t.task_index, t.map_index
                    """, []
                ) { row in
                    results.append(
                        "\(row.text(0))/\(row.text(1)) \(row.text(2)), task \(row.int(3))[\(row.int(4))] \(row.text(5)), "
                            + "try \(row.int(6))")
                }
                try connection.query(
                    "SELECT ti_id, state, try_number, dispatch_id, output, end_date FROM task_instance ORDER BY ti_id",
                    []
                ) { row in
                    world.note(
                        "\(row.int64(0)) \(row.text(1)) \(row.int64(2)) \(row.int64(3)) \(row.text(4)) \(row.int64(5))")
                }
            }
        } catch {
            world.note("unreadable")
        }
    }

    func violate(_ text: String) {
        guard violations.count < mostViolations else { return }
        say("VIOLATION \(text)")
        violations.append(text)
    }

    private func say(_ line: String) {
        guard traceLimit > 0 || onTrace != nil else { return }
        let text = "\(Double(world.elapsed) / 1_000_000) s  \(line)"
        onTrace?(text)
        trace.append(text)
        if trace.count > max(traceLimit, 1) * 2 { trace.removeFirst(trace.count - traceLimit) }
    }
}
