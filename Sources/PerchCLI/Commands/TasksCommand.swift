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
        let records = try await home.withMetastore { home, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                if let task { _ = try snapshot.knownTask(task, of: row) }
                if let task, let mapIndex { _ = try snapshot.knownInstance(row, task, mapIndex) }
            }
            if !dryRun { try confirm() }
            let isTry = dryRun
            let cleared: [TaskInstanceKey]
            do {
                cleared = try await metastore.write {
                    let cleared = try $0.clear(
                        dagID: dag, runID: run, taskID: task, mapIndex: mapIndex, downstream: downstream,
                        onlyFailed: onlyFailed, by: Person.name)
                    if isTry { throw TakenBack(cleared: cleared) }
                    return cleared
                }
            } catch let taken as TakenBack {
                cleared = taken.cleared
            }
            if !cleared.isEmpty, !dryRun { try home.noteMissingEngine("the tasks run once one is started") }
            return cleared.map { ["task_id": .text($0.taskID), "map_index": .number($0.mapIndex)] as Record }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "nothing to clear")
    }

    /// Ends the transaction of a dry run without a trace, with what it did.
    private struct TakenBack: Error {
        var cleared: [TaskInstanceKey]
    }

    private func confirm() throws {
        let what = task.map { "task \($0)\(downstream ? " and what comes after it" : "")" } ?? "every task"
        try Confirmation.ask("Clear \(what) of run \(run) of \(dag)?", isGiven: yes, "not cleared")
    }
}
