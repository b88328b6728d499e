// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PerchSDK

struct CompletionCommand<Bundle: DAGBundle>: ParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "completion", abstract: "Print the completion script of a shell: bash, zsh or fish.",
            discussion: """
                bash: source <(\(ProgramName.current) completion bash)
                zsh:  \(ProgramName.current) completion zsh > a file '_\(ProgramName.current)' in a directory of $fpath
                fish: \(ProgramName.current) completion fish | source
                Ids of DAGs, runs, tasks and pools are completed from the home that --home or $PERCH_HOME names.
                """)
    }

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        var shell: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "bash, zsh or fish.") var shell: Shell

    func run() throws {
        try Console.shared.line(RootCommand<Bundle>.completionScript(for: shell.shell))
        try Console.shared.flush()
    }
}
