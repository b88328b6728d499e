// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsTriggerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trigger", abstract: "Start a run. Prints its run id once it is durable.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Option(name: .long, help: "The run's id. Default: made from the moment.") var runID: String?
    @Option(
        name: [.long, .customLong("conf")],
        help: ArgumentHelp("Values over the DAG's default params: a JSON object.", valueName: "json"))
    var params: String?
    @Option(
        name: .long,
        help: ArgumentHelp("The run's logical date: 2026-01-01, or an instant. Default: now.", valueName: "instant"))
    var logicalDate: String?
    @Flag(name: .long, help: "Stay until the run has ended; exit code 1 where it failed.") var wait = false
    @OptionGroup var home: HomeOption

    func run() async throws {
        let params = try params.map { try JSONValue.option("--params", $0) } ?? .object([:])
        guard case .object = params else { throw ValidationError("--params is no JSON object") }
        let dag = dag
        var asked = RunRequest(dagID: dag, runID: runID, params: params)
        asked.logicalDate = try Self.date(logicalDate)
        let request = asked
        try await home.withMetastore { home, metastore in
            try await metastore.read { try $0.prepareRun(ofDAG: dag) }
            let run = try await metastore.write { transaction in
                let row = try transaction.knownDAG(dag)
                guard row.isActive else {
                    throw PerchError(.notFound, "DAG '\(dag)' is not in the current bundle any more")
                }
                return (try transaction.createRun(request), row.isPaused)
            }
            try Console.shared.line(run.0.runID)
            try Console.shared.flush()
            if run.1 {
                Console.shared.say(
                    "note: \(dag) is paused; the run starts after `\(ProgramName.current) dags unpause \(dag)`")
            }
            try home.noteMissingEngine("the run starts once one is started")
            if wait { try await Self.waitForEnd(of: run.0, home, metastore) }
        }
    }

    private static func date(_ text: String?) throws -> Timestamp? {
        do {
            return try text.map { try Timestamp(parsing: $0, dateIn: "UTC") }
        } catch let error as PerchError {
            throw ValidationError("--logical-date: \(error.message)")
        }
    }

    /// Returns when the run has succeeded; throws where it has failed.
    private static func waitForEnd(of run: RunRow, _ home: Home, _ metastore: Metastore) async throws {
        let changes = try ChangeWatch(paths: [home.paths.database + "-wal"])
        while true {
            let current = try await metastore.read { try $0.run(dagID: run.dagID, runID: run.runID) }
            switch current?.state {
            case .success: return
            case .failed: throw PerchError(.unavailable, "run \(run.runID) of \(run.dagID) failed")
            case .queued, .running: changes.wait()
            case nil: throw PerchError(.notFound, "run \(run.runID) of \(run.dagID) is gone")
            }
        }
    }
}
