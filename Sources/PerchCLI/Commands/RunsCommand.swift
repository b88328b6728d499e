// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct RunsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "Show, explain and cancel runs.",
        subcommands: [
            RunsListCommand.self, RunsDetailsCommand.self, RunsExplainCommand.self, RunsCancelCommand.self,
        ])
}

struct RunsListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "Runs, the newest first.")

    @Argument(help: "Only runs of this DAG.", completion: .dags) var dag: String?
    @Option(name: .long, help: "Only runs in this state: queued, running, success or failed.", transform: stateOption)
    var state: RunState?
    @Option(name: .long, help: "At most so many.") var limit = 100
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedLimit(limit) }

    func run() async throws {
        let (dag, state, limit) = (dag, state, limit)
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                if let dag { _ = try snapshot.knownDAG(dag) }
                return try snapshot.runs(dagID: dag, state: state, limit: limit).map(RunRecords.summary)
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no runs")
    }
}

struct RunsDetailsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "details", abstract: "One run with the states of its tasks.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (dag, run) = (dag, run)
        let record = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                return RunRecords.details(row, try snapshot.taskInstances(runKey: row.runKey), now: snapshot.now)
            }
        }
        try Listing.show(record, output.format)
    }
}

struct RunsCancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "End a run: what waits or has not begun ends at once, what runs cleans up first.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @OptionGroup var home: HomeOption

    func run() async throws {
        let (dag, run) = (dag, run)
        try await home.withMetastore { home, metastore in
            let (isCancelled, row) = try await metastore.write { transaction in
                _ = try transaction.knownRun(dag, run)
                let isCancelled = try transaction.cancelRun(dagID: dag, runID: run, by: Person.name)
                return (isCancelled, try transaction.knownRun(dag, run))
            }
            guard isCancelled else {
                throw PerchError(.conflict, "run \(run) of \(dag) has ended already (\(row.state.rawValue))")
            }
            try Console.shared.line("run \(run) of \(dag) is cancelled")
            try home.noteMissingEngine("tasks with clean-up end once one is started")
        }
    }
}

/// Runs and task instances as commands show them.
enum RunRecords {
    static func summary(_ run: RunRow) -> Record {
        [
            "dag_id": .text(run.dagID),
            "run_id": .text(run.runID),
            "run_type": .text(run.type.rawValue),
            "state": .text(run.state.rawValue),
            "logical_date": .instant(run.logicalDate),
            "start_date": .instant(run.startDate),
            "end_date": .instant(run.endDate),
        ]
    }

    static func details(_ run: RunRow, _ instances: [TaskInstanceRow], now: Timestamp) -> Record {
        [
            "dag_id": .text(run.dagID),
            "run_id": .text(run.runID),
            "run_type": .text(run.type.rawValue),
            "state": .text(run.state.rawValue),
            "logical_date": .instant(run.logicalDate),
            "data_interval_start": .instant(run.dataIntervalStart),
            "data_interval_end": .instant(run.dataIntervalEnd),
            "queued_at": .instant(run.queuedAt),
            "start_date": .instant(run.startDate),
            "end_date": .instant(run.endDate),
            "params": .value(run.params),
            "tasks": .list(instances.map { .record(instance($0, now: now)) }),
        ]
    }

    static func instance(_ row: TaskInstanceRow, now: Timestamp) -> Record {
        [
            "task_id": .text(row.key.taskID),
            "map_index": .number(row.key.mapIndex),
            "state": .text(row.state.rawValue),
            "try_number": .number(row.tryNumber),
            "start_date": .instant(row.startDate),
            "end_date": .instant(row.endDate),
            "duration": .seconds(row.startDate.map { (row.endDate ?? now) - $0 }),
        ]
    }
}
