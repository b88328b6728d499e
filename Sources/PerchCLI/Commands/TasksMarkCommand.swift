// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct TasksMarkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mark", abstract: "Say how a task has ended, without running it.",
        discussion: """
            What is under way is cancelled first, with its clean-up. Tasks after it that have not begun go on by what is said; \
            those that have ended stay as they are: 'tasks clear --only-failed' lets them begin again.
            """)

    enum State: String, CaseIterable, ExpressibleByArgument {
        case success, failed, skipped

        var state: TaskState {
            switch self {
            case .success: .success
            case .failed: .failed
            case .skipped: .skipped
            }
        }
    }

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Argument(help: "success, failed or skipped.") var state: State
    @Option(name: .long, help: "Only this instance of a mapped task.") var mapIndex: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let (dag, run, task, mapIndex, state) = (dag, run, task, mapIndex, state.state)
        let records = try await home.withMetastore { home, metastore in
            let marked = try await metastore.write { transaction in
                _ = try transaction.knownTask(task, of: try transaction.knownRun(dag, run))
                return try transaction.mark(
                    dagID: dag, runID: run, taskID: task, mapIndex: mapIndex, as: state, by: Person.name)
            }
            if !marked.isEmpty { try home.noteMissingEngine("what comes after it goes on once one is started") }
            return marked.map { ["task_id": .text($0.taskID), "map_index": .number($0.mapIndex)] as Record }
        }
        var listing = Listing(output.format)
        try listing.add(records)
        try listing.finish(empty: "\(task) is \(state.rawValue) already")
    }
}
