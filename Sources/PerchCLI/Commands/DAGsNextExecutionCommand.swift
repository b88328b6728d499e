// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchMetastore
internal import PerchSDK

struct DAGsNextExecutionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "next-execution", abstract: "The next instants at which runs of a DAG are created.")

    @Argument(help: "The DAG's id.") var dag: String
    @Option(name: .shortAndLong, help: "How many.") var number = 1
    @OptionGroup var home: HomeOption
    @OptionGroup var output: FormatOption

    func validate() throws { try checkedLimit(number, "-n") }

    func run() async throws {}
}
