// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "dags", abstract: "Show, start, pause and delete DAGs.",
            subcommands: [
                DAGsListCommand.self, DAGsDetailsCommand.self, DAGsTriggerCommand.self, DAGsPauseCommand.self,
                DAGsUnpauseCommand.self, DAGsNextExecutionCommand.self, DAGsShowCommand.self, DAGsStateCommand.self,
                DAGsListRunsCommand.self, DAGsReportCommand.self, DAGsVersionsCommand.self, DAGsDiffCommand.self,
                DAGsDeleteCommand.self, DAGsTestCommand<Bundle>.self,
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

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
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

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @OptionGroup var home: HomeOption

    func run() async throws { try await DAGsPauseCommand.set(dag, paused: true, home) }

    static func set(_ dag: String, paused: Bool, _ option: HomeOption) async throws {
        try await option.withMetastore { home, metastore in
            try await metastore.write { transaction in
                _ = try transaction.knownDAG(dag)
                try transaction.setPaused(dag, paused)
                try transaction.auditCommand(paused ? "dags pause" : "dags unpause", dag)
            }
            try Console.shared.line("\(dag) is \(paused ? "paused" : "not paused")")
            if !paused { try home.noteMissingEngine("runs are created once one is started") }
        }
    }
}

struct DAGsUnpauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "unpause", abstract: "Let a held DAG go on.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @OptionGroup var home: HomeOption

    func run() async throws { try await DAGsPauseCommand.set(dag, paused: false, home) }
}
