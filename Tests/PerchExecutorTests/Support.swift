// SPDX-License-Identifier: Apache-2.0

import CLinux
import Foundation
import Logging
import PerchBundle
import PerchMetastore
import PerchReactor
import PerchSDK
import Synchronization
import Testing

@testable import PerchExecutor

/// The system's clock: these tests run real processes.
struct WallClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
}

/// The executable of misbehaving tasks, which stands beside the tests' own.
let fixture: String = {
    // Because /proc is always there where these tests can run, a failure shows as a fixture that is not found.
    let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent("bundle-fixture").path
}()

/// Files of logs, and what was said of their ends.
final class EndsHeard: AttemptLog {
    private let files: AttemptLogStore
    private let heard = Mutex<[(logged: LoggedTry, isOver: Bool)]>([])
    private let workers = Mutex<[Int64]>([])

    init(_ files: AttemptLogStore) { self.files = files }

    /// Whether an end of a task's log was told, and with it the end of its try.
    func isOver(_ taskID: String) -> [Bool] {
        heard.withLock { $0.filter { $0.logged.key.taskID == taskID }.map(\.isOver) }
    }

    /// Who has begun to work.
    var begun: [Int64] { workers.withLock { $0 } }

    func began(by worker: Int64) { workers.withLock { $0.append(worker) } }

    func append(_ lines: [LogLine], to key: TaskInstanceKey, tryNumber: Int, worth: LogWorth) {
        files.append(lines, to: key, tryNumber: tryNumber, worth: worth)
    }

    func ended(_ logged: LoggedTry, by worker: Int64, isOver: Bool) {
        heard.withLock { $0.append((logged, isOver)) }
    }

    var hearsEnds: Bool { true }

    func flush() async { await files.flush() }
}

/// A home with a metastore and an executor on it, removed afterwards.
final class Engine: Sendable {
    let home: String
    let store: Metastore
    let executor: Executor
    let logs: AttemptLogStore
    /// Which logs the executor has told to be at their end.
    let ends: EndsHeard
    private let bells: AsyncStream<Void>

    init(
        launcher: ((_ home: String) -> any BundleLauncher)? = nil, conditions: BundleConditions = BundleConditions(),
        home: String? = nil,
        secrets: ExecutorSecrets = ExecutorSecrets(),
        _ configure: (inout Executor.Configuration) -> Void = { _ in }
    ) async throws {
        let home = home ?? NSTemporaryDirectory() + "perch-exec-\(UUID().uuidString.prefix(8))"
        self.home = home
        store = try await Self.open(home)
        logs = AttemptLogStore(directory: home + "/logs")
        ends = EndsHeard(logs)
        var configuration = Executor.Configuration()
        configuration.killGrace = TimeSpan(microseconds: 200_000)
        configuration.drainTimeout = TimeSpan(microseconds: 200_000)
        configure(&configuration)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let clock = WallClock()
        executor = Executor(
            metastore: store,
            reactor: try ThreadReactor(name: "perch-executor", now: { clock.now.microseconds }),
            processes: SystemProcesses(),
            launcher: launcher?(home)
                ?? ProcessLauncher(home: home, executable: fixture, arguments: [], conditions: conditions),
            logs: ends, configuration: configuration, logger: logger, secrets: secrets)
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        bells = stream
        store.doorbells.subscribe([.finished, .waits, .queue, .runs, .cancels]) { _ in continuation.yield() }
    }

    /// A process that another test is just starting has the lock of a home that was closed, up to its exec.
    private static func open(_ home: String) async throws -> Metastore {
        for _ in 0..<100_000 {
            do {
                return try Metastore.open(home: home, access: .engine, clock: WallClock())
            } catch let error as PerchError where error.message.contains("is in use by") {
                await Task.yield()
            }
        }
        return try Metastore.open(home: home, access: .engine, clock: WallClock())
    }

    func stop() async throws {
        await executor.stop()
        await logs.close()
        try store.close()
        try FileManager.default.removeItem(atPath: home)
    }

    /// Starts a run of a DAG with the file that its tasks write to.
    func begin(_ dagID: String, runID: String = "r1") async throws {
        let file = JSONValue.string(file)
        try await store.write { transaction in
            _ = try transaction.createRun(
                RunRequest(dagID: dagID, runID: runID, params: .object(["file": file])))
            while try transaction.advanceRuns(budget: 1_000) {}
        }
    }

    var file: String { home + "/notes" }

    var notes: [String] {
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""  // because nothing may be written yet
        return text.split(separator: "\n").map(String.init)
    }

    /// The instances of a run, once `condition` holds of them; looks again whenever a doorbell rings.
    @discardableResult
    func instances(
        of dagID: String, runID: String = "r1", when condition: ([TaskInstanceRow]) -> Bool
    ) async throws -> [TaskInstanceRow] {
        var iterator = bells.makeAsyncIterator()
        while true {
            let rows = try await store.read { snapshot in
                guard let run = try snapshot.run(dagID: dagID, runID: runID) else { return [TaskInstanceRow]() }
                return try snapshot.taskInstances(runKey: run.runKey)
            }
            if !rows.isEmpty, condition(rows) { return rows }
            await iterator.next()
        }
    }

    /// Returns once a run has ended.
    func waitForEnd(of dagID: String, runID: String = "r1") async throws -> RunState {
        var iterator = bells.makeAsyncIterator()
        while true {
            let state = try await store.read { try $0.run(dagID: dagID, runID: runID)?.state }
            if let state, state.isFinished { return state }
            await iterator.next()
        }
    }

    /// The only instance of a run, once it has ended.
    func end(of dagID: String, runID: String = "r1") async throws -> TaskInstanceRow {
        try #require(try await instances(of: dagID, runID: runID) { $0.allSatisfy(\.state.isFinished) }.first)
    }

    func log(of taskID: String, runID: String = "r1", try number: Int = 1) async throws -> String {
        await logs.flush()
        let key = TaskInstanceKey(dagID: taskID, runID: runID, taskID: taskID)
        return try logs.text(of: key, tryNumber: number) ?? ""
    }
}

extension Engine {
    /// Returns once the tasks' file satisfies a condition; the directory is watched.
    func waitForNotes(_ condition: ([String]) -> Bool) async throws {
        let watch = inotify_init1(Int32(IN_CLOEXEC))
        defer { close(watch) }
        inotify_add_watch(watch, home, UInt32(IN_MODIFY | IN_CREATE | IN_CLOSE_WRITE))
        var turns = 0
        while !condition(notes) {
            // On a thread of its own: the pool's threads must not block.
            let isReadable = await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    var entry = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
                    continuation.resume(returning: poll(&entry, 1, 60_000) == 1)
                }
            }
            try #require(isReadable, "nothing was written in a minute")
            var bytes = [UInt8](repeating: 0, count: 4096)
            _ = read(watch, &bytes, bytes.count)
            turns += 1
            try #require(turns < 10_000)
        }
    }
}

/// A metastore whose only use is to hand out claims.
struct ClaimStage {
    private let store: Metastore
    private let home = NSTemporaryDirectory() + "perch-claim-\(UUID().uuidString.prefix(8))"

    init() async throws {
        store = try Metastore.open(home: home, access: .engine, clock: WallClock())
    }

    /// The tasks of one run of a DAG, claimed.
    func claim(_ definition: DAGDefinition, asSuspects: Bool) async throws -> [ClaimedTask] {
        let claimed = try await store.write { transaction in
            try transaction.storeDAGs([definition], bundle: "default", bundleVersion: "1")
            _ = try transaction.createRun(RunRequest(dagID: definition.dagID, runID: "r1"))
            while try transaction.advanceRuns(budget: 1_000) {}
            let claimed = try transaction.claim(limit: 100, worker: 1)
            guard asSuspects else { return claimed }
            try transaction.requeue(claimed.map { ($0.taskInstanceID, $0.dispatchID) }, asSuspects: true)
            return try transaction.claim(limit: 100, worker: 1)
        }
        try store.close()
        try FileManager.default.removeItem(atPath: home)
        return claimed
    }
}
