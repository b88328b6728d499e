// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchCLI
import PerchMetastore
import PerchSDK
import Synchronization

/// An engine on a home of its own: a standalone, or its roles in processes of their own; and a metastore beside it to ask.
final class EngineUnderTest: Sendable {
    let place: Place
    let metastore: Metastore
    private let environment: [String: String]
    /// In the order in which they were started.
    private let crew: Mutex<[RoleUnderTest]>

    /// The process that was started first.
    let first: RoleUnderTest

    var isRunning: Bool { crew.withLock { $0.allSatisfy(\.isRunning) } }
    var tree: ProcessTree { ProcessTree(roots: crew.withLock { $0.map(\.pid) }) }

    /// - Parameters:
    ///   - bench: Which DAG of `BenchBundle`.
    ///   - size: How large that DAG is.
    ///   - room: How many slots the pool has and how many tasks may run at once.
    ///   - variables: What else stands in the engine's environment.
    ///   - roles: The processes that it is made of.
    init(
        _ place: Place, bench: String, size: Int, room: Int, variables: [String: String] = [:],
        roles: [String] = ["standalone"]
    ) async throws {
        self.place = place
        try place.makeMetastore(slots: room)
        var environment = place.environment
        environment[BenchBundle.caseVariable] = bench
        environment[BenchBundle.sizeVariable] = "\(size)"
        environment[BenchBundle.reportVariable] = place.reportSocket
        environment["PERCH__CORE__PARALLELISM"] = "\(min(max(room, 32), 1_000_000))"
        environment["PERCH__LOG__LEVEL"] = "notice"
        environment.merge(variables) { $1 }
        self.environment = environment
        let processes = try roles.map {
            try RoleUnderTest($0, ["--home", place.home], environment: environment)
        }
        guard let first = processes.first else { throw BenchError("an engine has a process") }
        self.first = first
        crew = Mutex(processes)
        metastore = try place.openMetastore(.command)
        // A bundle describes its DAGs after the engine is ready.
        if !bench.isEmpty { try await until("the DAG is stored", within: 60) { try !$0.dags().isEmpty } }
    }

    /// Starts a further process.
    ///
    /// - Parameter home: Another one than that of the rest; the metastore is the same where it lies on a server.
    func start(_ role: String, _ arguments: [String] = [], home: String? = nil) throws -> RoleUnderTest {
        let process = try RoleUnderTest(role, ["--home", home ?? place.home] + arguments, environment: environment)
        crew.withLock { $0.append(process) }
        return process
    }

    /// Ends one of its processes as a crash does.
    func kill(_ process: RoleUnderTest) {
        crew.withLock { $0.removeAll { $0 === process } }
        process.kill()
    }

    /// Starts runs, and returns the first one's id when they are durable.
    @discardableResult
    func trigger(_ dag: String, runs: Int = 1) async throws -> String {
        try await metastore.read { try $0.prepareRun(ofDAG: dag) }
        return try await metastore.write { transaction in
            var first = ""
            for index in 0..<runs {
                let run = try transaction.createRun(RunRequest(dagID: dag, runID: "bench_\(index)"))
                if index == 0 { first = run.runID }
            }
            return first
        }
    }

    /// Returns when a condition holds in the metastore. Asks every 20 ms, or less often where an answer takes so long that
    /// asking would be felt.
    func until(_ what: String, within seconds: Double, _ isReached: @escaping @Sendable (Snapshot) throws -> Bool)
        async throws
    {
        let end = Monotonic.seconds + seconds
        while true {
            let asked = Monotonic.seconds
            if try await metastore.read(isReached) { return }
            let now = Monotonic.seconds
            if let ended = crew.withLock({ $0.first { !$0.isRunning } }) {
                throw BenchError("the \(ended.role) ended before \(what)")
            }
            guard now < end else { throw BenchError("not within \(Int(seconds)) s: \(what)") }
            try await Task.sleep(for: .seconds(max(0.02, 3 * (now - asked))))
        }
    }

    /// Returns when the triggerer holds so many waits in memory.
    ///
    /// - Parameter triggerer: One in a process of its own; nil: the standalone's.
    func untilArmed(
        _ count: Int, kind: String = "time", by triggerer: RoleUnderTest? = nil, within seconds: Double
    ) async throws {
        let socket = triggerer.map { "inspect-\($0.pid).sock" } ?? "inspect.sock"
        let inspection = try LineSocket(path: place.home + "/" + socket)
        let end = Monotonic.seconds + seconds
        while true {
            try inspection.send(#"{"summary":true}"#)
            let summary = try JSONValue(parsing: try inspection.receive())["summary"]
            if case .integer(let waits)? = summary?["waits"]?[kind], waits >= count { return }
            guard Monotonic.seconds < end else {
                throw BenchError("not all of \(count) waits were armed: \(summary?.text ?? "")")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Waits for the end of a run and gives it with its instances.
    func finished(_ dag: String, _ runID: String, within seconds: Double) async throws -> (RunRow, [TaskInstanceRow]) {
        try await until("run \(runID) ends", within: seconds) { snapshot in
            try snapshot.run(dagID: dag, runID: runID)?.state.isFinished == true
        }
        return try await metastore.read { snapshot in
            guard let run = try snapshot.run(dagID: dag, runID: runID) else { throw BenchError("run \(runID) is gone") }
            guard run.state == .success else { throw BenchError("run \(runID) ended as \(run.state.rawValue)") }
            return (run, try snapshot.taskInstances(runKey: run.runKey))
        }
    }

    /// The engine's and its children's CPU over some seconds, in percent of one core.
    func processorShare(over seconds: Double) async throws -> Double {
        let before = try tree.processorTime()
        let start = Monotonic.seconds
        try await Task.sleep(for: .seconds(seconds))
        return (try tree.processorTime() - before) / (Monotonic.seconds - start) * 100
    }

    /// Ends the engine as a crash does.
    func kill() throws {
        for process in crew.withLock({ $0 }) { process.kill() }
        try metastore.close()
    }

    /// Ends the engine, whoever came last first.
    func stop() throws {
        for process in crew.withLock({ $0 }).reversed() { process.stop() }
        try metastore.close()
    }
}

struct WallClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) }
}
