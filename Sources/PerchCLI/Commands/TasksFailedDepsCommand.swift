// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct TasksFailedDepsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failed-deps", abstract: "Why a task of a run does not run, in sentences.",
        discussion: """
            Says what it waits for: other tasks, a pool or a limit and who holds it, a retry, a worker, an engine, or \
            whatever it is deferred on. Of a mapped task without --map-index: the reasons of all of its instances.
            """)

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Option(name: .long, help: "The instance of a mapped task, from 0.") var mapIndex: Int?
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedMapIndex(mapIndex) }

    /// What there is to say, of one instance or of all of a mapped task.
    private struct Answer {
        var states: [(state: TaskState, count: Int)]
        var groups: [RunExplanation.Group]
        var untold: [(state: TaskState, count: Int)] = []
    }

    func run() async throws {
        let answer = try await home.withMetastore { home, metastore in
            let isRunning = try home.mayHaveEngine()
            let (dag, run, task, mapIndex) = (dag, run, task, mapIndex)
            var answer = try await metastore.read {
                try Self.answer($0, dag, run, task, mapIndex, isEngineRunning: isRunning)
            }
            for index in answer.groups.indices {
                answer.groups[index].reason = try await answer.groups[index].reason.explained(home, metastore)
            }
            return answer
        }
        guard output.format == .table else { return try Listing.show(record(answer), output.format) }
        let name = mapIndex.map { "\(task)[\($0)]" } ?? task
        let states = answer.states.isEmpty ? "not created" : HindranceRecords.words(answer.states)
        let isMany = answer.states.reduce(0) { $0 + $1.count } > 1
        try Console.shared.line(SafeText.neutralised("\(dag) \(run) \(name): \(states)"))
        for group in answer.groups {
            let names = isMany ? "\(HindranceRecords.names(group)): " : ""
            try Console.shared.line(SafeText.neutralised(names + group.reason.text))
        }
        for (state, count) in answer.untold {
            try Console.shared.line("And \(count) more that are \(state.rawValue).")
        }
        try Console.shared.flush()
    }

    private static func answer(
        _ snapshot: Snapshot, _ dag: String, _ run: String, _ task: String, _ mapIndex: Int?, isEngineRunning: Bool
    ) throws -> Answer {
        let row = try snapshot.knownRun(dag, run)
        _ = try snapshot.knownTask(task, of: row)
        let key = TaskInstanceKey(dagID: dag, runID: run, taskID: task, mapIndex: mapIndex ?? -1)
        let reasons = try snapshot.hindrances(key, isEngineRunning: isEngineRunning)
        if !reasons.isEmpty {
            let state = try snapshot.taskInstance(key)?.state
            // What is being mapped has instances that have more to say.
            let isMapping = reasons.contains { $0.kind == .beingMapped }
            if !isMapping || mapIndex != nil {
                return Answer(
                    states: state.map { [($0, 1)] } ?? [],
                    groups: reasons.map { RunExplanation.Group(reason: $0, tasks: [key], count: 1) })
            }
        }
        guard mapIndex == nil else {
            // Says why there is none.
            _ = try snapshot.knownInstance(row, task, mapIndex)
            return Answer(states: [], groups: [])
        }
        let explanation = try snapshot.explanation(of: row, taskID: task, isEngineRunning: isEngineRunning)
        let mapping = reasons.map { RunExplanation.Group(reason: $0, tasks: [], count: 0) }
        return Answer(states: explanation.states, groups: mapping + explanation.groups, untold: explanation.untold)
    }

    private func record(_ answer: Answer) -> Record {
        [
            "dag_id": .text(dag), "run_id": .text(run), "task_id": .text(task),
            "map_index": .number(mapIndex.map(Int64.init) ?? -1),
            "states": HindranceRecords.states(answer.states),
            "reasons": .list(
                answer.groups.map { group in
                    let indexes = group.tasks.map { JSONValue.integer(Int64($0.mapIndex)) }
                    return .record(
                        HindranceRecords.record(
                            group.reason,
                            [
                                Record.Field(name: "map_indexes", value: .value(.array(indexes))),
                                Record.Field(name: "count", value: .number(group.count)),
                            ]))
                }),
            "untold": HindranceRecords.states(answer.untold),
        ]
    }
}

/// Refuses the index of no instance.
func checkedMapIndex(_ index: Int?) throws {
    if let index, index < 0 { throw ValidationError("--map-index is \(index); instances are counted from 0") }
}
