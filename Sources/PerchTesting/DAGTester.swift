// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
public import PerchSDK
internal import PerchSimulation

/// Runs DAGs in one process on a virtual clock: the engine of production, with a simulated disk, simulated files and
/// simulated servers. A wait of thirty days takes milliseconds.
///
/// ```swift
/// let tester = try DAGTester(dags: orders, at: "2026-01-01T06:00:00Z")
/// let run = try await tester.trigger("orders")
/// try await tester.advance(by: .days(29))
/// try await tester.files.write("/data/in/2026-01-01.csv", "id,total\n1,20\n")
/// try await tester.finish(atMost: .hours(1))
/// #expect(try await tester.output(of: "load", as: Int.self, in: run) == 1)
/// ```
///
/// Time passes only in `advance`, `finish`, and as long as an engine needs to start again after `crash` or `restart`.
/// After every other call everything has happened that needs no time. Code of tasks runs as it is; while it really
/// suspends (a socket, an actor, a thread of its own), virtual time stands and the tester waits, at most `codeLimit`.
/// Code that blocks its thread blocks the tester, and nothing can end that.
///
/// Every tester has a world and a thread of its own, so tests may run in parallel.
public final class DAGTester: Sendable {
    /// The files that file sensors see; the real ones are not.
    public let files: TestFiles
    /// The servers that HTTP sensors ask; where none is set, connections are refused.
    public let http: TestServers
    let thread: TesterThread
    let world: TesterWorld

    /// A tester of DAGs.
    ///
    /// - Parameters:
    ///   - triggers: The `AsyncTrigger` types that code of tasks waits for, as in `DAGBundle.triggers`.
    ///   - start: The instant at which the test begins, RFC 3339 or a date (midnight in UTC).
    ///   - seed: Decides the order of what happens at one instant.
    ///   - connections: What tasks and references of sensors find, by id; there are no others but those of the environment.
    ///   - variables: What tasks and templates find, by key: texts, or `Variable("…", isSecret: true)`.
    ///   - codeLimit: For how long of real time code of tasks may be under way without anything being recorded.
    /// - Throws: `PerchError` (`invalid`) that lists what is wrong with the declarations, each with its file and line.
    public init(
        dags: [DAG], triggers: [any AsyncTrigger.Type] = [], at start: String = "2026-01-01T00:00:00Z",
        seed: UInt64 = 1, codeLimit: Duration = .seconds(10), connections: [String: Connection] = [:],
        variables: [String: Variable] = [:]
    ) throws {
        let problems =
            DAG.problems(in: dags).map(\.description) + TriggerCatalog(triggers, dags: dags).problems
        guard problems.isEmpty else {
            throw PerchError(.invalid, problems.joined(separator: "\n"))
        }
        let names =
            connections.keys.sorted().compactMap { StoredName.problem($0, "the id of a connection") }
            + variables.keys.sorted().compactMap { StoredName.problem($0, "the key of a variable") }
        guard names.isEmpty else { throw PerchError(.invalid, names.joined(separator: "\n")) }
        let thread = TesterThread()
        let world = TesterWorld(
            dags: dags, triggers: triggers, at: try Timestamp(parsing: start), seed: seed, codeLimit: codeLimit,
            connections: connections, variables: variables)
        self.thread = thread
        self.world = world
        files = TestFiles(thread: thread, world: world)
        http = TestServers(thread: thread, world: world)
    }

    /// A tester of some DAGs.
    public convenience init(
        dags: DAG..., triggers: [any AsyncTrigger.Type] = [], at start: String = "2026-01-01T00:00:00Z",
        seed: UInt64 = 1, codeLimit: Duration = .seconds(10), connections: [String: Connection] = [:],
        variables: [String: Variable] = [:]
    ) throws {
        try self.init(
            dags: dags, triggers: triggers, at: start, seed: seed, codeLimit: codeLimit,
            connections: connections, variables: variables)
    }

    /// A tester of the DAGs of a bundle.
    public convenience init(
        _ bundle: some DAGBundle, at start: String = "2026-01-01T00:00:00Z", seed: UInt64 = 1,
        codeLimit: Duration = .seconds(10), connections: [String: Connection] = [:],
        variables: [String: Variable] = [:]
    ) throws {
        try self.init(
            dags: bundle.dags, triggers: bundle.triggers, at: start, seed: seed, codeLimit: codeLimit,
            connections: connections, variables: variables)
    }

    deinit {
        let world = world
        thread.end { world.simulation.end() }
    }

    /// Ends the world and its thread; what is asked of the tester afterwards throws. A tester that nobody holds any
    /// more ends by itself.
    public func close() async {
        let world = world
        await withCheckedContinuation { continuation in
            thread.end(
                { world.simulation.end() }, whenEnded: { continuation.resume() })
        }
    }

    func perform<Result: Sendable>(
        _ body: @escaping @Sendable (TesterWorld) throws -> Result
    ) async throws -> Result {
        try await thread.perform { [world] in try body(world) }
    }

    // MARK: doing

    /// Starts a run.
    ///
    /// - Parameters:
    ///   - runID: Nil: made from the logical date.
    ///   - logicalDate: RFC 3339 or a date; nil: the present.
    ///   - params: Values over the DAG's defaults.
    @discardableResult
    public func trigger(
        _ dagID: String, runID: String? = nil, logicalDate: String? = nil, params: [String: JSONValue] = [:]
    ) async throws -> TestRun {
        var request = RunRequest(dagID: dagID, runID: runID, params: .object(params))
        if let logicalDate { request.logicalDate = try Timestamp(parsing: logicalDate) }
        return try await perform { [request] world in
            try world.requireDAG(dagID)
            let row = try world.write { try $0.createRun(request) }
            try world.settle()
            return TestRun(dagID: row.dagID, runID: row.runID)
        }
    }

    /// Sends an event. False where an event of this name and id was there already.
    @discardableResult
    public func emit(
        _ name: String, key: String? = nil, payload: JSONValue = .null, id: String? = nil
    ) async throws -> Bool {
        let event = NewEvent(name: name, key: key, payload: payload, eventID: id)
        return try await perform { world in
            let accepted = try world.write { try $0.emit([event]) }
            try world.settle()
            return accepted.allSatisfy { !$0.isDuplicate }
        }
    }

    /// Sends an event with a payload that is coded as JSON.
    @discardableResult
    public func emit(
        _ name: String, key: String? = nil, payload: some Encodable, id: String? = nil
    ) async throws -> Bool {
        try await emit(name, key: key, payload: JSONValue(encoding: payload), id: id)
    }

    /// Pauses a DAG: runs wait, and scheduled ones are not created.
    public func pause(_ dagID: String) async throws { try await setPaused(dagID, true) }

    /// Ends a pause.
    public func unpause(_ dagID: String) async throws { try await setPaused(dagID, false) }

    private func setPaused(_ dagID: String, _ isPaused: Bool) async throws {
        try await perform { world in
            try world.requireDAG(dagID)
            try world.write { try $0.setPaused(dagID, isPaused) }
            try world.settle()
        }
    }

    /// Cancels a run. False where it has ended already.
    @discardableResult
    public func cancel(_ run: TestRun) async throws -> Bool {
        try await perform { world in
            _ = try world.read { try world.row(of: run, in: $0) }
            let isDone = try world.write {
                try $0.cancelRun(dagID: run.dagID, runID: run.runID, by: "test")
            }
            try world.settle()
            return isDone
        }
    }

    /// Gives a task of a run, or all of them, a new try.
    ///
    /// - Parameters:
    ///   - task: Nil: every task of the run.
    ///   - downstream: Whether everything after the task is cleared too.
    ///   - onlyFailed: Whether what did not fail stays as it is.
    public func clear(
        _ task: String? = nil, in run: TestRun, mapIndex: Int? = nil, downstream: Bool = true, onlyFailed: Bool = false
    ) async throws {
        try await perform { world in
            if let task { _ = try world.read { try world.rows(of: task, in: run, $0) } }
            _ = try world.write {
                try $0.clear(
                    dagID: run.dagID, runID: run.runID, taskID: task, mapIndex: mapIndex, downstream: downstream,
                    onlyFailed: onlyFailed, by: "test")
            }
            try world.settle()
        }
    }

    // MARK: time

    /// The virtual time.
    public var now: Timestamp {
        get async throws { try await perform { $0.now } }
    }

    /// Lets so much virtual time pass.
    public func advance(by span: Duration) async throws {
        try await perform { world in try world.advance(to: world.now + TimeSpan(span)) }
    }

    /// Lets virtual time pass up to an instant: RFC 3339 or a date.
    public func advance(to instant: String) async throws {
        let instant = try Timestamp(parsing: instant)
        try await perform { try $0.advance(to: instant) }
    }

    /// Runs until nothing can happen without time passing. After a crash time passes until the engine is up again.
    public func settle() async throws {
        try await perform { try $0.settle() }
    }

    /// Lets virtual time pass until no run is under way, and no further.
    ///
    /// - Throws: `PerchError` (`unavailable`) that says what is still waiting, where the bound is reached.
    public func finish(atMost span: Duration) async throws {
        try await perform { try $0.finish(atMost: TimeSpan(span)) }
    }

    // MARK: death

    /// When an engine dies.
    public enum CrashPoint: Sendable, Hashable {
        /// At once.
        case now
        /// When its so-manyth transaction from now on is about to be committed: it never happened. Counted from 1.
        case beforeCommit(Int)
        /// When its so-manyth transaction from now on is committed, before anybody was told. Counted from 1.
        case afterCommit(Int)
    }

    /// Kills the engine as `kill -9` does, with the processes that run tasks. It starts again a second of virtual time
    /// later.
    ///
    /// - Parameter powerLoss: Whether the machine loses its power: what the disk was not told to sync may be lost too.
    public func crash(at point: CrashPoint = .now, powerLoss: Bool = false) async throws {
        try await perform { world in
            let death: Simulation.Death = powerLoss ? .powerLoss : .kill
            switch point {
            case .now:
                try world.bringUp()
                world.simulation.die(death)
            case .beforeCommit(let count):
                try Self.check(count)
                world.simulation.dieAtCommit(count, isBefore: true, death)
            case .afterCommit(let count):
                try Self.check(count)
                world.simulation.dieAtCommit(count, isBefore: false, death)
            }
        }
    }

    private static func check(_ count: Int) throws {
        if count < 1 { throw PerchError(.invalid, "commits are counted from 1, not from \(count)") }
    }

    /// How often the engine died.
    public var crashes: Int {
        get async throws { try await perform { $0.simulation.deaths } }
    }

    /// Stops the engine as a deployment does, and starts it again.
    public func restart() async throws {
        try await perform { try $0.restart() }
    }
}
