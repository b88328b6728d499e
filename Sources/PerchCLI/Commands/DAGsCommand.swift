// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "dags", abstract: "Show, start and pause DAGs.",
            subcommands: [
                DAGsListCommand.self, DAGsDetailsCommand.self, DAGsTriggerCommand.self, DAGsPauseCommand.self,
                DAGsUnpauseCommand.self, DAGsNextExecutionCommand.self, DAGsTestCommand<Bundle>.self,
                DAGsListImportErrorsCommand.self, DAGsSchemaCommand.self,
            ])
    }
}

struct DAGsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Every DAG, with its next run.")

    @Flag(name: .long, help: "Also DAGs that the current bundle does not have any more.")
    var all = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let all = all
        let (records, files) = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let records = try snapshot.dags().filter { all || $0.isActive }.map { row in
                    DAGRecords.summary(row, try snapshot.definition(ofVersion: row.versionID))
                }
                return (records, Set(try snapshot.importErrors().map(\.problem.file)))
            }
        }
        if !files.isEmpty {
            let what = files.count == 1 ? "a file is wrong" : "\(files.count) files are wrong"
            Console.shared.say("note: \(what); `\(ProgramName.current) dags list-import-errors` says why")
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no DAGs: the engine stores them when it has started a bundle")
    }
}

struct DAGsDetailsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "details", abstract: "Everything about one DAG.")

    @Argument(help: "The DAG's id.") var dag: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let id = dag
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownDAG(id)
                return DAGRecords.details(row, try snapshot.definition(ofVersion: row.versionID))
            }
        }
        try Listing.show(record, output.format)
    }
}

struct DAGsPauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Hold a DAG: no new runs, no dispatch. What waits is watched all the same.")

    @Argument(help: "The DAG's id.") var dag: String
    @OptionGroup var home: HomeOption

    func run() async throws { try await DAGsPauseCommand.set(dag, paused: true, home) }

    static func set(_ dag: String, paused: Bool, _ option: HomeOption) async throws {
        try await option.withMetastore { home, metastore in
            try await metastore.write { try $0.setPaused(dag, paused) }
            try Console.shared.line("\(dag) is \(paused ? "paused" : "not paused")")
            if !paused { try home.noteMissingEngine("runs are created once one is started") }
        }
    }
}

struct DAGsUnpauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unpause", abstract: "Let a held DAG go on.")

    @Argument(help: "The DAG's id.") var dag: String
    @OptionGroup var home: HomeOption

    func run() async throws { try await DAGsPauseCommand.set(dag, paused: false, home) }
}

extension Snapshot {
    /// A DAG that is there; unknown ids are an error that says what is.
    func knownDAG(_ id: String) throws -> DAGRow {
        if let row = try dag(id) { return row }
        throw unknownDAG(id, known: try dags().map(\.dagID))
    }

    private func unknownDAG(_ id: String, known: [String]) -> PerchError {
        let names = known.sorted().prefix(10).joined(separator: ", ")
        let more = known.count > 10 ? ", …" : ""
        return PerchError(
            .notFound,
            known.isEmpty
                ? "there is no DAG '\(id)', nor any other: the engine stores them when it has started a bundle"
                : "there is no DAG '\(id)'; there are \(names)\(more)")
    }

    /// A run that is there.
    func knownRun(_ dagID: String, _ runID: String) throws -> RunRow {
        _ = try knownDAG(dagID)
        if let run = try run(dagID: dagID, runID: runID) { return run }
        throw PerchError(
            .notFound,
            "DAG '\(dagID)' has no run '\(runID)'; `\(ProgramName.current) runs list \(dagID)` shows its runs")
    }
}
