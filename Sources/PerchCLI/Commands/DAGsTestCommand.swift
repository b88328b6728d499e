// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct DAGsTestCommand<Bundle: DAGBundle>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "test", abstract: "Run a DAG once, here and now, without a home.",
            discussion: """
                Needs no engine and changes no home: the run has one of its own, which is removed after it; connections and \
                variables are read from $PERCH_HOME or ./.perch, where there is one. Waits are \
                watched as in an engine; --fast-forward jumps over the time between. With -o json, yaml or plain \
                the summary alone is on standard output. Exit code 1 where the run failed.
                """)
    }

    @Argument(help: "The DAG's id.", completion: .dags) var dag: String
    @OptionGroup var folder: DAGFolderOption
    @OptionGroup var options: TestOptions

    func run() async throws {
        let own = try OwnDAGs(Bundle.self, folder)
        var test = try options.test(own.dag(dag))
        test.triggers = own.triggers
        try await options.carryOut(test)
    }
}
