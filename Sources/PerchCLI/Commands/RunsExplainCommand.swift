// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct RunsExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Why a run stands where it stands, in sentences.",
        discussion: """
            The run as a whole, then what its tasks do that are under way or failed; tasks with one reason are told \
            together. 'tasks failed-deps' says more of one task.
            """)

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The run's id.", completion: .runs) var run: String
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func run() async throws {
        let explanation = try await home.withMetastore { home, metastore in
            let isRunning = try home.mayHaveEngine()
            let (dag, run) = (dag, run)
            var explanation = try await metastore.read { snapshot in
                try snapshot.explanation(of: try snapshot.knownRun(dag, run), isEngineRunning: isRunning)
            }
            for index in explanation.groups.indices where explanation.groups[index].count == 1 {
                explanation.groups[index].reason = try await explanation.groups[index].reason.explained(home, metastore)
            }
            return explanation
        }
        guard output.format == .table else { return try Listing.show(Self.record(explanation), output.format) }
        for line in Self.lines(explanation) { try Console.shared.line(SafeText.neutralised(line)) }
        try Console.shared.flush()
    }

    private static func lines(_ explanation: RunExplanation) -> [String] {
        let run = explanation.run
        let states = explanation.states.isEmpty ? "no task instances yet" : HindranceRecords.words(explanation.states)
        var lines = ["Run \(run.runID) of \(run.dagID) is \(run.state.rawValue): \(states)."]
        lines += explanation.reasons.map(\.text)
        lines += explanation.groups.map { "\(HindranceRecords.names($0)): \($0.reason.text)" }
        lines += explanation.untold.map { "And \($0.count) more that are \($0.state.rawValue)." }
        return lines
    }

    private static func record(_ explanation: RunExplanation) -> Record {
        [
            "dag_id": .text(explanation.run.dagID), "run_id": .text(explanation.run.runID),
            "state": .text(explanation.run.state.rawValue),
            "states": HindranceRecords.states(explanation.states),
            "reasons": .list(explanation.reasons.map { .record(HindranceRecords.record($0)) }),
            "tasks": .list(
                explanation.groups.map { group in
                    let instances: [Document] = group.tasks.map {
                        .record(["task_id": .text($0.taskID), "map_index": .number($0.mapIndex)])
                    }
                    return .record(
                        HindranceRecords.record(
                            group.reason,
                            [
                                Record.Field(name: "count", value: .number(group.count)),
                                Record.Field(name: "instances", value: .list(instances)),
                            ]))
                }),
            "untold": HindranceRecords.states(explanation.untold),
        ]
    }
}
