// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchSDK
import Synchronization
import Testing

@testable import PerchMetastore
@testable import PerchPostgres

/// A clock that stands still until it is moved.
final class ManualClock: PerchClock {
    private let instant: Mutex<Timestamp>

    init(_ text: String = "2026-01-01T00:00:00Z") {
        do {
            instant = Mutex(try Timestamp(parsing: text))
        } catch {
            preconditionFailure("a test's instant cannot be read: \(error)")
        }
    }

    var now: Timestamp { instant.withLock { $0 } }

    func advance(_ span: TimeSpan) {
        instant.withLock { $0 = $0 + span }
    }
}

/// A home in a directory of its own, removed afterwards.
final class TemporaryHome: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "perch-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)  // because a test may have removed it
    }
}

/// A home, and the database of its metastore where that does not lie in the home.
final class Site: Sendable {
    let home: TemporaryHome
    private let database: TestDatabase?

    /// - Parameter isEmpty: Whether even its tables are still to be made.
    init(isEmpty: Bool = false) throws {
        home = try TemporaryHome()
        database = Ground.current == .postgres ? try TestDatabase(isReused: !isEmpty) : nil
        if isEmpty { try database?.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public") }
    }

    func open(_ access: Metastore.Access, clock: any PerchClock = ManualClock()) throws -> Metastore {
        if let database {
            return try Metastore.open(postgres: database.settings, home: home.path, access: access, clock: clock)
        }
        return try Metastore.open(home: home.path, access: access, clock: clock)
    }

    @discardableResult
    func migrate(to target: Int? = nil) throws -> (from: Int, to: Int) {
        if let database { return try Metastore.migrate(postgres: database.settings, to: target) }
        return try Metastore.migrate(home: home.path, clock: ManualClock(), to: target)
    }
}

/// Closes the metastore of a test when that is over: a server has room for so many.
final class StageEnd: Sendable {
    private let store: Metastore
    /// Goes after the metastore.
    private let site: Site
    private let isClosed = Mutex(false)

    init(_ store: Metastore, _ site: Site) {
        self.store = store
        self.site = site
    }

    func close() throws {
        let isFirst = isClosed.withLock { isClosed in
            defer { isClosed = true }
            return !isClosed
        }
        if isFirst { try store.close() }
    }

    deinit {
        do {
            try close()
        } catch {
            Issue.record("the metastore of a test cannot be closed: \(error)")
        }
    }
}

/// A metastore with a worker and a triggerer registered, for tests of transitions.
struct Stage {
    let site: Site
    var home: TemporaryHome { site.home }
    let clock = ManualClock()
    let store: Metastore
    let worker: Int64
    /// The triggerer's process.
    let lease: Int64
    private let end: StageEnd

    init() async throws {
        site = try Site()
        store = try site.open(.engine, clock: clock)
        end = StageEnd(store, site)
        worker = try await store.write {
            try $0.registerProcess(
                role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(1_000_000_000))
        }
        lease = try await store.write {
            let owner = try $0.registerTriggerer(
                ProcessIdentity(pid: 1, startTime: 1, bootID: "b", host: "h"), terms: TriggererTerms(),
                lease: .seconds(1_000_000_000))
            _ = try $0.shareShards(owner)
            return owner
        }
    }

    func close() throws { try end.close() }

    func deploy(_ definitions: DAGDefinition...) async throws {
        try await store.write { try $0.storeDAGs(definitions, bundle: "default", bundleVersion: "1") }
    }

    func trigger(_ dagID: String, runID: String = "r1", params: JSONValue = .object([:])) async throws -> RunRow {
        let run = try await store.write {
            try $0.createRun(RunRequest(dagID: dagID, runID: runID, params: params))
        }
        try await advance()
        return run
    }

    func advance() async throws {
        for _ in 0..<1_000 {
            guard try await store.write({ try $0.advanceRuns(budget: 1_000) }) else { return }
        }
    }

    func claim(_ limit: Int = 100) async throws -> [ClaimedTask] {
        let worker = worker
        return try await store.write { try $0.claim(limit: limit, worker: worker) }
    }

    @discardableResult
    func succeed(_ task: ClaimedTask, output: String = "null", items: [String]? = nil) async throws -> Bool {
        try await finish(task, .success(output: output, items: items))
    }

    @discardableResult
    func finish(_ task: ClaimedTask, _ outcome: TaskReport.Outcome) async throws -> Bool {
        try await store.write {
            try $0.finish([
                TaskReport(taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, outcome: outcome)
            ])
        }[0]
    }

    @discardableResult
    func deferTask(
        _ task: ClaimedTask, key: String = "wait#0", trigger: TriggerSpec = .file("/a"), timeout: TimeSpan? = nil
    ) async throws -> Bool {
        try await store.write {
            try $0.deferTasks([
                Deferral(
                    taskInstanceID: task.taskInstanceID, dispatchID: task.dispatchID, key: key, trigger: trigger,
                    timeout: timeout, ranFor: .seconds(1))
            ])
        }[0]
    }

    func fire(_ waitID: Int64, _ outcome: WaitOutcome = .event(.string("here")), byHand: Bool = false) async throws
        -> Bool
    {
        let lease = byHand ? nil : lease
        return try await store.write {
            try $0.fire([Firing(waitID: waitID, outcome: outcome, by: byHand ? "anna" : "triggerer")], lease: lease)
        }[0]
    }

    func waits() async throws -> [WaitRow] {
        try await store.read { try $0.waits(WaitFilter()) }
    }

    /// The state of every instance, as `task` or `task[0]`.
    func states(_ run: RunRow) async throws -> [String: TaskState] {
        let rows = try await store.read { try $0.taskInstances(runKey: run.runKey) }
        return Dictionary(
            rows.map { ($0.key.mapIndex < 0 ? $0.key.taskID : "\($0.key.taskID)[\($0.key.mapIndex)]", $0.state) },
            uniquingKeysWith: { first, _ in first })
    }

    func state(_ run: RunRow) async throws -> RunState? {
        try await store.read { try $0.run(dagID: run.dagID, runID: run.runID) }?.state
    }

    /// No contradiction between the rows, and the file is sound.
    func faults() async throws -> [String] {
        try await store.check()
    }
}

extension TriggerSpec {
    static func file(_ path: String) -> TriggerSpec {
        TriggerSpec(kind: "file", target: path, definition: .object(["path": .string(path)]))
    }

    static func after(_ seconds: Int64) -> TriggerSpec {
        TriggerSpec(kind: "time", target: "after \(seconds) s", due: .after(.seconds(seconds)))
    }
}

extension TaskDefinition {
    static func code(_ id: String, after upstream: [Int] = [], _ change: (inout TaskDefinition) -> Void = { _ in })
        -> Self
    {
        var task = TaskDefinition(taskID: id, kind: .code(operatorName: "closure"), upstream: upstream)
        change(&task)
        return task
    }

    static func sensor(
        _ id: String, _ trigger: TriggerSpec, after upstream: [Int] = [], timeout: TimeSpan = .seconds(3600),
        softFail: Bool = false, _ change: (inout TaskDefinition) -> Void = { _ in }
    ) -> Self {
        var task = TaskDefinition(
            taskID: id, kind: .sensor(SensorDefinition(trigger: trigger, timeout: timeout, softFail: softFail)),
            upstream: upstream)
        change(&task)
        return task
    }
}

extension Transaction {
    /// Queues again what is held by workers other than these, as if they had died. Gives how many there were.
    func requeueOrphans(liveWorkers: [Int64]) throws -> Int {
        let dead = try processes(role: WorkerRow.role).map(\.processID).filter { !liveWorkers.contains($0) }
        return try forgetWorkers(ended: dead, overdue: [])
    }
}
