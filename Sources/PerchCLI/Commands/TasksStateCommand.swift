// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct TasksStateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "state", abstract: "The state of one task of a run, on a line.",
        discussion: "Of a mapped task without --map-index: how many of its instances are in which state.")

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Option(name: .long, help: "The instance of a mapped task, from 0.") var mapIndex: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedMapIndex(mapIndex) }

    func run() async throws {
        let (dag, run, task, mapIndex) = (dag, run, task, mapIndex)
        let instances = try await home.withMetastore { _, metastore in
            try await metastore.read { snapshot in
                let row = try snapshot.knownRun(dag, run)
                let definition = try snapshot.knownTask(task, of: row)
                if mapIndex == nil, definition.mappedOver != nil {
                    return try snapshot.taskInstances(of: row, taskID: task)
                }
                return [try snapshot.knownInstance(row, task, mapIndex)]
            }
        }
        let counts = TaskState.allCases.compactMap { state in
            let count = instances.count { $0.state == state }
            return count == 0 ? nil : (state: state, count: count)
        }
        guard output.format == .table else {
            let record: Record = [
                "dag_id": .text(dag), "run_id": .text(run), "task_id": .text(task),
                "map_index": .number(mapIndex.map(Int64.init) ?? -1),
                "state": .text(counts.count == 1 ? counts[0].state.rawValue : nil),
                "states": HindranceRecords.states(counts),
            ]
            return try Listing.show(record, output.format)
        }
        let isOne = instances.count == 1
        try Console.shared.line(isOne ? counts[0].state.rawValue : HindranceRecords.words(counts))
        try Console.shared.flush()
    }
}
