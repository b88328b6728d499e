// SPDX-License-Identifier: Apache-2.0

internal import PerchExecutor
internal import PerchMetastore
internal import PerchOutputs
internal import PerchSDK
internal import PerchScheduler
internal import PerchSimulation
internal import PerchTriggerer

/// The installation of one tester.
///
/// Unchecked, because everything of it happens on the tester's thread.
final class TesterWorld: @unchecked Sendable {
    let simulation: Simulation
    let dags: [DAG]
    var codeLimit: Duration
    private(set) var requests: [TestRequest] = []
    private var dispatches: [TaskInstanceKey: Int] = [:]

    private let world: World
    private var isStarted = false
    /// Set where the engine could not be started: nothing works then.
    private var startFailure: (any Error)?

    init(
        dags: [DAG], triggers: [any AsyncTrigger.Type], at start: Timestamp, seed: UInt64, codeLimit: Duration,
        connections: [String: Connection], variables: [String: Variable]
    ) {
        self.dags = dags
        self.codeLimit = codeLimit
        var settings = Simulation.Settings()
        settings.seed = seed
        settings.start = start
        settings.latency = .none
        settings.keepsLogs = true
        settings.outputInlineSize = OutputKeeping.usualInlineSize
        settings.restartDelay = 1_000_000...1_000_000
        // No doorbell is lost here, and there is one engine: looking seldom makes months of waiting cheap.
        settings.scheduler.slowPoll = .seconds(3_600)
        settings.executor.pollPeriod = .seconds(3_600)
        settings.triggerer.slowPoll = .seconds(3_600)
        settings.triggerer.renewEvery = .seconds(3_600)
        settings.triggerer.lease = .seconds(3 * 3_600)
        world = World(seed: seed, now: start.microseconds, isOpen: true)
        simulation = Simulation(settings, world: world, dags: dags)
        simulation.bundles.triggers = triggers
        simulation.secrets = GivenSecrets(connections: connections, variables: variables)
        if !variables.isEmpty {
            // What sensors see of variables is what the metastore holds. Secret ones are never opened there.
            simulation.preparation = { transaction in
                for (key, variable) in variables.sorted(by: { $0.key < $1.key }) {
                    let sealed = StoredText.sealed(SealedValue(keyID: "test", text: ""))
                    try transaction.setVariable(
                        key, variable.isSecret ? sealed : .plain(variable.value), isSecret: variable.isSecret,
                        description: nil)
                }
            }
        }
        simulation.http.onRequest = { [unowned self] request in
            requests.append(TestRequest(request))
        }
        simulation.bundles.onDispatch = { [unowned self] facts in
            let key = TaskInstanceKey(
                dagID: facts.dagID, runID: facts.runID, taskID: facts.taskID, mapIndex: facts.mapIndex)
            dispatches[key, default: 0] += 1
        }
    }

    var now: Timestamp { simulation.clock.now }

    func dispatchCount(_ key: TaskInstanceKey) -> Int { dispatches[key] ?? 0 }

    // MARK: time

    /// Starts the engine where it has not been started, and waits for it where it is starting again.
    func bringUp() throws {
        if let startFailure { throw startFailure }
        if !isStarted {
            isStarted = true
            simulation.start()
        }
        let limit = world.elapsed + 60_000_000
        let isUp = try run(until: limit) { [simulation] in
            simulation.engine?.isRunning == true && simulation.client != nil
        }
        guard !isUp else { return }
        let failure = PerchError(.unavailable, "the engine does not come up", cause: simulation.lastFailure)
        startFailure = failure
        throw failure
    }

    /// Everything that happens without time passing.
    func settle() throws {
        try bringUp()
        try runPresent()
    }

    /// Lets time pass up to an instant of the wall clock.
    func advance(to instant: Timestamp) throws {
        guard instant >= now else {
            throw PerchError(.invalid, "it is \(now) already, and time does not go back to \(instant)")
        }
        let limit = world.elapsed + (instant - now).microseconds
        try startOnce()
        try run(until: limit) { false }
    }

    /// Lets time pass until no run is under way.
    func finish(atMost span: TimeSpan) throws {
        let (limit, overflow) = world.elapsed.addingReportingOverflow(max(0, span.microseconds))
        try bringUp()
        var lookedAt = -1
        var open: [RunRow] = []
        let isDone = try run(until: overflow ? .max : limit) { [self] in
            guard lookedAt != simulation.commits else { return false }
            open = try openRuns()
            lookedAt = simulation.commits
            return open.isEmpty
        }
        if isDone { return }
        open = try openRuns()
        if open.isEmpty { return }
        throw PerchError(.unavailable, try unfinishedWords(open, span))
    }

    /// Stops the engine in good order, and waits for its next start.
    func restart() throws {
        try settle()
        guard let engine = simulation.engine else { return }
        simulation.restart()
        try run(until: world.elapsed + 60_000_000) { [simulation] in simulation.engine !== engine }
        try settle()
    }

    private func startOnce() throws {
        if !isStarted { try bringUp() }
    }

    private func openRuns() throws -> [RunRow] {
        try read { snapshot in
            try snapshot.runs(dagID: nil, state: .queued, limit: .max)
                + snapshot.runs(dagID: nil, state: .running, limit: .max)
        }.sorted { $0.runKey < $1.runKey }
    }

    private func unfinishedWords(_ open: [RunRow], _ span: TimeSpan) throws -> String {
        let waits = try read { try $0.waits(WaitFilter()) }
        var words: [String] = []
        for run in open.prefix(5) {
            let instances = try read { try $0.taskInstances(runKey: run.runKey) }
            var parts: [String] = []
            for row in instances where !row.state.isFinished && row.state != .none {
                let name = row.key.mapIndex >= 0 ? "\(row.key.taskID)[\(row.key.mapIndex)]" : row.key.taskID
                let wait = waits.first { $0.key == row.key }
                    .map { " for \($0.kind) \($0.target.shown(100))" + ($0.deadline.map { " until \($0)" } ?? "") }
                parts.append("'\(name)' is \(row.state.rawValue)\(wait ?? "")")
            }
            if parts.isEmpty { parts.append("it is \(run.state.rawValue)") }
            words.append("\(run.dagID)/\(run.runID): \(parts.prefix(5).joined(separator: ", "))")
        }
        return "not finished after \(span): \(words.joined(separator: "; "))"
    }

    /// Lets things happen until a condition holds; false where the limit of `elapsed` came first.
    @discardableResult
    private func run(until limit: Int64, _ isDone: () throws -> Bool) throws -> Bool {
        while true {
            try runPresent()
            if try isDone() { return true }
            guard world.advance(until: limit) else {
                try runPresent()
                return try isDone()
            }
        }
    }

    /// Runs what can run now, and waits for code that really suspends: time never passes while code of a task is under
    /// way.
    private func runPresent() throws {
        // Only how long somebody at a keyboard has to wait depends on this clock.
        let clock = ContinuousClock()
        var since = clock.now
        var commits = simulation.commits
        var steps = 0
        while true {
            if simulation.commits != commits {
                commits = simulation.commits
                since = clock.now
            }
            if simulation.runOne() {
                steps += 1
                if steps % 4_096 == 0, isBusy, clock.now - since > codeLimit { throw try codeIsStuck() }
                continue
            }
            guard isBusy else { return }
            let left = codeLimit - (clock.now - since)
            guard left > .zero else { throw try codeIsStuck() }
            _ = world.waitForArrival(atMost: left / .seconds(1))
        }
    }

    private var isBusy: Bool { simulation.bundles.all.contains { $0.isBusy } }

    private func codeIsStuck() throws -> PerchError {
        let running = try openRuns().flatMap { run in
            try read { try $0.taskInstances(runKey: run.runKey) }.filter { $0.state == .running }
        }
        let names = running.map { row in
            let index = row.key.mapIndex >= 0 ? "[\(row.key.mapIndex)]" : ""
            return "'\(row.key.taskID)\(index)' (\(row.key.dagID)/\(row.key.runID), try \(row.tryNumber))"
        }
        let code = names.isEmpty ? "code of a task" : "the code of " + names.prefix(5).joined(separator: ", ")
        return PerchError(
            .unavailable,
            "\(code) does not come back: nothing of it was recorded for \(TimeSpan(codeLimit)) of real time; does it wait "
                + "for something that a test has to provide? The tester's codeLimit says how long it may take")
    }

    // MARK: the metastore

    /// Looks at what is committed, without any part in what happens.
    func read<Result>(_ body: (Snapshot) throws -> Result) throws -> Result {
        try simulation.look { try body(Snapshot(reading: $0, now: now)) }
    }

    /// Does what a command does.
    func write<Result: Sendable>(_ body: @escaping @Sendable (Transaction) throws -> Result) throws -> Result {
        try bringUp()
        let answer = Answer<Result>()
        simulation.asClient { metastore in
            do {
                answer.result = .success(try await metastore.write(body))
            } catch {
                answer.result = .failure(error)
            }
        }
        while answer.result == nil, simulation.runOne() {}
        guard let result = answer.result else {
            throw PerchError(.unavailable, "the machine lost its power before this was done")
        }
        return try result.get()
    }

    private final class Answer<Value>: @unchecked Sendable {  // because a simulation runs on one thread
        var result: Result<Value, any Error>?
    }
}
