// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct TasksCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "tasks", abstract: "Show, clear, mark, read and try tasks.",
            subcommands: [
                TasksListCommand.self, TasksStatesCommand.self, TasksClearCommand.self, TasksMarkCommand.self,
                TasksLogsCommand.self, TasksFailedDepsCommand.self, TasksStateCommand.self,
                TasksTestCommand<Bundle>.self, TasksRenderCommand<Bundle>.self,
            ])
    }
}

struct TasksListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The tasks of a DAG.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let dag = dag
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let definition = try snapshot.definition(ofVersion: try snapshot.knownDAG(dag).versionID)
                return definition.tasks.map { DAGRecords.task($0, of: definition) }
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no tasks")
    }
}

struct TasksStatesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "states", abstract: "The task instances of a run, with why they failed.",
        aliases: ["states-for-dag-run"])

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Option(name: .long, help: "Only instances in this state.", transform: stateOption) var state: TaskState?
    @Flag(
        name: .long,
        help: "Look at the run by the newest version of its DAG: tasks that are not in it any more show 'removed'.")
    var newest = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (dag, run, state, newest) = (dag, run, state, newest)
        let records = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                let current = try newest ? snapshot.knownVersion(dag, nil) : nil
                let left = try current.map { try Self.left($0, row, snapshot) } ?? []
                return try snapshot.taskInstances(runKey: row.runKey).compactMap { instance -> Record? in
                    var shown = instance
                    if let current, left.contains(instance.key.taskID) {
                        shown.state = .removed
                        shown.message =
                            "it is not in version \(current.number) of the DAG; in this run: \(instance.state.rawValue)"
                    }
                    guard state == nil || shown.state == state else { return nil }
                    var record = RunRecords.instance(shown, now: snapshot.now)
                    record.fields.append(Record.Field(name: "message", value: .text(shown.message)))
                    return record
                }
            }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "no task instances")
    }

    /// The tasks of a run that a version of its DAG does not have.
    private static func left(_ version: DAGVersionRow, _ run: RunRow, _ snapshot: Snapshot) throws -> Set<String> {
        let before = try snapshot.definition(ofVersion: run.versionID).tasks.map(\.taskID)
        return Set(before).subtracting(try snapshot.definition(ofVersion: version.versionID).tasks.map(\.taskID))
    }
}

struct TasksClearCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "clear", abstract: "Run tasks of a run again: each gets a new try with an empty journal.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Option(name: .long, help: "Only this task. Default: every task of the run.") var task: String?
    @Option(name: .long, help: "Only this instance of a mapped task.") var mapIndex: Int?
    @Flag(name: .long, help: "Also everything that comes after the task.") var downstream = false
    @Flag(name: .long, help: "Only instances that failed or could not run because of a failure.") var onlyFailed = false
    @Flag(name: .long, help: "Show what would be cleared, and leave it as it is.") var dryRun = false
    @Flag(name: .customShort("y"), help: "Do not ask.") var yes = false
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws {
        if mapIndex != nil, task == nil { throw ValidationError("--map-index needs --task") }
        if downstream, task == nil { throw ValidationError("--downstream needs --task") }
    }

    func run() async throws {
        let (dag, run, task, mapIndex, downstream, onlyFailed) = (dag, run, task, mapIndex, downstream, onlyFailed)
        let outcome = try await home.withMetastore { home, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                if let task { _ = try snapshot.knownTask(task, of: row) }
                if let task, let mapIndex { _ = try snapshot.knownInstance(row, task, mapIndex) }
            }
            if !dryRun { try confirm() }
            let isTry = dryRun
            let outcome: Outcome
            do {
                outcome = try await metastore.write { transaction in
                    let before = try transaction.knownRun(dag, run)
                    let cleared = try transaction.clear(
                        dagID: dag, runID: run, taskID: task, mapIndex: mapIndex, downstream: downstream,
                        onlyFailed: onlyFailed, by: Person.name)
                    let outcome = Outcome(
                        cleared: cleared,
                        begins: try cleared.isEmpty && before.state.isFinished
                            && transaction.knownRun(dag, run).state == .running,
                        leftOut: try task == nil || downstream
                            ? transaction.departures(from: before).map(\.sentence) : [])
                    if isTry { throw TakenBack(outcome: outcome) }
                    return outcome
                }
            } catch let taken as TakenBack {
                outcome = taken.outcome
            }
            for sentence in outcome.leftOut {
                Console.shared.say(
                    "note: left out: \(sentence); it can be cleared once a bundle is deployed that has it")
            }
            if outcome.begins || !outcome.cleared.isEmpty, !dryRun {
                try home.noteMissingEngine("the tasks run once one is started")
            }
            return outcome
        }
        var listing = Listing(output.format)
        try listing.add(
            outcome.cleared.map { ["task_id": .text($0.taskID), "map_index": .number($0.mapIndex)] as Record })
        // It ended before it had any task instances.
        let begins = "the run \(run) \(dryRun ? "would begin" : "begins") again"
        try listing.finish(empty: outcome.begins ? begins : "nothing to clear")
    }

    /// What a clear did.
    private struct Outcome: Sendable {
        var cleared: [TaskInstanceKey]
        /// Whether the run begins again, having been cancelled before it had begun.
        var begins: Bool
        /// Why tasks were left out.
        var leftOut: [String]
    }

    /// Ends the transaction of a dry run without a trace, with what it did.
    private struct TakenBack: Error {
        var outcome: Outcome
    }

    private func confirm() throws {
        let what = task.map { "task \($0)\(downstream ? " and what comes after it" : "")" } ?? "every task"
        try Confirmation.ask("Clear \(what) of run \(run) of \(dag)?", isGiven: yes, "not cleared")
    }
}
