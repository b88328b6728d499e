// SPDX-License-Identifier: Apache-2.0

import Foundation
import PerchCLI
import PerchMetastore
import PerchSDK

/// A standalone, started from this same executable on a home of its own, and a metastore beside it to ask.
final class EngineUnderTest: Sendable {
    let place: Place
    let metastore: Metastore
    /// When the process was started, by `Monotonic`.
    let startedAt: Double
    /// From the start of the process until it said that it is ready, in seconds.
    let readyAfter: Double
    let tree: ProcessTree
    private let process: Process

    var isRunning: Bool { process.isRunning }

    /// - Parameters:
    ///   - bench: Which DAG of `BenchBundle`.
    ///   - size: How large that DAG is.
    ///   - room: How many slots the pool has and how many tasks may run at once.
    ///   - variables: What else stands in the engine's environment.
    init(_ place: Place, bench: String, size: Int, room: Int, variables: [String: String] = [:]) async throws {
        self.place = place
        _ = try Metastore.migrate(home: place.home, clock: WallClock())
        try RawSQLite.widenPool(home: place.home, slots: max(room, 128))
        process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe")
        process.arguments = ["standalone", "--home", place.home]
        var environment = ProcessInfo.processInfo.environment
        environment[BenchBundle.caseVariable] = bench
        environment[BenchBundle.sizeVariable] = "\(size)"
        environment[BenchBundle.reportVariable] = place.reportSocket
        environment["PERCH__CORE__PARALLELISM"] = "\(min(max(room, 32), 1_000_000))"
        environment["PERCH__LOG__LEVEL"] = "notice"
        environment.merge(variables) { $1 }
        process.environment = environment
        let errors = Pipe()
        process.standardError = errors
        startedAt = Monotonic.seconds
        try process.run()
        tree = ProcessTree(root: process.processIdentifier)
        try Self.waitForReadiness(errors.fileHandleForReading)
        readyAfter = Monotonic.seconds - startedAt
        metastore = try Metastore.open(home: place.home, access: .command, clock: WallClock())
        // A bundle describes its DAGs after the engine is ready.
        if !bench.isEmpty { try await until("the DAG is stored", within: 60) { try !$0.dags().isEmpty } }
    }

    /// An engine of a case that went wrong does not live on.
    deinit { if process.isRunning { process.terminate() } }

    /// Reads the engine's messages until it is ready, and goes on reading so that it never blocks on them.
    private static func waitForReadiness(_ errors: FileHandle) throws {
        var text = ""
        while !text.contains("ready") {
            let chunk = errors.availableData
            guard !chunk.isEmpty else { throw BenchError("the engine did not start: \(text)") }
            text += String(decoding: chunk, as: UTF8.self)
        }
        Thread.detachNewThread {
            while true {
                let chunk = errors.availableData
                if chunk.isEmpty { return }
                for line in String(decoding: chunk, as: UTF8.self).split(separator: "\n") where line != "stopping" {
                    FileHandle.standardError.write(Data("\(line)\n".utf8))
                }
            }
        }
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

    /// Returns when a condition holds in the metastore; asks every 20 ms.
    func until(_ what: String, within seconds: Double, _ isReached: @escaping @Sendable (Snapshot) throws -> Bool)
        async throws
    {
        let end = Monotonic.seconds + seconds
        while try await !metastore.read(isReached) {
            guard process.isRunning else { throw BenchError("the engine ended before \(what)") }
            guard Monotonic.seconds < end else { throw BenchError("not within \(Int(seconds)) s: \(what)") }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Returns when the triggerer holds so many waits in memory.
    func untilArmed(_ count: Int, kind: String = "time", within seconds: Double) async throws {
        let inspection = try LineSocket(path: place.home + "/inspect.sock")
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
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        try metastore.close()
    }

    /// Ends the engine.
    func stop() throws {
        process.terminate()
        process.waitUntilExit()
        try metastore.close()
    }
}

struct WallClock: PerchClock {
    var now: Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1e6)) }
}
