// SPDX-License-Identifier: Apache-2.0

import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchCLI

/// A home whose metastore a test has filled, and the commands on it.
struct StagedHome {
    let folder: Folder
    let program: Program

    init() throws {
        folder = try Folder()
        program = Program("perch", environment: ["PERCH_HOME": folder.path])
        _ = try Metastore.migrate(home: folder.path, clock: SystemClock())
    }

    /// Changes the metastore as an engine would, and closes it again.
    @discardableResult
    func engine<Result: Sendable>(
        at clock: any PerchClock = SystemClock(), _ body: (Metastore) async throws -> Result
    ) async throws -> Result {
        let metastore = try Metastore.open(home: folder.path, access: .engine, clock: clock)
        do {
            let result = try await body(metastore)
            try metastore.close()
            return result
        } catch {
            try metastore.close()
            throw error
        }
    }

    func deploy(_ definitions: DAGDefinition..., bundleVersion: String = "1") async throws {
        try await engine { store in
            try await store.write {
                try $0.storeDAGs(definitions, bundle: "default", bundleVersion: bundleVersion)
            }
        }
    }

    /// Starts a run and creates its instances.
    func trigger(_ dag: String, _ run: String) async throws {
        try await engine { store in
            _ = try await store.write { try $0.createRun(RunRequest(dagID: dag, runID: run)) }
            while try await store.write({ try $0.advanceRuns(budget: 1_000) }) {}
        }
    }

    /// Runs what is queued, to the end that `outcome` says.
    func work(_ outcome: @escaping @Sendable (ClaimedTask) -> TaskReport.Outcome) async throws {
        try await engine { store in
            let worker = try await store.write {
                try $0.registerProcess(
                    role: "worker", pid: 1, startTime: 1, bootID: "b", host: "h", lease: .seconds(60))
            }
            while true {
                let tasks = try await store.write { try $0.claim(limit: 1_000, worker: worker) }
                if tasks.isEmpty { break }
                _ = try await store.write { transaction in
                    try transaction.finish(
                        tasks.map {
                            TaskReport(
                                taskInstanceID: $0.taskInstanceID, dispatchID: $0.dispatchID, outcome: outcome($0))
                        })
                }
                while try await store.write({ try $0.advanceRuns(budget: 1_000) }) {}
            }
            try await store.write { try $0.removeProcess(worker) }
        }
    }

    func succeedAll() async throws {
        try await work { _ in .success(output: "null", items: nil) }
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let outcome = try program.run(arguments + ["-o", "json"])
        #expect(outcome.code == 0, "\(arguments) \(outcome)")
        return try JSONValue(parsing: outcome.output)
    }

    /// A command that could not be done, as it says in a line with these words in it.
    func refuses(_ words: String, _ arguments: String...) throws { try refuses(code: 1, words, arguments) }

    /// A command that was given wrongly, as it says in a line with these words in it.
    func refusesUsage(_ words: String, _ arguments: String...) throws { try refuses(code: 64, words, arguments) }

    private func refuses(code: Int32, _ words: String, _ arguments: [String]) throws {
        let outcome = try program.run(arguments)
        #expect(outcome.code == code && outcome.output.isEmpty, "\(arguments) \(outcome)")
        #expect(outcome.errors.contains(words), "\(arguments) \(outcome.errors)")
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }
}

extension JSONValue {
    var list: [JSONValue] { if case .array(let elements) = self { elements } else { [] } }
    var names: Set<String> { if case .object(let members) = self { Set(members.keys) } else { [] } }
}

extension DAGDefinition {
    static func code(_ dagID: String, _ tasks: (String, [Int])...) -> DAGDefinition {
        DAGDefinition(
            dagID: dagID,
            tasks: tasks.map { TaskDefinition(taskID: $0.0, kind: .code(operatorName: "closure"), upstream: $0.1) })
    }
}
