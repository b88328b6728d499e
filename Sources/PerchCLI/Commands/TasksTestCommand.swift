// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct TasksTestCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "test", abstract: "Run one task alone, once, here and now, without a home.",
            discussion: """
                What the task takes from other tasks is given with --input. It is tried once, whatever retries it has. \
                Everything else is as with `dags test`.
                """)
    }

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @Argument(help: "The task's id.", completion: .tasks) var task: String
    @Option(
        name: .long, parsing: .singleValue,
        help: ArgumentHelp("The output of the task NAME, which this one takes.", valueName: "name=json"))
    var input: [String] = []
    @Option(name: .long, help: ArgumentHelp("The element of a mapped task's instance.", valueName: "json"))
    var mapElement: String?
    @OptionGroup var folder: DAGFolderOption
    @OptionGroup var options: TestOptions

    func validate() throws { _ = try (inputs(), element()) }

    func run() async throws {
        let own = try OwnDAGs(Bundle.self, folder)
        let lone = try LoneTask(own.dag(dag), task)
        var test = try options.test(lone.alone(inputs: inputs(), mapElement: element()))
        test.triggers = own.triggers
        test.tasks = [task]
        try await options.carryOut(test)
    }

    private func inputs() throws -> [(name: String, value: JSONValue)] {
        try input.map { text in
            guard let (name, value) = try TestOptions.pair(text, "--input") else {
                throw ValidationError("--input takes NAME=JSON, not '\(text)'")
            }
            return (name, value)
        }
    }

    private func element() throws -> JSONValue? {
        try mapElement.map { try JSONValue.option("--map-element", $0) }
    }
}
